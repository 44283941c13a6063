import { describe, expect, it } from 'vitest';
import type { Command } from '../../src/parse/instruction.js';
import { parseDockerfile } from '../../src/parse/parser.js';
import { ownFields, parse, parseOne, parseStage } from './helpers.js';

function exec(...args: string[]): Command {
  return { form: 'exec', args };
}

function shell(text: string): Command {
  return { form: 'shell', text };
}

describe('lines', () => {
  it.each<[string, string, string]>([
    ['4: two escapes at the end continue nothing', 'RUN a\\\\\nRUN b', 'a\\\\|b'],
    ['4: nor do three', 'RUN a\\\\\\\nRUN b', 'a\\\\\\|b'],
    ['5: blanks after the escape', 'RUN a\\ \t \nb', 'ab'],
    ['6: comments between', 'RUN a \\\n# c \\\n   # d\nb', 'a b'],
    ['7: blank lines between', 'RUN a \\\n\n  \t\nb', 'a b'],
    ['8: the end of the file after an escape', 'RUN a \\', 'a'],
    ['9: nothing comes between, indentation stays', 'RUN a\\\n  b\\\nc', 'a  bc'],
    ['a # inside', 'RUN a # b', 'a # b'],
    ['lines of an escape alone', 'RUN a\\\n\\\n \\\nb', 'a b'],
    ['an escape before the keyword', '\\\nRUN a', 'a'],
    ['blanks of other kinds between keyword and rest', 'RUN\t\v a\u00a0', 'a'],
    ['CRLF', 'RUN a \\\r\n  b\r\nRUN c\r\n', 'a   b|c'],
  ])('%s', (_, text, commands) => {
    const texts = parseStage(text).map((node) => (node.kind === 'run' && node.command.form === 'shell' ? node.command.text : node.kind));
    expect(texts.join('|')).toBe(commands);
  });

  it('26: may have 65535 bytes', () => {
    expect(parseOne('run', `RUN ${'x'.repeat(65_531)}`).text).toHaveLength(65_535);
  });

  it('13: take keywords in any case, and show them in upper case', () => {
    expect(parseOne('workdir', 'wOrKdIr /x')).toMatchObject({ keyword: 'WORKDIR', text: 'wOrKdIr /x', value: '/x' });
  });

  it('27: may begin with a BOM', () => {
    expect(parseDockerfile(Buffer.from('\uFEFFFROM a')).instructions).toHaveLength(1);
    expect(parse('\uFEFF# escape=`\nFROM a`\nb').instructions[0]).toMatchObject({ image: 'ab' });
  });

  it('28: have ranges with their heredocs', () => {
    const { instructions } = parse('\n FROM a\nRUN <<E \\\n b\nx\nE\n\n# c\nUSER \\\n  me');
    const ranges = instructions.map(({ range: r }) => `${r.startLine}:${r.startColumn}-${r.endLine}:${r.endColumn}`);
    expect(ranges).toEqual(['2:2-2:8', '3:1-6:2', '9:1-10:5']);
  });
});

describe('directives', () => {
  it.each<[string, string, object]>([
    ['none', 'FROM a', { escape: '\\' }],
    [
      'all of them',
      '# syntax=docker/dockerfile:1 x\n#ESCAPE = `\n# check=skip=A, B;error=true \nFROM a',
      { escape: '`', syntax: 'docker/dockerfile:1', check: 'skip=A, B;error=true' },
    ],
    ['1: escape after a blank line', '\n# escape=`\nFROM a', { escape: '\\' }],
    ['1: escape after a comment', '# hello\n# escape=`\nFROM a', { escape: '\\' }],
    ['1: escape after an unknown directive', '# foo=bar\n# escape=`\nFROM a', { escape: '\\' }],
    ['2: escape after syntax', '# syntax=x\n# escape=`\nFROM a', { escape: '`', syntax: 'x' }],
    ['syntax after a shebang', '#!/usr/bin/env x\n# syntax=y\nFROM a', { escape: '\\', syntax: 'y' }],
    ['escape after a shebang', '#!/usr/bin/env x\n# escape=`\nFROM a', { escape: '\\' }],
    ['indented', '  # escape=`\n  # syntax=x\nFROM a', { escape: '`' }],
    ['without a value', '# escape=\n# syntax=x\nFROM a', { escape: '\\' }],
  ])('%s', (_, text, directives) => {
    expect(parse(text).directives).toEqual(directives);
  });
});

describe('JSON forms', () => {
  it.each<[string, string, Command]>([
    ['10: single quotes', "CMD ['a']", shell("['a']")],
    ['10: text after the array', 'CMD ["a"] x', shell('["a"] x')],
    ['10: an open bracket', 'CMD ["a"', shell('["a"')],
    ['10: an open string', 'CMD ["a]', shell('["a]')],
    ['10: a comma too many', 'CMD ["a",]', shell('["a",]')],
    ['12: blanks around', 'CMD   [ "a" ,\t"b" ]  ', exec('a', 'b')],
    ['12: nothing inside', 'CMD [ ]', exec()],
    ['12: escapes', String.raw`CMD ["\u00e9\\n\"", "a\/b"]`, exec('é\\n"', 'a/b')],
    ['over two lines', 'CMD ["a", \\\n  "b"]', exec('a', 'b')],
    ['no command at all', 'CMD', shell('')],
    ['a command of one word', 'CMD top', shell('top')],
    ['a variable', 'CMD $x "y"', shell('$x "y"')],
  ])('%s', (_, text, command) => {
    expect(parseOne('cmd', text).command).toEqual(command);
  });

  it('are words where they are none, in COPY and VOLUME', () => {
    expect(parseOne('copy', 'COPY ["a", b] c')).toMatchObject({ sources: ['["a",', 'b]'], dest: 'c' });
    expect(parseOne('volume', "VOLUME ['/a', '/b']").paths).toEqual(["['/a',", "'/b']"]);
  });
});

describe('FROM and ARG', () => {
  it.each<[string, object]>([
    ['FROM a', { image: 'a' }],
    ['FROM --platform=$BUILDPLATFORM a:1@sha256:0 aS A.b-c_d', { image: 'a:1@sha256:0', platform: '$BUILDPLATFORM', name: 'a.b-c_d' }],
    ['FROM --platform= a', { image: 'a' }],
    ['FROM ${x:-y z}', { image: '${x:-y' }],
  ])('%s', (text, fields) => {
    if (text.includes('y z')) return expect(() => parse(text)).toThrow('FROM requires either one or three arguments');
    const from = parse(text).instructions[0] ?? expect.unreachable();
    expect(from).toMatchObject({ keyword: 'FROM', kind: 'from', text, range: { startLine: 1 } });
    expect(ownFields(from)).toEqual(fields);
  });

  it('ARG takes names, values and quotes, and no flags', () => {
    expect(parseOne('arg', 'ARG --x a b= c="1 2" d=\'x\'y').args).toEqual([
      { name: 'a' },
      { name: 'b', value: '' },
      { name: 'c', value: '"1 2"' },
      { name: 'd', value: "'x'y" },
    ]);
  });
});

describe('ENV and LABEL', () => {
  it.each<[string, string, [string, string][]]>([
    ['15: the form without =', 'ENV a b c=d', [['a', 'b c=d']]],
    [
      '16: quotes and escapes stay for the lexer',
      String.raw`ENV a="x\ y" b=x\ y c='x y' d=a"b c"d`,
      [
        ['a', String.raw`"x\ y"`],
        ['b', String.raw`x\ y`],
        ['c', "'x y'"],
        ['d', 'a"b c"d'],
      ],
    ],
    ['17: percent signs', 'ENV myenv foo%sbar', [['myenv', 'foo%sbar']]],
    ['a value with =', 'ENV a=b=c', [['a', 'b=c']]],
    ['an empty value', 'ENV a=', [['a', '']]],
    ['a quoted name', 'ENV "a b"=c', [['"a b"', 'c']]],
    ['an escape at the end', 'ENV a=b\\\\', [['a', 'b\\\\']]],
    ['quotes at the front decide nothing', 'ENV "a b" c', [['"a', 'b" c']]],
  ])('%s', (_, text, pairs) => {
    const expected = pairs.map(([name, value]) => ({ name, value }));
    expect(parseOne('env', text).pairs).toEqual(expected);
    expect(parseOne('label', text.replace('ENV', 'LABEL')).pairs).toEqual(expected);
  });
});

describe('one argument', () => {
  it('21: may contain blanks', () => {
    expect(parseOne('maintainer', 'MAINTAINER Joe  Doe <j@d> ').value).toBe('Joe  Doe <j@d>');
    expect(parseOne('user', 'USER a b').value).toBe('a b');
    expect(parseOne('workdir', 'WORKDIR /a b/').value).toBe('/a b/');
    expect(parseOne('stopsignal', 'STOPSIGNAL --x 9').value).toBe('9');
  });
});

describe('flags', () => {
  it('22: end at the first other word', () => {
    expect(parseOne('copy', 'COPY a --chown=x b')).toMatchObject({ sources: ['a', '--chown=x'], dest: 'b' });
  });

  it('23: end at --, which is dropped', () => {
    expect(parseOne('copy', 'COPY --chown=1 -- --x y')).toMatchObject({ sources: ['--x'], dest: 'y', chown: '1' });
    expect(parseOne('run', 'RUN -- --x').command).toEqual(shell('--x'));
  });

  it('group by quotes and take escapes', () => {
    const text = String.raw`COPY --chown="a b":'c' --exclude=x\ y --exclude=é a b`;
    expect(parseOne('copy', text)).toMatchObject({ chown: 'a b:c', exclude: ['x y', 'é'] });
    expect(parse('# escape=`\nFROM --platform=a` b\\c d').instructions[0]).toMatchObject({ platform: 'a b\\c', image: 'd' });
  });

  it.each<[string, object]>([
    ['COPY a b', { link: false, parents: false, exclude: [] }],
    ['COPY --link --parents a b', { link: true, parents: true }],
    ['COPY --link=TRUE --parents=False a b', { link: true, parents: false }],
    ['COPY --from=x --chmod=u+x --chown= a b', { from: 'x', chmod: 'u+x', chown: undefined }],
    ['ADD --checksum=sha256:0 --keep-git-dir --unpack=false a b', { op: 'ADD', checksum: 'sha256:0', keepGitDir: true, unpack: false }],
    ['ADD a b', { op: 'ADD', keepGitDir: undefined, unpack: undefined }],
  ])('%s', (text, fields) => {
    const copy = parseOne('copy', text);
    expect(Object.fromEntries(Object.keys(fields).map((key) => [key, copy[key as keyof typeof copy]]))).toEqual(fields);
  });

  it('of RUN are taken off its command', () => {
    const run = parseOne(
      'run',
      'RUN --mount=type=cache,target=/a --mount=target=/b \\\n  --network=none --security=sandbox --device=x ["ls", "-l"]',
    );
    expect(run).toMatchObject({ mounts: ['type=cache,target=/a', 'target=/b'], network: 'none', security: 'sandbox', devices: ['x'] });
    expect(run.command).toEqual(exec('ls', '-l'));
    expect(parseOne('run', 'RUN ls')).not.toHaveProperty('network');
  });
});

describe('the others', () => {
  it('EXPOSE is sorted by its raw words', () => {
    expect(parseOne('expose', 'EXPOSE 80 443/tcp $x 1000-2000').ports).toEqual(['$x', '1000-2000', '443/tcp', '80']);
  });

  it('SHELL, ENTRYPOINT and VOLUME', () => {
    expect(parseOne('shell', 'SHELL ["/bin/bash", "-c"]').shell).toEqual(['/bin/bash', '-c']);
    expect(parseOne('entrypoint', 'ENTRYPOINT []').command).toEqual(exec());
    expect(parseOne('volume', 'VOLUME ["/a b ","/c"]').paths).toEqual(['/a b', '/c']);
    expect(parseOne('volume', 'VOLUME /a  /b').paths).toEqual(['/a', '/b']);
  });

  it.each<[string, object]>([
    ['HEALTHCHECK NONE', { test: 'none' }],
    ['HEALTHCHECK none', { test: 'none' }],
    ['HEALTHCHECK cmd a b', { test: shell('a b') }],
    [
      'HEALTHCHECK --interval=1h2m3.5s --timeout=1ms --retries=+3 CMD ["a"]',
      { test: exec('a'), intervalNs: 3_723_500_000_000, timeoutNs: 1_000_000, retries: 3 },
    ],
    [
      'HEALTHCHECK --start-period=0 --start-interval=0s --retries=0 CMD a',
      { test: shell('a'), startPeriodNs: 0, startIntervalNs: 0, retries: 0 },
    ],
    ['HEALTHCHECK --interval=4.35s --timeout=.5m CMD a', { test: shell('a'), intervalNs: 4_350_000_000, timeoutNs: 30_000_000_000 }],
    ['HEALTHCHECK --interval= --retries= CMD a', { test: shell('a') }],
  ])('%s', (text, fields) => {
    expect(ownFields(parseOne('healthcheck', text))).toEqual(fields);
  });

  it('ONBUILD keeps its trigger as it is written', () => {
    expect(parseOne('onbuild', 'onbuild  RUN echo  $a \\\n && b').trigger).toBe('RUN echo  $a  && b');
  });
});
