import { describe, expect, it } from 'vitest';
import { parseTrigger } from '../../src/parse/parser.js';
import { parse, parseOne } from './helpers.js';

function commentsOf(text: string): (readonly string[])[] {
  return parse(text).instructions.map(({ comments }) => comments);
}

describe('comments', () => {
  it.each<[string, string, string[][]]>([
    ['stand above their instruction', '# a\n#b  \n#\tc\nFROM x', [['a', 'b', 'c']]],
    ['belong to the next instruction only', '# a\nFROM x\nUSER a\n# b\nUSER b', [['a'], [], ['b']]],
    ['are forgotten at a bare #', '# a\n#\n# b\nFROM x\n# c\n#  \nUSER a', [['b'], []]],
    ['are not parted by blank lines', '# a\n\n  \n# b\n\nFROM x', [['a', 'b']]],
    ['may be indented', '  # a\nFROM x\n\t#b\nUSER a', [['a'], ['b']]],
    ['inside an instruction are nobody’s', 'FROM x\nRUN a \\\n# b\n  c\nUSER a', [[], [], []]],
    ['are no directives', '# syntax=docker/dockerfile:1\n# check=skip=A\n# a\n# check=skip=B\nFROM x', [['a', 'check=skip=B']]],
    ['keep the # in them', '## a # b\nFROM x', [['# a # b']]],
    ['are not in heredocs', 'FROM x\nRUN <<E\n# a\nE\nUSER a', [[], [], []]],
    ['may end in a continuation character', 'FROM x\n# a \\\nUSER a', [[], ['a \\']]],
    ['behind the last instruction are nobody’s', 'FROM x\n# a', [[]]],
    ['begin behind a byte order mark', '\uFEFF# a\nFROM x', [['a']]],
    ['end before a carriage return', '# a\r\n#\r\n# b\r\nFROM x\r\n', [['b']]],
  ])('%s', (_, text, comments) => {
    expect(commentsOf(text)).toEqual(comments);
  });

  it('of a trigger are none', () => {
    const trigger = parseOne('onbuild', '# a\nONBUILD RUN b');
    expect(trigger.comments).toEqual(['a']);
    expect(parseTrigger('# x\nRUN a \\\n\nb', trigger.range)).toMatchObject([{ comments: [], emptyLines: [] }]);
  });
});

describe('7: blank lines inside a continuation', () => {
  it.each<[string, string, number[]]>([
    ['are counted', 'RUN a \\\n\n  \\\n\t\n  b', [3, 5]],
    ['are not those behind it', 'RUN a \\\n  b\n\n', []],
    ['are those at the end of the file too', 'RUN a \\\n\n\n', [3, 4]],
    ['are no comments', 'RUN a \\\n  # b\n  c', []],
    ['are not in heredocs', 'RUN <<E \\\n\n  cat\n\nE', [3]],
  ])('%s', (_, text, lines) => {
    expect(parseOne('run', text).emptyLines).toEqual(lines);
  });
});

describe('pairs', () => {
  it.each<[string, boolean]>([
    ['a b', true],
    ['a b=c', true],
    ['a=b', false],
    ['a= b=', false],
    ['"a b"=c', false],
  ])('%s: without = is %s', (text, legacy) => {
    expect(parseOne('env', `ENV ${text}`).legacy).toBe(legacy);
    expect(parseOne('label', `LABEL ${text}`).legacy).toBe(legacy);
  });
});
