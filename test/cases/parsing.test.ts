import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KEYWORDS } from '../../src/parse/arguments.js';
import { missingProgram, scratchDir, tsbuild, writeFiles } from '../helpers/cli.js';
import { Workshop } from '../helpers/workshop.js';
import { errorOf, parse, parseOne, placeOf } from '../parse/helpers.js';
import { configOf, stepOf } from '../plan/helpers.js';
import { builtFiles } from './built.js';

describe('directives', () => {
  it('3: check twice', () => {
    expect(errorOf(() => parse('# check=skip=all\n# check=error=true\nFROM a'))).toMatchObject({
      message: 'only one check parser directive can be used',
      range: { startLine: 2 },
    });
  });
});

describe('JSON forms', () => {
  it.each<[title: string, json: string, args: string[]]>([
    ['12: nothing', '[]', []],
    ['12: an empty string', '[""]', ['']],
    ['12: one string', '["a"]', ['a']],
    ['12: two strings', '["a","b"]', ['a', 'b']],
    ['12: blanks inside', '[ "a", "b" ]', ['a', 'b']],
    ['12: tabs inside', '[\t"a",\t"b"\t]', ['a', 'b']],
    ['12: tabs around', '\t[\t"a",\t"b"\t]\t', ['a', 'b']],
    [
      '12: escapes',
      String.raw`["abc 123", "♥", "☃", "\" \\ \/ \b \f \n \r \t \u0000"]`,
      ['abc 123', '♥', '☃', '" \\ / \b \f \n \r \t \u0000'],
    ],
  ])('%s: %s', (_, json, args) => {
    expect(parseOne('cmd', `CMD ${json}`).command).toEqual({ form: 'exec', args });
  });

  it.each<[title: string, json: string]>([
    ['12: a number', '["a",42,"b"]'],
    ['12: a fraction', '["a",123.456,"b"]'],
    ['12: an empty object', '["a",{},"b"]'],
    ['12: an object', '["a",{"c": "d"},"b"]'],
    ['12: an array', '["a",["c"],"b"]'],
    ['12: true', '["a",true,"b"]'],
    ['12: false', '["a",false,"b"]'],
    ['12: null', '["a",null,"b"]'],
  ])('%s is an error: %s', (_, json) => {
    for (const keyword of ['CMD', 'RUN', 'COPY', 'VOLUME', 'SHELL', 'HEALTHCHECK CMD'])
      expect(errorOf(() => parse(`FROM a\n${keyword} ${json}`)).message).toBe(
        'when using JSON array syntax, arrays must be comprised of strings only',
      );
  });
});

describe('the values of ENV', () => {
  it.each<[title: string, pair: string, value: string]>([
    ['16: quotes around everything', String.raw`"a\ b"`, String.raw`a\ b`],
    ['16: an escaped blank', String.raw`a\ b`, 'a b'],
    ['16: single quotes', "'a b'", 'a b'],
    ['16: quotes in the middle', 'a"b c"d', 'ab cd'],
    ['16: quotes of both kinds', `a"b 'c"' "d'`, `ab 'c "d`],
    ['16: an escaped quote', String.raw`"a\"b"`, 'a"b'],
    ['16: an escaped escape', String.raw`a\\b`, String.raw`a\b`],
    ['16: no JSON escapes', String.raw`"a\tb\u0041"`, String.raw`a\tb\u0041`],
    ['16: no JSON escapes without quotes either', String.raw`a\tb`, 'atb'],
    ['16: a kept backslash in single quotes', String.raw`'a\'`, String.raw`a\ `.trim()],
    ['16: an escaped dollar', String.raw`\$a"\$b"`, '$a$b'],
    ['16: nothing', '""', ''],
    ['16: an equals sign', 'b=c', 'b=c'],
    ['17: percent signs', '100%s', '100%s'],
  ])('%s: a=%s', (_, pair, value) => {
    expect(configOf(`ENV a=${pair} z=1`).Env?.slice(1)).toEqual([`a=${value}`, 'z=1']);
    expect(configOf(`LABEL a=${pair}`).Labels).toEqual({ a: value });
  });

  it.each<[title: string, rest: string, value: string]>([
    ['15: everything behind the name', 'b c=d', 'b c=d'],
    ['15: blanks in between', 'b  c \t d', 'b  c \t d'],
    ['15: quotes are taken off', `"b  c" 'd'`, 'b  c d'],
  ])('%s: ENV a %s', (_, rest, value) => {
    expect(configOf(`ENV a ${rest}  `).Env?.slice(1)).toEqual([`a=${value}`]);
  });
});

describe('heredocs', () => {
  it.each([
    ['38: in double quotes', 'RUN echo "<<EOF"'],
    ['38: in single quotes', "RUN echo '<<EOF'"],
    ['38: three of them', 'RUN cat <<<EOF'],
    ['38: three of them alone', 'RUN <<<EOF'],
    ['38: behind a character', 'RUN a<<b'],
    ['38: behind an escape', String.raw`RUN echo \<<EOF`],
    ['38: without a name', 'RUN cat <<'],
    ['38: with an empty name', 'RUN cat <<""'],
    ['38: in the JSON form', 'RUN ["echo", "a<<b", "<<EOF"]'],
    ['38: in the JSON form of COPY', 'COPY ["<<EOF", "/x"]'],
    ['38: in a line that no shell could split', 'RUN echo "a <<EOF'],
  ])('%s', (_, line) => {
    const { instructions } = parse(`FROM a\n${line}\nUSER last`);
    expect(instructions.map(({ kind }) => kind)).toEqual(['from', line.startsWith('COPY') ? 'copy' : 'run', 'user']);
    expect(instructions[1]).toMatchObject({ heredocs: [] });
  });

  it.each([
    ['39: in an expansion', 'RUN echo $((1 << 3))', '2:15-2:21'],
    ['39: behind an expansion', 'RUN echo $((1)) $(( 2 << 3 ))', '2:23-2:27'],
    ['39: in brackets', 'RUN if (( 1 <<3 )); then x; fi', '2:13-2:16'],
  ])('%s: the hint says what to write', (_, line, place) => {
    const error = errorOf(() => parse(`FROM a\n${line}`));
    expect(error).toMatchObject({ message: 'unterminated heredoc', hint: expect.stringMatching(/without blanks/) });
    expect(placeOf(error)).toBe(place);
  });

  it.each([
    ['39: without blanks', 'RUN echo $((1<<3))'],
    ['39: in quotes', 'RUN echo "$((1 << 3))"'],
  ])('%s: what the hint says to write is taken', (_, line) => {
    expect(parseOne('run', line).heredocs).toEqual([]);
  });

  it('39: another heredoc without an end has another hint', () => {
    for (const line of ['RUN cat <<EOF', 'RUN echo $((1+1)) && cat <<EOF', 'RUN cat <<EOF $((1<<3))'])
      expect(errorOf(() => parse(`FROM a\n${line}\nx`)).hint).toBe('A heredoc ends at a line that is "EOF" and nothing else.');
  });

  it('36: behind a command the tabs are for the shell to drop', () => {
    expect(stepOf('RUN cat <<-A - <<B\n\t\ta\n\tA\n\tb\nB')).toMatchObject({
      args: ['/bin/sh', '-c', 'cat <<-A - <<B\n\t\ta\nA\n\tb\nB'],
      history: { created_by: 'RUN /bin/sh -c cat <<-A - <<B\n\t\ta\nA\n\tb\nB # buildkit' },
    });
    expect(stepOf('RUN <<-A\n\t\techo a\n\tA')).toMatchObject({ args: ['/bin/sh', '-c', 'echo a\n'] });
  });
});

describe('suggestions', () => {
  it.each(KEYWORDS.map((keyword) => [keyword.toUpperCase()]))('134: for %s with a letter too few, too many, or another', (keyword) => {
    for (const typo of [
      keyword.slice(0, -1),
      `${keyword}X`,
      `X${keyword.slice(1)}`,
      `${keyword.slice(0, -2)}${keyword.at(-1)}${keyword.at(-2)}`,
    ]) {
      if (KEYWORDS.includes(typo.toLowerCase())) continue;
      expect(errorOf(() => parse(`FROM a\n${typo} x`)).message).toMatch(/^unknown instruction: [A-Z]+ \(did you mean [A-Z]+\?\)$/);
      expect(errorOf(() => parse(`FROM a\n${typo.toLowerCase()} x`)).message).toMatch(/ \(did you mean [a-z]+\?\)$/);
    }
  });

  it.each([
    ['FROM', ['platform'], 'a'],
    ['RUN', ['mount', 'network', 'security', 'device'], 'x'],
    ['COPY', ['from', 'chown', 'chmod', 'link', 'parents', 'exclude'], 'a b'],
    ['ADD', ['chown', 'chmod', 'link', 'exclude', 'checksum', 'keep-git-dir', 'unpack'], 'a b'],
    ['HEALTHCHECK', ['interval', 'timeout', 'start-period', 'start-interval', 'retries'], 'CMD x'],
  ])('134: for the flags of %s', (keyword, flags, rest) => {
    for (const flag of flags) {
      const error = errorOf(() => parse(`FROM a\n${keyword} --${flag}x=1 ${rest}`));
      expect(error.message).toBe(`unknown flag: --${flag}x (did you mean ${flag}?)`);
      expect(placeOf(error)).toBe(`2:${keyword.length + 2}-2:${keyword.length + flag.length + 7}`);
    }
  });
});

describe('another frontend', () => {
  it('is refused before its file is read as a Dockerfile', () => {
    using dir = scratchDir();
    writeFiles(dir.path, { Dockerfile: '# syntax=example/dockerfile-plus\nFROM scratch\nINCLUDE+ more\n' });
    const { status, stderr } = tsbuild(['--root', join(dir.path, 'store'), dir.path]);
    expect([status, stderr]).toEqual([
      2,
      expect.stringContaining('Dockerfile:1:1: the file asks for the frontend "example/dockerfile-plus"\n>>> 1 | # syntax='),
    ]);
    expect(stderr).toMatch(/hint: tsbuild reads the language of docker\/dockerfile itself/);
    const args = ['--build-arg', 'BUILDKIT_SYNTAX=docker/dockerfile:1', '--root', join(dir.path, 'store'), dir.path];
    expect(tsbuild(args).stderr).toContain('Dockerfile:3:1: unknown instruction: INCLUDE+');
  });
});

const missing = missingProgram('runc', 'busybox', 'umoci');
if (missing !== undefined) process.stderr.write(`skipped: the builds of test/cases/parsing.test.ts: ${missing}\n`);

describe.skipIf(missing !== undefined)('what a shell makes of heredocs', () => {
  const shop = new Workshop();
  beforeAll(() => {
    shop.run(['-t', 'base', shop.busyboxContext('')]);
  });
  afterAll(() => shop[Symbol.dispose]());

  it('29: a script whose last status alone counts', () => {
    expect(builtFiles(shop, ['FROM base', 'RUN <<EOF', 'false', 'nonsense-program', 'echo reached > /out', 'EOF'], ['out'])).toEqual([
      'reached\n',
    ]);
    const { status, stderr } = tsbuild(['--root', shop.store, shop.context({ Dockerfile: 'FROM base\nRUN <<EOF\ntrue\nexit 3\nEOF\n' })]);
    expect([status, stderr]).toEqual([1, expect.stringContaining('did not complete successfully: exit code: 3')]);
  });

  it('30: the body is the argument of whatever SHELL is', () => {
    const lines = ['FROM base', 'SHELL ["/bin/awk"]', 'RUN <<EOF', 'BEGIN { print "awk " 6*7 > "/out" }', 'EOF'];
    expect(builtFiles(shop, lines, ['out'])).toEqual(['awk 42\n']);
  });

  it('32: several behind commands, each in its place', () => {
    const lines = [
      'FROM base',
      'RUN (cat <<A | tr a-z A-Z ; cat <<B ) > /out ; cat 3<<C <&3 >> /out',
      'first',
      'A',
      'second',
      'B',
      'third',
      'C',
    ];
    expect(builtFiles(shop, lines, ['out'])).toEqual(['FIRST\nsecond\nthird\n']);
  });

  it('36: the shell drops the tabs, and only those', () => {
    const lines = ['FROM base', 'RUN cat > /out <<-A', '\t\ttabs', '\t  blanks', '  more blanks', '\tA'];
    expect(builtFiles(shop, lines, ['out'])).toEqual(['tabs\n  blanks\n  more blanks\n']);
  });

  it('37: the shell expands, so that its own variables count', () => {
    const lines = [
      'FROM base',
      'ARG name=arg',
      'ENV env=fromenv',
      'RUN <<EOF',
      'echo "$name $env" > /script',
      'name=local',
      'echo "$name" >> /script',
      'EOF',
      'RUN name=local; cat > /unquoted <<EOF ; cat > /quoted <<"RAW"',
      '$name $env',
      'EOF',
      '$name $env',
      'RAW',
    ];
    expect(builtFiles(shop, lines, ['script', 'unquoted', 'quoted'])).toEqual(['arg fromenv\nlocal\n', 'local fromenv\n', '$name $env\n']);
  });

  it('28: a step that fails names all its lines', () => {
    const dir = shop.context({ Dockerfile: 'FROM base\nRUN wh\\\nat\nRUN true\n' });
    const { status, stderr } = tsbuild(['--root', shop.store, '--progress', 'plain', dir]);
    expect(status).toBe(1);
    expect(stderr).toContain('process "/bin/sh -c what" did not complete successfully: exit code: 127');
    expect(stderr).toContain('    1 | FROM base\n>>> 2 | RUN wh\\\n>>> 3 | at\n    4 | RUN true');
  });

  it('28: a COPY that fails names its lines and those of its heredocs', () => {
    const dir = shop.context({ Dockerfile: 'FROM base\n\nCOPY nowhere \\\n  # note\n  /x/\n' });
    const { status, stderr } = tsbuild(['--root', shop.store, '--progress', 'plain', dir]);
    expect([status, stderr]).toEqual([
      expect.any(Number),
      expect.stringContaining('>>> 3 | COPY nowhere \\\n>>> 4 |   # note\n>>> 5 |   /x/'),
    ]);
    expect(status).not.toBe(0);
  });
});
