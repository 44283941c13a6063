import { expect, test } from 'vitest';
import { goQuote } from '../../src/base/go-quote.js';

test.each([
  ['a "b" \\', String.raw`"a \"b\" \\"`],
  ['\n\t\r\v\f\b\u0007', String.raw`"\n\t\r\v\f\b\a"`],
  ['\u0000\u001b\u007f', String.raw`"\x00\x1b\x7f"`],
  ['é 한 👽', '"é 한 👽"'],
  ['\u00a0\u200b\u{e0001}', String.raw`"\u00a0\u200b\U000e0001"`],
])('%j', (text, quoted) => expect(goQuote(text)).toBe(quoted));
