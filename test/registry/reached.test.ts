import { describe, expect, it } from 'vitest';
import { asReached } from '../../src/registry/reached.js';

describe('an address that a registry names', () => {
  it.each([
    ['http://r.example/v2/a?b=c', 'https://r.example/v2/', 'https://r.example/v2/a?b=c'],
    ['http://r.example:5000/v2/a', 'https://r.example/v2/', 'https://r.example/v2/a'],
    ['http://r.example/v2/a', 'https://r.example:5443/v2/', 'https://r.example:5443/v2/a'],
    ['http://r.example:443/v2/a', 'https://r.example:5443/v2/', 'https://r.example:5443/v2/a'],
    ['http://other.example/v2/a', 'https://r.example/v2/', 'http://other.example/v2/a'],
    ['https://r.example:8443/v2/a', 'https://r.example/v2/', 'https://r.example:8443/v2/a'],
    ['http://r.example:5000/v2/a', 'http://r.example/v2/', 'http://r.example:5000/v2/a'],
    ['https://r.example/v2/a', 'http://r.example/v2/', 'https://r.example/v2/a'],
  ])('%s, reached by %s, is %s', (address, asked, expected) => {
    const given = new URL(address);
    expect(asReached(given, new URL(asked)).href).toBe(expected);
    expect(given.href).toBe(new URL(address).href);
  });
});
