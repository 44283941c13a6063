import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromText } from '../../src/base/bytes.js';
import { BuildError } from '../../src/base/errors.js';
import { parseIgnore } from '../../src/context/dockerignore.js';
import { compileMatch } from '../../src/context/match.js';
import { FUZZ_TIMEOUT_MS, fuzzRuns } from './fuzz.js';
import { modelIgnore, modelMatch } from './match-model.js';

function orError<Result>(run: () => Result): Result | 'error' {
  try {
    return run();
  } catch (error) {
    if (error instanceof BuildError) return 'error';
    throw error;
  }
}

function ourIgnore(lines: readonly string[], path: string): boolean | 'error' {
  return orError(() => {
    const rule = parseIgnore(lines.join('\n'), '.dockerignore').decide(fromText(path));
    return rule !== undefined && !rule.negated;
  });
}

/** The same by way of a walk: from directory to directory, as COPY goes. */
function ourWalk(lines: readonly string[], path: string): boolean | 'error' {
  return orError(() => {
    const matcher = parseIgnore(lines.join('\n'), '.dockerignore');
    let state = matcher.root;
    const segments = path.split('/');
    for (let depth = 1; depth < segments.length; depth++) {
      state = matcher.enter(state, fromText(segments.slice(0, depth).join('/')));
      if (state.excluded && !matcher.mayReinclude(state, fromText(segments.slice(0, depth).join('/')))) return true;
    }
    return matcher.isExcluded(state, fromText(path));
  });
}

const NAME_CHARS = Array.from('aabbcxy.-_*?[]^\\ é한👽0');
const PIECES = [...NAME_CHARS, '*', '*', '?', '[a-c]', '[^a]', '[', ']', '[]', '[a-]', '[b-a]', '[\\]]', '\\*', '\\\\', '[é-한]', '[^'];
const NAME = fc.array(fc.constantFrom(...NAME_CHARS), { maxLength: 7 }).map((chars) => chars.join(''));
const GLOB = fc.array(fc.constantFrom(...PIECES), { maxLength: 7 }).map((pieces) => pieces.join(''));

const SEGMENT = fc.constantFrom('a', 'b', 'ab', 'abc', 'a.b', '.a', 'x', 'é', 'a b', '*', '[');
const PATH = fc.array(SEGMENT, { minLength: 1, maxLength: 5 }).map((segments) => segments.join('/'));
const RULE_SEGMENT = fc.oneof(
  SEGMENT,
  fc.constantFrom('*', '**', '?', 'a*', '*b', '**b', 'a**', '[a-b]', '[^a]*', '\\a', '\\*', '.', '..', '*.b', '**.b', ''),
);
const LINE = fc
  .tuple(
    fc.constantFrom('', '', '', '!', '!', '! ', '/', ' ', '#', '!/', './'),
    fc.array(RULE_SEGMENT, { minLength: 1, maxLength: 4 }).map((segments) => segments.join('/')),
    fc.constantFrom('', '', '', '/', ' ', '/**', '[', '\\'),
  )
  .map((parts) => parts.join(''));

describe('wildcards and filepath.Match', () => {
  it('agree about generated patterns', { timeout: FUZZ_TIMEOUT_MS }, () => {
    const outcomes = new Map<unknown, number>();
    fc.assert(
      fc.property(GLOB, NAME, (pattern, name) => {
        const expected = modelMatch(pattern, name);
        outcomes.set(expected, (outcomes.get(expected) ?? 0) + 1);
        expect(orError(() => compileMatch(fromText(pattern))(fromText(name)))).toBe(expected);
      }),
      fuzzRuns(8000),
    );
    expect([...outcomes.keys()].map(String).toSorted()).toEqual(['error', 'false', 'true']);
  });

  it('agree about patterns made of the name', { timeout: FUZZ_TIMEOUT_MS }, () => {
    const change = fc.record({ at: fc.nat(8), length: fc.nat(2), by: fc.constantFrom(...PIECES) });
    let matched = 0;
    fc.assert(
      fc.property(NAME, fc.array(change, { maxLength: 3 }), (name, changes) => {
        let pattern = name.replaceAll(/[\\*?[]/g, String.raw`\$&`);
        for (const { at, length, by } of changes) pattern = pattern.slice(0, at) + by + pattern.slice(at + length);
        const expected = modelMatch(pattern, name);
        if (expected === true) matched++;
        expect(orError(() => compileMatch(fromText(pattern))(fromText(name)))).toBe(expected);
      }),
      fuzzRuns(8000),
    );
    expect(matched).toBeGreaterThan(200);
  });
});

describe('.dockerignore and its specification', () => {
  it('agree about generated files', { timeout: FUZZ_TIMEOUT_MS }, () => {
    const outcomes = new Map<unknown, number>();
    fc.assert(
      fc.property(fc.array(LINE, { minLength: 1, maxLength: 4 }), PATH, (lines, path) => {
        const expected = modelIgnore(lines, path);
        outcomes.set(expected, (outcomes.get(expected) ?? 0) + 1);
        expect([ourIgnore(lines, path), ourWalk(lines, path)]).toEqual([expected, expected]);
      }),
      fuzzRuns(8000),
    );
    expect([...outcomes.keys()].map(String).toSorted()).toEqual(['error', 'false', 'true']);
  });
});
