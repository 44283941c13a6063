import { describe, expect, it } from 'vitest';
import { parseChallenges } from '../../src/registry/challenge.js';

function read(...headers: string[]): unknown {
  return parseChallenges(headers).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);
}

describe('WWW-Authenticate', () => {
  it.each<[string, string, unknown]>([
    [
      'of distribution',
      'Bearer realm="https://auth.example/token",service="registry.example",scope="repository:app:pull,push"',
      [['bearer', { realm: 'https://auth.example/token', service: 'registry.example', scope: 'repository:app:pull,push' }]],
    ],
    [
      'with blanks after commas and around =',
      'Bearer  realm = "https://a/" ,  service= x',
      [['bearer', { realm: 'https://a/', service: 'x' }]],
    ],
    ['in any case', 'BEARER REALM="https://a/"', [['bearer', { realm: 'https://a/' }]]],
    ['with escapes', String.raw`Basic realm="say \"hello, you\" \\o/"`, [['basic', { realm: String.raw`say "hello, you" \o/` }]]],
    [
      'of two schemes',
      'Basic realm="one, two", Bearer realm="https://a/",scope="x"',
      [
        ['basic', { realm: 'one, two' }],
        ['bearer', { realm: 'https://a/', scope: 'x' }],
      ],
    ],
    ['of a scheme alone', 'Negotiate', [['negotiate', {}]]],
    [
      'of a scheme alone before another',
      'Negotiate, Basic realm=x',
      [
        ['negotiate', {}],
        ['basic', { realm: 'x' }],
      ],
    ],
    [
      'with a token in base 64',
      'Negotiate YWJjZA==, Basic realm="x"',
      [
        ['negotiate', {}],
        ['basic', { realm: 'x' }],
      ],
    ],
    [
      'with an error',
      'Bearer realm="https://a/",error="insufficient_scope"',
      [['bearer', { realm: 'https://a/', error: 'insufficient_scope' }]],
    ],
    ['with a comma at the end', 'Basic realm="x",', [['basic', { realm: 'x' }]]],
    ['with empty elements', ', ,Basic realm="x"', [['basic', { realm: 'x' }]]],
    ['with an empty value', 'Bearer realm="https://a/",service=""', [['bearer', { realm: 'https://a/', service: '' }]]],
    ['named twice: the first counts', 'Basic realm="x", realm="y"', [['basic', { realm: 'x' }]]],
    ['with a quote that never ends', 'Basic realm="x', [['basic', { realm: 'x' }]]],
    ['with a letter that is none of HTTP', 'Basic realm="ü"', [['basic', { realm: 'ü' }]]],
    ['that is empty', '', []],
  ])('%s', (_, header, want) => {
    expect(read(header)).toEqual(want);
  });

  it('may come in several headers', () => {
    expect(read('Basic realm="x"', 'Bearer realm="https://a/"')).toEqual([
      ['basic', { realm: 'x' }],
      ['bearer', { realm: 'https://a/' }],
    ]);
  });

  it.each([
    '"'.repeat(20_000),
    'a='.repeat(20_000),
    ' ,'.repeat(20_000),
    'Basic realm="'.repeat(5000),
    'a '.repeat(20_000),
    '='.repeat(20_000),
    `Bearer ${'a'.repeat(20_000)}"`,
  ])('of nonsense, however long, is read at once (%#)', (header) => {
    const startedMs = performance.now();
    parseChallenges([header]);
    expect(performance.now() - startedMs).toBeLessThan(3000);
  });
});
