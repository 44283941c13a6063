import { check } from './helpers.js';

const JSON_ARGS = (keyword: string): string =>
  `JSON arguments recommended for ${keyword} to prevent unintended behavior related to OS signals`;
check('JSONArgsRecommended', [
  ['CMD', 'FROM scratch\nCMD mycommand', ['JSONArgsRecommended', '2', JSON_ARGS('CMD')]],
  ['ENTRYPOINT', 'FROM scratch\nENTRYPOINT mycommand', ['JSONArgsRecommended', '2', JSON_ARGS('ENTRYPOINT')]],
  ['as it is written', 'from scratch\ncmd mycommand', ['JSONArgsRecommended', '2', JSON_ARGS('cmd')]],
  ['exec form', 'FROM scratch\nENTRYPOINT ["a"]\nCMD ["b"]'],
  ['broken JSON is shell form', "FROM scratch\nCMD ['a']", ['JSONArgsRecommended', '2', JSON_ARGS('CMD')]],
  ['behind SHELL', 'FROM scratch\nSHELL ["/usr/bin/customshell"]\nCMD mycommand\nENTRYPOINT mycommand'],
  ['before SHELL', 'FROM scratch\nCMD mycommand\nSHELL ["/bin/bash", "-c"]', ['JSONArgsRecommended', '2', JSON_ARGS('CMD')]],
  ['SHELL of the stage below', 'FROM scratch AS base\nSHELL ["/bin/x"]\n\nFROM base\nCMD mycommand'],
  ['SHELL of the image', { text: 'FROM base\nCMD mycommand', images: { base: { Shell: ['/bin/bash', '-c'] } } }],
  ['an image that is not at hand', 'FROM nowhere\nCMD mycommand', ['JSONArgsRecommended', '2', JSON_ARGS('CMD')]],
  ['RUN and HEALTHCHECK are not asked', 'FROM scratch\nRUN x\nHEALTHCHECK CMD y'],
  ['skipped for one instruction', 'FROM scratch\n# check=skip=JSONArgsRecommended\nCMD a\n# check=skip=JSONArgsRecommended\nENTRYPOINT b'],
  [
    'skipped for one of two',
    'FROM scratch\n# check=skip=JSONArgsRecommended\nCMD a\nENTRYPOINT b',
    ['JSONArgsRecommended', '4', JSON_ARGS('ENTRYPOINT')],
  ],
  [
    'a trigger of the stage below, at its FROM',
    'FROM scratch AS base\nONBUILD CMD x\nFROM base',
    ['JSONArgsRecommended', '3', JSON_ARGS('CMD')],
  ],
]);

const WORKDIR = (path: string): string => `Relative workdir "${path}" can have unexpected results if the base image changes`;
check('WorkdirRelativePath', [
  ['the first is relative', 'FROM scratch\nWORKDIR app/', ['WorkdirRelativePath', '2', WORKDIR('app/')]],
  ['once is enough', 'FROM scratch\nWORKDIR a\nWORKDIR b', ['WorkdirRelativePath', '2', WORKDIR('a')]],
  ['behind an absolute one', 'FROM scratch\nWORKDIR /app\nWORKDIR sub'],
  ['an absolute one of the stage below', 'FROM scratch AS a\nWORKDIR /app\n\nFROM a AS b\nWORKDIR subdir/'],
  [
    'that of the image does not count',
    { text: 'FROM base\nWORKDIR app', images: { base: { WorkingDir: '/srv' } } },
    ['WorkdirRelativePath', '2', WORKDIR('app')],
  ],
  ['an expanded one', 'FROM scratch\nARG dir=/x\nWORKDIR $dir/y'],
  ['an expanded relative one', 'FROM scratch\nARG dir=x\nWORKDIR ${dir}/y', ['WorkdirRelativePath', '3', WORKDIR('x/y')]],
  ['skipped for one instruction', 'FROM scratch\n# check=skip=WorkdirRelativePath\nWORKDIR app/'],
]);

const UNDEFINED = (name: string, meant?: string): string =>
  `Usage of undefined variable '$${name}'${meant === undefined ? '' : ` (did you mean $${meant}?)`}`;
check('UndefinedVar', [
  ['declared without a value', 'FROM scratch\nARG foo\nCOPY Dockerfile${foo} .'],
  ['declared in the stage below', 'FROM scratch AS base\nARG foo=Dockerfile\n\nFROM base\nCOPY $foo .'],
  ['RUN is the shell’s', 'FROM scratch\nRUN echo $nope $PATH'],
  [
    'CMD, ENTRYPOINT, SHELL and HEALTHCHECK are not expanded',
    'FROM scratch\nSHELL ["$a"]\nCMD x $b\nENTRYPOINT ["$c"]\nHEALTHCHECK CMD $d',
  ],
  ['used before its ARG', 'FROM scratch\nCOPY $foo .\nARG foo=bar\nRUN echo $foo', ['UndefinedVar', '2', UNDEFINED('foo')]],
  [
    'nearly another',
    'FROM scratch\nARG DIR_BINARIES=binaries/\nARG DIR_ASSETS=assets/\nARG DIR_CONFIG=config/\nCOPY $DIR_ASSET .',
    ['UndefinedVar', '5', UNDEFINED('DIR_ASSET', 'DIR_ASSETS')],
  ],
  ['nearly PATH', 'FROM scratch\nENV PATH=$PAHT:/tmp/bin', ['UndefinedVar', '2', UNDEFINED('PAHT', 'PATH')]],
  ['the case of a name matters', 'FROM scratch\nENV A=$path', ['UndefinedVar', '2', UNDEFINED('path')]],
  ['ENV of the image', { text: 'FROM base\nENV A=$JAVA_HOME', images: { base: { Env: ['JAVA_HOME=/j'] } } }],
  [
    'near to one of the image',
    { text: 'FROM base\nENV A=$JAVA_HOM', images: { base: { Env: ['JAVA_HOME=/j'] } } },
    ['UndefinedVar', '2', UNDEFINED('JAVA_HOM', 'JAVA_HOME')],
  ],
  ['an image that is not at hand could have it', 'FROM nowhere\nENV A=$JAVA_HOME\nCOPY $x /'],
  ['so could a stage upon it', 'FROM nowhere AS a\nFROM a\nENV A=$JAVA_HOME'],
  ['a predefined argument without ARG', 'FROM scratch\nENV A=$TARGETARCH', ['UndefinedVar', '2', UNDEFINED('TARGETARCH')]],
  ['a predefined argument with ARG', 'FROM scratch\nARG TARGETARCH\nENV A=$TARGETARCH'],
  ['a global ARG without ARG', 'ARG V=1\nFROM scratch\nENV A=$V', ['UndefinedVar', '3', UNDEFINED('V')]],
  ['a default does not declare', 'FROM scratch\nENV A=${x:-1}', ['UndefinedVar', '2', UNDEFINED('x')]],
  ['nor does one ENV in the same line', 'FROM scratch\nENV a=1 b=$a', ['UndefinedVar', '2', UNDEFINED('a')]],
  ['one ARG in the same line does', 'FROM scratch\nARG a=1 b=$a'],
  ['in the default of an ARG', 'FROM scratch\nARG a=$b', ['UndefinedVar', '2', UNDEFINED('b')]],
  ['not where a build argument stands in', { text: 'FROM scratch\nARG a=$b', buildArgs: { a: '1' } }],
  [
    'each word of its own',
    'FROM scratch\nCOPY $a $b/$a$a /',
    ['UndefinedVar', '2', UNDEFINED('a')],
    ['UndefinedVar', '2', UNDEFINED('b')],
    ['UndefinedVar', '2', UNDEFINED('a')],
  ],
  ['in single quotes', "FROM scratch\nENV A='$b' B=\\$c"],
  [
    'in flags and destinations',
    'FROM scratch\nCOPY --chown=$u --chmod=7$m a $d',
    ['UndefinedVar', '2', UNDEFINED('u')],
    ['UndefinedVar', '2', UNDEFINED('m')],
    ['UndefinedVar', '2', UNDEFINED('d')],
  ],
  [
    'in other instructions',
    'FROM scratch\nLABEL a=$l\nUSER $u\nWORKDIR /$w\nVOLUME /$v\nSTOPSIGNAL $s',
    ['UndefinedVar', '2', UNDEFINED('l')],
    ['UndefinedVar', '3', UNDEFINED('u')],
    ['UndefinedVar', '4', UNDEFINED('w')],
    ['UndefinedVar', '5', UNDEFINED('v')],
    ['UndefinedVar', '6', UNDEFINED('s')],
  ],
  ['in mounts', 'FROM scratch\nRUN --mount=type=cache,target=/c/$x true', ['UndefinedVar', '2', UNDEFINED('x')]],
  ['in the body of a COPY heredoc', 'FROM scratch\nCOPY <<A /a\n$x\nA', ['UndefinedVar', '2-4', UNDEFINED('x')]],
  ['in a quoted heredoc', "FROM scratch\nCOPY <<'A' /a\n$x\nA"],
  ['in EXPOSE nobody asks', 'FROM scratch\nEXPOSE 80$x'],
  [
    'in every stage',
    'FROM scratch AS first\nCOPY $foo .\n\nFROM scratch AS second\nCOPY $bar .',
    ['UndefinedVar', '2', UNDEFINED('foo')],
    ['UndefinedVar', '5', UNDEFINED('bar')],
  ],
  [
    'in a build, in the stages that it needs',
    { text: 'FROM scratch AS first\nCOPY $foo .\n\nFROM scratch AS second\nCOPY $bar .', build: true },
    ['UndefinedVar', '5', UNDEFINED('bar')],
  ],
  [
    'in a stage that the target copies from',
    { text: 'FROM scratch AS first\nENV A=$foo\n\nFROM scratch\nCOPY --from=first /a /', build: true },
    ['UndefinedVar', '2', UNDEFINED('foo')],
  ],
  [
    'with a target',
    { text: 'FROM scratch AS first\nCOPY $foo .\n\nFROM scratch AS second\nCOPY $bar .', build: true, target: 'first' },
    ['UndefinedVar', '2', UNDEFINED('foo')],
  ],
  ['skipped for one instruction', 'FROM scratch\n# check=skip=UndefinedVar\nCOPY $foo .'],
]);

const MULTIPLE = (keyword: string): string =>
  `Multiple ${keyword} instructions should not be used in the same stage because only the last one will be used`;
const USED_TWICE = [
  ['MultipleInstructionsDisallowed', '2', MULTIPLE('ENTRYPOINT')],
  ['MultipleInstructionsDisallowed', '4', MULTIPLE('CMD')],
  ['MultipleInstructionsDisallowed', '6', MULTIPLE('HEALTHCHECK')],
] as const;
check('MultipleInstructionsDisallowed', [
  [
    'points to the earlier',
    'FROM scratch\nENTRYPOINT ["/a"]\nENTRYPOINT ["/b"]\nCMD ["/a"]\nCMD ["/b"]\nHEALTHCHECK CMD ["/a"]\nHEALTHCHECK CMD ["/b"]',
    ...USED_TWICE,
  ],
  [
    'with others between',
    'FROM scratch\nCMD ["/a"]\nCOPY <<EOF /a.txt\nHello, World!\nEOF\nCMD ["/b"]',
    ['MultipleInstructionsDisallowed', '2', MULTIPLE('CMD')],
  ],
  [
    'three of them',
    'FROM scratch\nCMD ["/a"]\nCMD ["/b"]\nCMD ["/c"]',
    ['MultipleInstructionsDisallowed', '2', MULTIPLE('CMD')],
    ['MultipleInstructionsDisallowed', '3', MULTIPLE('CMD')],
  ],
  [
    'in two stages',
    'FROM scratch AS a\nENTRYPOINT ["/a"]\nCMD ["/a"]\nHEALTHCHECK NONE\n\nFROM a AS b\nENTRYPOINT ["/b"]\nCMD ["/b"]\nHEALTHCHECK NONE',
  ],
  ['the whole earlier one', 'FROM scratch\nCMD ["/a", \\\n  "b"]\nCMD ["/b"]', ['MultipleInstructionsDisallowed', '2-3', MULTIPLE('CMD')]],
  ['skipped above the later', 'FROM scratch\nCMD ["/a"]\n# check=skip=MultipleInstructionsDisallowed\nCMD ["/b"]'],
]);

const LEGACY = (keyword: string): string => `"${keyword} key=value" should be used instead of legacy "${keyword} key value" format`;
check('LegacyKeyValueFormat', [
  [
    'ENV and LABEL',
    'FROM scratch\nENV testkey value\nLABEL key value',
    ['LegacyKeyValueFormat', '2', LEGACY('ENV')],
    ['LegacyKeyValueFormat', '3', LEGACY('LABEL')],
  ],
  ['with =', 'FROM scratch\nENV testkey=value\nLABEL key=value'],
  ['15: with = further on', 'FROM scratch\nENV a b c=d', ['LegacyKeyValueFormat', '2', LEGACY('ENV')]],
  ['as it is written', 'from scratch\nenv a b', ['LegacyKeyValueFormat', '2', LEGACY('env')]],
  ['in a stage that the build does not need', { text: 'FROM scratch AS a\n\nFROM a AS b\nENV testkey value\n\nFROM a AS c', build: true }],
  ['skipped for one instruction', 'FROM scratch\n# check=skip=LegacyKeyValueFormat\nENV a b\n# check=skip=LegacyKeyValueFormat\nLABEL a b'],
]);

const SECRET = (keyword: string, name: string): string => `Do not use ARG or ENV instructions for sensitive data (${keyword} "${name}")`;
check('SecretsUsedInArgOrEnv', [
  ['ARG', 'FROM scratch\nARG SECRET_PASSPHRASE', ['SecretsUsedInArgOrEnv', '2', SECRET('ARG', 'SECRET_PASSPHRASE')]],
  ['ENV in any case', 'FROM scratch\nENV SUPER_Secret=foo', ['SecretsUsedInArgOrEnv', '2', SECRET('ENV', 'SUPER_Secret')]],
  [
    'several in one line',
    'FROM scratch\nENV password=bar secret=baz',
    ['SecretsUsedInArgOrEnv', '2', SECRET('ENV', 'password')],
    ['SecretsUsedInArgOrEnv', '2', SECRET('ENV', 'secret')],
  ],
  [
    'at the ends of a name or between',
    'FROM scratch\nARG super_duper_secret_token=foo auth=bar',
    ['SecretsUsedInArgOrEnv', '2', SECRET('ARG', 'super_duper_secret_token')],
    ['SecretsUsedInArgOrEnv', '2', SECRET('ARG', 'auth')],
  ],
  ['empty ones too', 'FROM scratch\nENV git_key=', ['SecretsUsedInArgOrEnv', '2', SECRET('ENV', 'git_key')]],
  ['words inside words', 'FROM scratch\nENV sunflower=foo KEYBOARD=us monkey=1 tokens=2'],
  [
    'public things, files and versions',
    'FROM scratch\nENV PUBLIC_KEY=\nARG public_token SECRET_FILE\nENV password_file=bar secret_File=baz\nARG AUTH_MODULE_VERSION',
  ],
  [
    'all words',
    `FROM scratch\n${['apikey', 'credential', 'credentials', 'pword', 'passwd'].map((name) => `ARG X_${name}_Y`).join('\n')}`,
    ...['apikey', 'credential', 'credentials', 'pword', 'passwd'].map(
      (name, index) => ['SecretsUsedInArgOrEnv', `${index + 2}`, SECRET('ARG', `X_${name}_Y`)] as const,
    ),
  ],
  ['ARG before FROM is not asked', 'ARG PASSWORD\nFROM scratch'],
  [
    'skipped for one instruction each',
    'FROM scratch\n# check=skip=SecretsUsedInArgOrEnv // allowed here\nENV password=bar\n# check=skip=all // only here\nARG password\nARG other_password',
    ['SecretsUsedInArgOrEnv', '6', SECRET('ARG', 'other_password')],
  ],
]);

const PROTO = (port: string): string => `Defined protocol '${port}' in EXPOSE instruction should be lowercase`;
check('ExposeProtoCasing', [
  [
    'each port',
    'FROM scratch\nEXPOSE 80/TcP 8080/TCP 8080/udp',
    ['ExposeProtoCasing', '2', PROTO('80/TcP')],
    ['ExposeProtoCasing', '2', PROTO('8080/TCP')],
  ],
  ['lower case', 'FROM scratch\nEXPOSE 80 81/tcp 82/udp 83-85/sctp'],
  ['out of a variable', 'FROM scratch\nARG p="1/UDP 2/udp"\nEXPOSE $p', ['ExposeProtoCasing', '3', PROTO('1/UDP')]],
  ['skipped for one instruction', 'FROM scratch\n# check=skip=ExposeProtoCasing\nEXPOSE 80/TCP'],
]);

const FORMAT = (port: string): string => `EXPOSE instruction should not define an IP address or host-port mapping, found '${port}'`;
check('ExposeInvalidFormat', [
  [
    'addresses and mappings',
    'FROM scratch\nEXPOSE 127.0.0.1:80:80 [::1]:8080:8080 5000:5000 8000',
    ['ExposeInvalidFormat', '2', FORMAT('127.0.0.1:80:80')],
    ['ExposeInvalidFormat', '2', FORMAT('5000:5000')],
    ['ExposeInvalidFormat', '2', FORMAT('[::1]:8080:8080')],
  ],
  [
    'both rules at once',
    'FROM scratch\nEXPOSE 1:2/TCP',
    ['ExposeProtoCasing', '2', PROTO('1:2/TCP')],
    ['ExposeInvalidFormat', '2', FORMAT('1:2/TCP')],
  ],
  ['ports and ranges', 'FROM scratch\nEXPOSE 80 8000-8010/tcp'],
  ['skipped for one instruction', 'FROM scratch\n# check=skip=ExposeInvalidFormat\nEXPOSE 1:1'],
]);

const IGNORED = (op: string, file: string): string => `Attempting to ${op} file "${file}" that is excluded by .dockerignore`;
const COPY_FILE = { text: 'FROM scratch\nCOPY sub/a.txt /' };
const SUB_IGNORED = ['CopyIgnoredFile', '2', IGNORED('Copy', 'sub/a.txt')] as const;
check('CopyIgnoredFile', [
  [
    'COPY and ADD',
    { text: 'FROM scratch\nCOPY Dockerfile .\nADD Dockerfile /windy', ignore: 'Dockerfile' },
    ['CopyIgnoredFile', '2', IGNORED('Copy', 'Dockerfile')],
    ['CopyIgnoredFile', '3', IGNORED('Add', 'Dockerfile')],
  ],
  ['skipped for the file', { text: '# check=skip=CopyIgnoredFile\nFROM scratch\nCOPY Dockerfile .', ignore: 'Dockerfile' }],
  ['skipped for one instruction', { text: 'FROM scratch\n# check=skip=CopyIgnoredFile\nCOPY Dockerfile .', ignore: 'Dockerfile' }],
  ['from a stage', { text: 'FROM scratch AS base\nFROM base\nCOPY --from=base /foobar /x', ignore: 'foobar' }],
  ['let in by name', { text: 'FROM scratch\nCOPY ./Dockerfile .', ignore: '**\n!Dockerfile' }],
  ['the context, with something let in', { text: 'FROM scratch\nCOPY . .', ignore: '**\n!Dockerfile' }],
  ['the context, some of it kept out', { text: 'FROM scratch\nCOPY . .', ignore: '.*' }],
  ['the context, nothing left', { text: 'FROM scratch\nCOPY . .', ignore: '*' }, ['CopyIgnoredFile', '2', IGNORED('Copy', '.')]],
  [
    'the context, nothing left at any depth',
    { text: 'FROM scratch\nCOPY ./ /', ignore: '**' },
    ['CopyIgnoredFile', '2', IGNORED('Copy', '.')],
  ],
  ['a neighbour let in', { ...COPY_FILE, ignore: 'sub\n!sub/b.txt' }, SUB_IGNORED],
  ['something else let in', { ...COPY_FILE, ignore: 'sub\n!other.txt' }, SUB_IGNORED],
  ['something let in before', { ...COPY_FILE, ignore: '!sub/b.txt\nsub' }, SUB_IGNORED],
  ['a directory, something below let in', { text: 'FROM scratch\nCOPY sub /sub', ignore: 'sub\n!sub/a.txt' }],
  ['a wildcard, something below let in', { text: 'FROM scratch\nCOPY sub/*.txt /', ignore: 'sub\n!sub/a.txt' }],
  ['a wildcard', { text: 'FROM scratch\nCOPY sub/*.txt /', ignore: 'sub' }, ['CopyIgnoredFile', '2', IGNORED('Copy', 'sub/*.txt')]],
  ['let in by an escaped name', { text: 'FROM scratch\nCOPY su.b /', ignore: 'su.b\n!su\\.b/keep.txt' }],
  ['let in by a wildcard above', { text: 'FROM scratch\nCOPY sub /', ignore: 'sub\n!*/keep.txt' }],
  [
    'a parent kept out',
    { text: 'FROM scratch\nCOPY a/../sub//x/y /', ignore: '/sub/' },
    ['CopyIgnoredFile', '2', IGNORED('Copy', 'sub/x/y')],
  ],
  [
    'an expanded name',
    { text: 'FROM scratch\nARG f=secret.txt\nCOPY $f /', ignore: '*.txt' },
    ['CopyIgnoredFile', '3', IGNORED('Copy', 'secret.txt')],
  ],
  ['a URL', { text: 'FROM scratch\nADD https://example.com/a.txt https://example.com/r.git /', ignore: '**' }],
  ['a heredoc', { text: 'FROM scratch\nCOPY <<a.txt /\na\na.txt', ignore: '**' }],
  ['no ignore file', 'FROM scratch\nCOPY a /'],
]);
