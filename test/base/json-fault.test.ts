import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsonFault } from '../../src/base/json-fault.js';

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe('jsonFault', () => {
  it.each([
    ['{"auths": {"a": {"auth": "x"}}}', undefined],
    ['[1, -2.5e3, true, null, "\\u00e9\\n"]', undefined],
    ['', '1:1'],
    ['{', '1:2'],
    ['{"a": 1,}', '1:9'],
    ["{'a': 1}", '1:2'],
    ['{"a" 1}', '1:6'],
    ['{\n  "a": 1\n  "b": 2\n}', '3:3'],
    ['{"a": tru}', '1:7'],
    ['{"a": 01}', '1:7'],
    ['{"a": "x\ty"}', '1:7'],
    ['{} {}', '1:4'],
    ['[1 2]', '1:4'],
    ['\u00a0{}', '1:1'],
  ])('%j is at fault at %s', (text, place) => {
    expect(jsonFault(text)).toBe(place);
    expect(isJson(text)).toBe(place === undefined);
  });

  it('agrees with JSON.parse on JSON that was tampered with', () => {
    const tampered = fc
      .tuple(fc.json(), fc.nat(), fc.constantFrom('', ',', '"', '}', ']', '\\', '0', 'e', '-', '.', ' ', '\n', '\u0001'))
      .map(([text, at, put]) => `${text.slice(0, at % (text.length + 1))}${put}${text.slice((at % (text.length + 1)) + 1)}`);
    fc.assert(
      fc.property(fc.oneof(tampered, fc.json(), fc.string()), (text) => {
        expect(jsonFault(text) === undefined).toBe(isJson(text));
      }),
      { numRuns: 2000 },
    );
  });
});
