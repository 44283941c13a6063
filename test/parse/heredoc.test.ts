import { describe, expect, it } from 'vitest';
import { parseTrigger } from '../../src/parse/parser.js';
import { errorOf, parse, parseOne, parseStage } from './helpers.js';

const RANGE = { file: { name: 'child', lines: ['FROM base'] }, startLine: 1, startColumn: 1, endLine: 1, endColumn: 10 };

/** `[instruction line, names of its heredocs]` */
const TOKENS: [string, string[]][] = [
  ['RUN <<EOF', ['EOF']],
  ['RUN <<-EOF', ['EOF']],
  ['RUN << EOF', ['EOF']],
  ['RUN << -EOF', ['-EOF']],
  ["RUN <<'EOF'", ['EOF']],
  ['RUN <<EO"F"', ['EOF']],
  ["RUN <<eo'f'", ['eof']],
  [String.raw`RUN <<eo\'f`, ["eo'f"]],
  ["RUN <<'one two'", ['one two']],
  ['RUN <<$EOF', ['$EOF']],
  ['RUN 4<<EOF', ['EOF']],
  ['RUN <<  EOF  > foo', ['EOF']],
  ['RUN <<EOF>file', ['EOF>file']],
  ['RUN <<A 3<<B awk -f - /dev/fd/3', ['A', 'B']],
  ['RUN cat <<A | tr a b ; cat <<B', ['A', 'B']],
  ['RUN --mount=type=cache,target=/foo <<MOUNT', ['MOUNT']],
  ['RUN echo "${a:-<<A}" ${b%%.*} $(c) `d` <<EOF', ['EOF']],
  ['RUN x=${a:-b c} $$ $# <<EOF', ['EOF']],
  ['COPY <<A <<"B" /d/', ['A', 'B']],
  ['ADD a.txt <<A /d/', ['A']],
  ['ONBUILD RUN <<EOF', ['EOF']],
  ['ONBUILD copy <<EOF /x', ['EOF']],
  ['RUN "<<EOF"', []],
  ["RUN '<<EOF'", []],
  ['RUN echo "<<EOF"', []],
  ['RUN <<<EOF', []],
  ['RUN cat <<<EOF', []],
  ['RUN a<<b', []],
  [String.raw`RUN \<<EOF`, []],
  ['RUN <<', []],
  ['RUN <<- EOF', []],
  ['RUN <<""', []],
  ['RUN ["cat", "<<EOF"]', []],
  ['COPY ["<<EOF", "/x"]', []],
  ["RUN echo it's <<EOF", []],
  ['RUN echo "a <<EOF', []],
  ['RUN ${a <<EOF', []],
  ['RUN ${} <<EOF', []],
  ['RUN ${a[0]} <<EOF', []],
  ['RUN ${#a} <<EOF', []],
  ['USER <<EOF', []],
  ['CMD cat <<EOF', []],
  ['ONBUILD CMD <<EOF', []],
];

function bodies(body: string, rawBody = body): { body: string; rawBody: string } {
  return { body, rawBody };
}

describe('heredocs', () => {
  it.each(TOKENS)('%s', (line, names) => {
    const texts = names.map((name) => `body of ${name}\n${name}\n`).join('');
    const { instructions } = parse(`FROM scratch\n${line}\n${texts}USER last`);
    expect(instructions.map(({ kind }) => kind).slice(2)).toEqual(['user']);
    const [, instruction] = instructions;
    const found = instruction?.kind === 'run' || instruction?.kind === 'copy' ? instruction.heredocs : [];
    if (line.startsWith('ONBUILD')) return;
    expect(found.map(({ name, body }) => ({ name, body }))).toEqual(names.map((name) => ({ name, body: `body of ${name}\n` })));
  });

  it('29: keep the command line apart from the body', () => {
    const run = parseOne('run', 'RUN --network=none <<EOF\n# a\n\n  b \\\nEOF x\nEOF');
    expect(run).toMatchObject({ text: 'RUN --network=none <<EOF', command: { form: 'shell', text: '<<EOF' } });
    expect(run.heredocs).toEqual([{ name: 'EOF', fd: 0, expand: true, stripTabs: false, ...bodies('# a\n\n  b \\\nEOF x\n') }]);
  });

  it('33: of COPY are files, beside its paths', () => {
    const copy = parseOne('copy', "COPY --chown=1 <<A p <<'B' /d/\n$a\nA\n$b\nB");
    expect(copy).toMatchObject({ sources: ['p'], dest: '/d/', chown: '1' });
    expect(copy.heredocs).toEqual([
      { name: 'A', fd: 0, expand: true, stripTabs: false, ...bodies('$a\n') },
      { name: 'B', fd: 0, expand: false, stripTabs: false, ...bodies('$b\n') },
    ]);
  });

  it('34, 35: leave quotes and escapes in their bodies', () => {
    const body = '"foo"\n\'bar\'\n\\\n\\\\ \\$\n';
    expect(parseOne('copy', `COPY <<EOF quotefile\n${body}EOF`).heredocs[0]?.body).toBe(body);
  });

  it('36: <<- drops tabs but no blanks, and lets its end be indented by tabs', () => {
    expect(parseOne('run', 'RUN 3<<-E\n\t\ta\n \tb\n\t\t\n\tE').heredocs).toEqual([
      { name: 'E', fd: 3, expand: true, stripTabs: true, ...bodies('a\n \tb\n\n', '\t\ta\n \tb\n\t\t\n') },
    ]);
    expect(errorOf(() => parse('FROM a\nRUN <<E\n\tE')).message).toBe('unterminated heredoc');
    expect(errorOf(() => parse('FROM a\nRUN <<-E\n  E')).message).toBe('unterminated heredoc');
  });

  it('have empty bodies, and names that are in the body of another', () => {
    expect(parseOne('run', 'RUN <<E\nE').heredocs[0]?.body).toBe('');
    expect(parseOne('copy', 'COPY <<X <<Y /d\nY\nX\nX\nY').heredocs.map(({ body }) => body)).toEqual(['Y\n', 'X\n']);
  });

  it('of one name: all bodies are read, the last counts', () => {
    expect(parseOne('copy', 'COPY <<X <<X /d\n1\nX\n2\nX').heredocs.map(({ body }) => body)).toEqual(['2\n', '2\n']);
    expect(parseOne('run', 'RUN cat <<X <<X\n1\nX\n2\nX').heredocs.map(({ body }) => body)).toEqual(['1\n', '2\n']);
  });

  it('end at a line with CR too, and keep the CRs of their bodies', () => {
    expect(parseOne('run', 'RUN <<E\r\na\r\nE\r\n').heredocs[0]?.body).toBe('a\r\n');
  });

  it('announced in continued lines begin after the last', () => {
    expect(parseOne('run', 'RUN <<A \\\n  <<B cat\n1\nA\n2\nB').heredocs.map(({ body }) => body)).toEqual(['1\n', '2\n']);
  });

  it('escape by a backslash whatever the directive says', () => {
    const [, run] = parse("# escape=`\nFROM a\nRUN <<eo\\'f\nx\neo'f").instructions;
    expect(run).toMatchObject({ heredocs: [{ name: "eo'f", expand: true }] });
  });

  it('of words that COPY splits at blanks are paths', () => {
    expect(parseOne('copy', "COPY <<'one two' /d\nx\none two")).toMatchObject({ sources: ["<<'one", "two'"], heredocs: [] });
  });
});

describe('ONBUILD triggers', () => {
  it('41: hold the whole heredoc, as written', () => {
    const [onbuild] = parseStage("ONBUILD RUN <<-'EOF' cat <<B\n\ta\n\tEOF\nb\nB\n");
    expect(onbuild).toMatchObject({
      kind: 'onbuild',
      trigger: "RUN <<-'EOF' cat <<B\n\ta\nEOF\nb\nB",
      range: { startLine: 2, endLine: 6 },
    });
  });

  it('41: are parsed again for the child', () => {
    const trigger = parseOne('onbuild', "ONBUILD COPY <<-'EOF' /x\n\t$a\n\tEOF").trigger;
    expect(parseTrigger(trigger, RANGE)).toMatchObject([
      { kind: 'copy', dest: '/x', range: RANGE, heredocs: [{ name: 'EOF', body: '$a\n', expand: false }] },
    ]);
  });

  it.each<[string, string]>([
    ['', 'the Dockerfile cannot be empty'],
    ['RUNN x', 'unknown instruction: RUNN (did you mean RUN?)'],
    ['RUN <<E', 'unterminated heredoc'],
    ['USER a\nUSER b', 'onbuild trigger should be a single expression'],
    ['FROM x', "FROM isn't allowed as an ONBUILD trigger"],
  ])('of a base image that are wrong are errors at the FROM: %j', (trigger, message) => {
    const error = errorOf(() => parseTrigger(trigger, RANGE));
    expect([error.kind, error.message, error.range]).toEqual(['dockerfile', message, RANGE]);
  });
});
