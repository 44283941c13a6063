import { describe, expect, test } from 'vitest';
import type { CopyStep } from '../../src/plan/plan.js';
import { plan, planError, planTarget, lastStep, stepOf } from './helpers.js';

function copyOf(lines: string): CopyStep {
  const step = stepOf(lines);
  if (step.kind !== 'copy') throw new Error(`a ${step.kind} step`);
  return step;
}

function textsOf(lines: string): Record<string, string> {
  return Object.fromEntries(copyOf(lines).files.map(({ name, text }) => [name, text]));
}

describe('heredocs of COPY and ADD', () => {
  test('33: one is expanded, one with quotes around its name is not', () => {
    const step = copyOf('ENV x=1\nCOPY <<A <<"B" /d/\n$x ${y:-2}\nA\n$x ${y:-2}\nB');
    expect(step).toMatchObject({ op: 'COPY', sources: [], dest: '/d/', history: { created_by: 'COPY <<A <<B /d/ # buildkit' } });
    expect(step.files).toEqual([
      { name: 'A', text: '1 2\n' },
      { name: 'B', text: '$x ${y:-2}\n' },
    ]);
  });

  test('33: they come after the sources, in the history too', () => {
    const step = copyOf('ARG f=f\nADD --chown=1:2 --chmod=600 $f <<EOF b /d/\nx\nEOF');
    expect(step).toMatchObject({
      op: 'ADD',
      sources: ['f', 'b'],
      files: [{ name: 'EOF', text: 'x\n' }],
      history: { created_by: 'ADD --chown=1:2 --chmod=600 f b <<EOF /d/ # buildkit' },
    });
  });

  test('34: quotes in a body stay, and what is between them is expanded', () => {
    expect(textsOf(`ENV v=1\nCOPY <<EOF /quotefile\n"$v" '\${v}' "it's\nEOF`)).toEqual({ EOF: `"1" '1' "it's\n` });
  });

  const bodies: [title: string, body: string, text: string][] = [
    ['a backslash alone', '\\\n', '\n'],
    ['two', '\\\\\n', '\\\n'],
    ['a dollar sign', '\\$v\n', '$v\n'],
    ['a letter', 'a\\nb\n', 'anb\n'],
    ['quotes', '\\"\\\'\n', '"\'\n'],
    ['an escape character of the file', '`$v`\n', '`1`\n'],
  ];
  for (const [title, body, text] of bodies) {
    test(`35: a backslash in a body makes the next character ordinary: ${title}`, () => {
      expect(textsOf(`ENV v=1\nCOPY <<EOF /f\n${body}EOF`)).toEqual({ EOF: text });
      expect(textsOf(`ENV v=1\nCOPY <<'EOF' /f\n${body}EOF`)).toEqual({ EOF: body });
    });
  }

  test('35: it does so whatever the escape character of the file is', () => {
    const step = lastStep(planTarget('# escape=`\nFROM scratch\nENV v=1\nCOPY <<EOF /f\n\\$v `$v\nEOF'));
    expect(step).toMatchObject({ files: [{ text: '$v `1\n' }] });
  });

  test('36: <<- drops tabs before lines and before the end, and no blanks', () => {
    expect(textsOf('COPY <<-EOF /f\n\ta\n\t\t b\n  c\td\n\tEOF')).toEqual({ EOF: 'a\n b\n  c\td\n' });
    expect(textsOf('COPY <<-"EOF" /f\n\t$a\nEOF')).toEqual({ EOF: '$a\n' });
    expect(copyOf('COPY <<-EOF /f\n\ta\nEOF').history.created_by).toBe('COPY <<EOF /f # buildkit');
  });

  test('the last body of a name counts for each', () => {
    expect(copyOf('COPY <<A <<A /d/\n1\nA\n2\nA').files).toEqual([
      { name: 'A', text: '2\n' },
      { name: 'A', text: '2\n' },
    ]);
  });

  test('a value that has to be set is asked for, at the line of the COPY', () => {
    expect(planError('FROM scratch\nCOPY <<EOF /f\n${v:?is needed}\nEOF')).toMatchObject({
      kind: 'dockerfile',
      message: expect.stringContaining('v: is needed') as string,
      range: { startLine: 2 },
    });
  });

  test('several without a slash are warned of', () => {
    expect(plan('FROM scratch\nCOPY <<A <<B /c\nA\nB').warnings).toMatchObject([
      { message: expect.stringMatching(/^COPY has several sources/) as string },
    ]);
    expect(plan('FROM scratch\nCOPY <<A <<B /c/\nA\nB').warnings).toEqual([]);
  });

  test('they come in triggers of ONBUILD', () => {
    expect(lastStep(planTarget('FROM scratch AS a\nONBUILD COPY <<EOF /f\nONBUILD COPY x\n\tEOF\nEOF\nFROM a'))).toMatchObject({
      files: [{ name: 'EOF', text: 'ONBUILD COPY x\n\tEOF\n' }],
    });
  });
});

describe('values', () => {
  test('55: sources, destination, --chown and --chmod are expanded; --exclude is not', () => {
    expect(copyOf('ARG s=a d=/b u=1 g=2 m=75\nCOPY --chown=${u}:$g --chmod=${m}5 --exclude=$s $s $d/')).toMatchObject({
      sources: ['a'],
      dest: '/b/',
      chown: '1:2',
      chmod: '755',
      exclude: ['$s'],
      history: { created_by: 'COPY --chown=1:2 --chmod=755 a /b/ # buildkit' },
    });
  });

  test('59: a destination that expands to nothing is WORKDIR', () => {
    expect(copyOf('WORKDIR /w\nCOPY testfile $empty')).toMatchObject({ dest: '/w/' });
    expect(copyOf('COPY testfile $empty')).toMatchObject({ dest: '/' });
  });

  test('93: a destination goes up from WORKDIR', () => {
    expect(copyOf('WORKDIR /w/v\nCOPY foo ../')).toMatchObject({ dest: '/w/' });
    expect(copyOf('WORKDIR /w/v\nCOPY foo ../..')).toMatchObject({ dest: '/' });
    expect(copyOf('WORKDIR /w/v\nCOPY foo ../../../x')).toMatchObject({ dest: '/x' });
  });

  test.each(['64a', '10000', 'u+ä'])('99: --chmod=%s is refused', (chmod) => {
    expect(planError(`FROM scratch\nADD --chmod=${chmod} a b`)).toMatchObject({
      kind: 'dockerfile',
      message: `invalid chmod parameter: '${chmod}'. it should be octal string and between 0 and 07777`,
    });
  });
});

describe('flags', () => {
  const PLAIN = { link: false, parents: false, exclude: [] };

  const rows: [line: string, parts: object, createdBy: string][] = [
    ['COPY a b', PLAIN, 'COPY a b # buildkit'],
    ['COPY --parents a/./b c', { ...PLAIN, parents: true, sources: ['a/./b'] }, 'COPY --parents a/./b c # buildkit'],
    ['COPY --chmod=755 --chown=1 --parents a b', { parents: true }, 'COPY --parents --chown=1 --chmod=755 a b # buildkit'],
    ['COPY --exclude=*.md --exclude=!a.md a b', { ...PLAIN, exclude: ['*.md', '!a.md'] }, 'COPY a b # buildkit'],
    ['ADD --unpack a b', { unpack: true }, 'ADD a b # buildkit'],
    ['ADD --unpack=false a b', { unpack: false }, 'ADD a b # buildkit'],
    ['ADD --exclude=x --link a b', { ...PLAIN, link: true, exclude: ['x'] }, 'ADD a b # buildkit'],
  ];
  for (const [line, parts, createdBy] of rows) {
    test(line, () => expect(copyOf(line)).toMatchObject({ ...parts, history: { created_by: createdBy } }));
  }

  test('ADD without --unpack leaves it open', () => expect(copyOf('ADD a b')).not.toHaveProperty('unpack'));

  test('104: --link with a relative destination', () => {
    expect(copyOf('WORKDIR /w\nCOPY --link foo .')).toMatchObject({ link: true, dest: '/w/' });
    expect(copyOf('WORKDIR /w\nCOPY --link ["foo", ""]')).toMatchObject({ link: true, dest: '/w/' });
    expect(copyOf('WORKDIR /w\nCOPY --link foo sub/x')).toMatchObject({ link: true, dest: '/w/sub/x' });
  });

  test('--link does nothing beside --chmod, as in BuildKit', () => {
    expect(copyOf('COPY --link --chmod=755 a b')).toMatchObject({ link: false, chmod: '755' });
    expect(copyOf('COPY --link=false a b')).toMatchObject({ link: false });
  });

  test('--parents makes a directory of the destination: several sources are no mistake', () => {
    expect(plan('FROM scratch\nCOPY --parents a b /c').warnings).toEqual([]);
  });
});
