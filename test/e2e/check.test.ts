import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { scratchDir, TSBUILD, tsbuild, writeFiles, type CliResult, type FileSpec } from '../helpers/cli.js';

const scratch = scratchDir('tsbuild-check-');
afterAll(() => scratch[Symbol.dispose]());

const root = join(scratch.path, 'store');
const RULE = 'https://docs.docker.com/go/dockerfile/rule';
let count = 0;

function contextOf(dockerfile: string, files: Readonly<Record<string, FileSpec>> = {}): string {
  return writeFiles(join(scratch.path, `context-${count++}`), { Dockerfile: dockerfile, ...files });
}

/** Inspects without a store: none may come into being. */
function inspect(dockerfile: string, args: readonly string[], files: Readonly<Record<string, FileSpec>> = {}): CliResult {
  const noStore = join(scratch.path, 'no-store');
  const result = tsbuild([...args, '--root', noStore, contextOf(dockerfile, files)]);
  expect(existsSync(noStore)).toBe(false);
  return result;
}

const WITH_WARNINGS = 'FROM scratch as base\nENV a b\nCMD hello\n';

describe('--check', () => {
  test('is happy with a good file', () => {
    expect(inspect('FROM scratch\nCMD ["x"]\n', ['--check'])).toEqual({
      status: 0,
      stdout: 'Check complete, no warnings found.\n',
      stderr: '',
    });
  });

  test('7: shows each warning with its lines, in the order of the file, and ends with 1', () => {
    const result = inspect('FROM scratch AS a\nCMD hello\nCOPY x \\\n\n  /y\nUSER z\n', ['--check']);
    expect(result).toMatchObject({ status: 1, stderr: '' });
    expect(result.stdout).toBe(`Check complete, 2 warnings have been found!

WARNING: JSONArgsRecommended - ${RULE}/json-args-recommended/
JSON arguments recommended for CMD to prevent unintended behavior related to OS signals
Dockerfile:2
--------------------
   1 |     FROM scratch AS a
   2 | >>> CMD hello
   3 |     COPY x \\
   4 |     
--------------------

WARNING: NoEmptyContinuation - ${RULE}/no-empty-continuation/
Empty continuation line
Dockerfile:5
--------------------
   3 |     COPY x \\
   4 |     
   5 | >>>   /y
   6 |     USER z
   7 |     
--------------------
`);
  });

  test('shows several lines of one instruction', () => {
    expect(inspect('FROM scratch\nCMD a \\\n  b\n', ['--check']).stdout).toContain(`Dockerfile:2
--------------------
   1 |     FROM scratch
   2 | >>> CMD a \\
   3 | >>>   b
   4 |     
--------------------
`);
  });

  test('is --call=check, in both spellings', () => {
    const [short, long, apart] = [['--check'], ['--call=check'], ['--call', 'check']].map((args) => inspect(WITH_WARNINGS, args));
    expect(short?.stdout).toContain('Check complete, 3 warnings have been found!');
    expect([long, apart]).toEqual([short, short]);
  });

  test('can leave the status at 0', () => {
    expect(inspect(WITH_WARNINGS, ['--call=check,ignorestatus=true'])).toMatchObject({ status: 0 });
  });

  test('of bases that are not at hand checks what can be checked', () => {
    const result = inspect('FROM registry.example/nowhere/base:1\nENV A=$FROM_THE_BASE\nCOPY --from=elsewhere /x /\nWORKDIR sub\n', [
      '--check',
    ]);
    expect(result).toMatchObject({ status: 1, stderr: '' });
    expect(result.stdout).toContain('Check complete, 1 warning has been found!');
    expect(result.stdout).toContain('WARNING: WorkdirRelativePath');
  });

  test('an error is told after the warnings, with its frame', () => {
    const result = inspect(`${WITH_WARNINGS}EXPOSE x\n`, ['--check']);
    expect(result).toMatchObject({ status: 2 });
    expect(result.stdout).toContain('Check complete, 3 warnings have been found!');
    expect(result.stderr).toContain('ERROR: Dockerfile:4:1: invalid containerPort: x\n');
    expect(result.stderr).toContain('>>> 4 | EXPOSE x\n');
  });

  test('a line that cannot be parsed does not hide the warnings above it', () => {
    const result = inspect('FROM scratch AS BadStageName\nMAINTAINER me@example.org\nBADCMD\n', ['--check']);
    expect(result).toMatchObject({ status: 2 });
    expect(result.stdout).toContain("Stage name 'BadStageName' should be lowercase");
    expect(result.stdout).toContain('Maintainer instruction is deprecated in favor of using label');
    expect(result.stderr).toContain('ERROR: Dockerfile:3:1: unknown instruction: BADCMD');
  });

  test('errors of stages that the default target does not need are errors', () => {
    const text = 'FROM scratch AS a\nEXPOSE x\nFROM scratch AS b\nFROM scratch\n';
    expect(inspect(text, ['--check']).stderr).toContain('invalid containerPort: x');
    expect(inspect(text.replace(' AS a', ''), ['--check']).stderr).toContain('invalid containerPort: x');
    expect(inspect(text, ['--check', '--target', 'b'])).toMatchObject({ status: 0 });
  });

  test('an error that a base which is not at hand could put right is none', () => {
    expect(inspect('FROM nowhere\nENV A=${JAVA_HOME:?no-java}\n', ['--check'])).toMatchObject({ status: 0 });
    expect(inspect('FROM scratch\nENV A=${JAVA_HOME:?no-java}\n', ['--check'])).toMatchObject({ status: 2 });
  });

  test('error=true is an error', () => {
    const result = inspect(`# check=error=true;skip=JSONArgsRecommended\n${WITH_WARNINGS}`, ['--check']);
    expect(result.status).toBe(2);
    expect(result.stdout).toContain('Check complete, 2 warnings have been found!');
    expect(result.stderr).toContain('lint violation found for rules: FromAsCasing, LegacyKeyValueFormat');
  });

  test('BUILDKIT_DOCKERFILE_CHECK replaces the directive', () => {
    const args = ['--check', '--build-arg', 'BUILDKIT_DOCKERFILE_CHECK=skip=FromAsCasing,LegacyKeyValueFormat'];
    const { stdout } = inspect(`# check=skip=all\n${WITH_WARNINGS}`, args);
    expect(stdout).toContain('Check complete, 1 warning has been found!');
  });

  test('knows the ignore file beside the Dockerfile', () => {
    const files = { 'Dockerfile.dockerignore': 'secret.txt\n', '.dockerignore': 'other.txt\n', 'secret.txt': 'x', 'other.txt': 'x' };
    const { stdout } = inspect('FROM scratch\nCOPY secret.txt other.txt /\n', ['--check'], files);
    expect(stdout).toContain('Attempting to Copy file "secret.txt" that is excluded by .dockerignore');
    expect(stdout).not.toContain('"other.txt"');
  });

  test('reads a Dockerfile from standard input', () => {
    const args = [TSBUILD, '--check', '-f', '-', contextOf('FROM scratch\n')];
    const { status, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8', input: 'FROM scratch\nCMD hello\n' });
    expect(status).toBe(1);
    expect(stdout).toContain('JSONArgsRecommended');
  });

  test('a file that is not there is an error', () => {
    expect(tsbuild(['--check', '-f', join(scratch.path, 'none'), scratch.path])).toMatchObject({ status: 2, stdout: '' });
  });
});

describe('--call=check,format=json', () => {
  test('is what buildx prints', () => {
    const dockerfile = 'FROM scratch as base\nCMD a \\\n  b\n';
    const result = inspect(dockerfile, ['--call=check,format=json']);
    expect(result).toMatchObject({ status: 1, stderr: '' });
    expect(JSON.parse(result.stdout)).toEqual({
      warnings: [
        {
          ruleName: 'FromAsCasing',
          description: "The 'as' keyword should match the case of the 'from' keyword",
          url: `${RULE}/from-as-casing/`,
          detail: "'as' and 'FROM' keywords' casing do not match",
          location: { ranges: [{ start: { line: 1 }, end: { line: 1 } }] },
        },
        {
          ruleName: 'JSONArgsRecommended',
          description: 'JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals',
          url: `${RULE}/json-args-recommended/`,
          detail: 'JSON arguments recommended for CMD to prevent unintended behavior related to OS signals',
          location: {
            ranges: [
              { start: { line: 2 }, end: { line: 2 } },
              { start: { line: 3 }, end: { line: 3 } },
            ],
          },
        },
      ],
      sources: [{ filename: 'Dockerfile', language: 'Dockerfile', data: Buffer.from(dockerfile).toString('base64') }],
    });
  });

  test('without warnings has an empty list', () => {
    const result = inspect('FROM scratch\n', ['--call', 'check,format=json']);
    expect(result.status).toBe(0);
    expect(JSON.parse(result.stdout)).toMatchObject({ warnings: [] });
  });

  test('carries what a build would fail with', () => {
    const result = inspect('FROM scratch AS Base\nBADCMD\n', ['--call=check,format=json']);
    expect(result.status).toBe(2);
    expect(JSON.parse(result.stdout)).toMatchObject({
      warnings: [{ ruleName: 'StageNameCasing' }],
      buildError: {
        message: expect.stringMatching(/^dockerfile parse error on line 2: unknown instruction: BADCMD/) as unknown,
        location: { ranges: [{ start: { line: 2 }, end: { line: 2 } }] },
      },
    });
    expect(result.stderr).toContain('unknown instruction: BADCMD');
  });

  test('escapes what HTML would read', () => {
    const { stdout } = inspect('FROM scratch\nWORKDIR a<b>&c\n', ['--call=check,format=json']);
    expect(stdout).toContain('a\\u003cb\\u003e\\u0026c');
  });
});

describe('--call=outline and --call=targets', () => {
  const dockerfile = '# GREETING what to say\nARG GREETING=hello\nFROM scratch AS base\n# app greets\nFROM base AS app\nARG GREETING\n';

  test('as text', () => {
    expect(inspect(dockerfile, ['--call=outline'])).toEqual({
      status: 0,
      stdout: 'TARGET:      app\nDESCRIPTION: greets\n\nBUILD ARG   VALUE   DESCRIPTION\nGREETING    hello   what to say\n\n',
      stderr: '',
    });
    expect(inspect(dockerfile, ['--call=targets']).stdout).toBe('TARGET          DESCRIPTION\nbase            \napp (default)   greets\n');
  });

  test('as JSON, with a target and build arguments', () => {
    const outline = inspect(dockerfile, ['--call=outline,format=json', '--build-arg', 'GREETING=hi']).stdout;
    expect(JSON.parse(outline)).toMatchObject({ name: 'app', args: [{ name: 'GREETING', value: 'hi', description: 'what to say' }] });
    expect(JSON.parse(inspect(dockerfile, ['--call=outline,format=json', '--target=base']).stdout)).not.toHaveProperty('args');
    expect(JSON.parse(inspect(dockerfile, ['--call', 'targets,format=json']).stdout)).toMatchObject({
      targets: [
        { name: 'base', base: 'scratch' },
        { name: 'app', base: 'base', default: true },
      ],
    });
  });

  test('need no base image', () => {
    expect(inspect('FROM nowhere\nARG A=1\n', ['--call=outline']).stdout).toContain('A           1');
    expect(inspect('FROM nowhere\n', ['--call=targets'])).toMatchObject({ status: 0 });
  });

  test('of a file that is wrong are an error', () => {
    expect(inspect('FROM scratch\nNOPE\n', ['--call=targets'])).toMatchObject({ status: 2, stdout: '' });
    expect(inspect('FROM scratch AS a\n', ['--call=outline', '--target=b'])).toMatchObject({ status: 2, stdout: '' });
  });
});

describe('--call', () => {
  test.each([
    ['--call=chek', 'there is no method "chek" (did you mean check?)'],
    ['--call=', 'there is no method ""'],
    ['--call=check,format=yaml', 'there is no format "yaml"'],
    ['--call=check,colour=red', '"colour=red" means nothing here'],
  ])('%s is refused', (flag, message) => {
    const result = inspect('FROM scratch\n', [flag]);
    expect(result).toMatchObject({ status: 2, stdout: '' });
    expect(result.stderr).toContain(message);
  });

  test('and --check cannot ask for different things', () => {
    expect(inspect('FROM scratch\n', ['--check', '--call=targets'])).toMatchObject({ status: 2 });
    expect(inspect('FROM scratch\n', ['--check', '--call=check,format=json']).stdout).toContain('"warnings": []');
  });
});

describe('a build', () => {
  const build = (dockerfile: string, ...args: string[]): CliResult => tsbuild([...args, '--root', root, contextOf(dockerfile, { x: 'x' })]);
  const SHORT = ` 3 warnings found (use --check to expand):
 - FromAsCasing: 'as' and 'FROM' keywords' casing do not match (line 1)
 - LegacyKeyValueFormat: "ENV key=value" should be used instead of legacy "ENV key value" format (line 2)
 - JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior related to OS signals (line 3)
`;

  test('tells the short forms at its end', () => {
    const { status, stderr } = build(WITH_WARNINGS, '--progress=plain');
    expect(status).toBe(0);
    expect(stderr).toContain(`\n\n${SHORT}built `);
  });

  test('in a terminal too', () => {
    const { stderr } = build(WITH_WARNINGS, '--progress=tty');
    expect(stderr).toContain(`\n\n${SHORT}built `);
  });

  test('of one warning', () => {
    expect(build('FROM scratch\nCOPY x /\nCMD x\n', '--build-arg', 'NO=1').stderr).toContain(
      ' 1 warning found (use --check to expand):\n - JSONArgs',
    );
  });

  test('not when it is quiet', () => {
    expect(build(WITH_WARNINGS, '-q')).toMatchObject({ status: 0, stderr: '' });
  });

  test('not of stages that it does not build', () => {
    expect(build('FROM scratch AS unused\nCMD x\nFROM scratch\nCOPY x /\n').stderr).not.toContain('warning');
  });

  test('also when it fails, before the error', () => {
    const { status, stderr } = build('FROM scratch as a\nCOPY nothing-here /\n');
    expect(status).not.toBe(0);
    expect(stderr).toMatch(/ 1 warning found .*\n - FromAsCasing.*\nERROR: /);
    expect(build('FROM scratch as a\nNOPE\n').stderr).toMatch(/ 1 warning found .*\n - FromAsCasing.*\nERROR: .*NOPE/);
    expect(build('FROM scratch as a\nEXPOSE x\n').stderr).toMatch(/ 1 warning found .*\n - FromAsCasing.*\nERROR: /);
  });

  test('with error=true builds nothing', () => {
    const before = readdirSync(join(root, 'blobs/sha256')).length;
    const { status, stderr } = build(`# check=error=true\n${WITH_WARNINGS}COPY x /only-here\n`);
    expect(status).toBe(2);
    expect(stderr).toContain(
      'ERROR: Dockerfile:2:1: lint violation found for rules: FromAsCasing, LegacyKeyValueFormat, JSONArgsRecommended',
    );
    expect(readdirSync(join(root, 'blobs/sha256')).length).toBe(before);
  });

  test('82: tells of a base for another platform once, by the rule', () => {
    const dir = contextOf('FROM scratch\nCOPY x /\n', { x: 'x' });
    const layout = join(scratch.path, 'foreign');
    expect(tsbuild(['--root', root, '--platform', 'linux/s390x', '-o', `type=oci,tar=false,dest=${layout}`, dir])).toMatchObject({
      status: 0,
    });
    expect(readFileSync(join(layout, 'index.json'), 'utf8')).toContain('sha256:');
    const using = contextOf('FROM foreign\nCOPY x /y\n', { x: 'x' });
    const args = ['--root', root, '--platform', 'linux/amd64', '--build-context', `foreign=oci-layout://${layout}`];
    const { stderr } = tsbuild([...args, using]);
    expect(stderr.match(/linux\/s390x/g)).toHaveLength(1);
    expect(stderr).toContain(
      ' - InvalidBaseImagePlatform: Base image foreign was pulled with platform "linux/s390x", expected "linux/amd64" for current build (line 1)\n',
    );
    expect(tsbuild([...args, '--check', using]).stdout).toContain('\nWARNING: InvalidBaseImagePlatform\nBase image foreign was pulled');
  });

  test('the check of a base in the store knows its variables', () => {
    const base = contextOf('FROM scratch\nCOPY x /\nENV HOME_OF_IT=/it\n', { x: 'x' });
    expect(tsbuild(['--root', root, '-t', 'with-env', base])).toMatchObject({ status: 0 });
    const using = contextOf('FROM with-env\nENV A=$HOME_OF_IT B=$HOME_OF_I\n');
    const { stdout } = tsbuild(['--check', '--root', root, using]);
    expect(stdout).toContain("Usage of undefined variable '$HOME_OF_I' (did you mean $HOME_OF_IT?)");
    expect(stdout).toContain('1 warning has been found');
  });
});
