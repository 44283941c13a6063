import { describe, expect, it } from 'vitest';
import { proxyFor } from '../../src/remote/proxy.js';

function chosen(url: string, env: Record<string, string>): string | undefined {
  return proxyFor(new URL(url), env)?.href;
}

describe('proxyFor', () => {
  const env = { HTTP_PROXY: 'http://plain.proxy:3128', HTTPS_PROXY: 'secure.proxy:8080' };

  it.each([
    ['http://example.org/', 'http://plain.proxy:3128/'],
    ['https://example.org/', 'http://secure.proxy:8080/'],
    ['http://localhost/', undefined],
    ['http://127.1.2.3:8080/', undefined],
    ['http://[::1]/', undefined],
  ])('%s', (url, want) => {
    expect(chosen(url, env)).toBe(want);
  });

  it('reads either case, the upper first', () => {
    expect(chosen('http://a.example/', { http_proxy: 'http://lower' })).toBe('http://lower/');
    expect(chosen('http://a.example/', { http_proxy: 'http://lower', HTTP_PROXY: 'http://upper' })).toBe('http://upper/');
    expect(chosen('http://a.example/', { HTTP_PROXY: '' })).toBeUndefined();
  });

  it.each([
    ['*', 'http://a.example/', true],
    ['a.example', 'http://a.example/', true],
    ['a.example', 'http://sub.A.example/', true],
    ['a.example', 'http://nota.example/', false],
    ['.a.example', 'http://a.example/', false],
    ['.a.example', 'http://sub.a.example/', true],
    ['*.a.example', 'http://sub.a.example/', true],
    ['a.example:80', 'http://a.example/', true],
    ['a.example:8080', 'http://a.example/', false],
    ['b.example , a.example', 'http://a.example/', true],
    ['10.0.0.0/8', 'http://10.1.2.3/', true],
    ['10.0.0.0/8', 'http://11.1.2.3/', false],
    ['10.0.0.0/99', 'http://10.1.2.3/', false],
    ['fd00::/8', 'http://[fd00::1]/', true],
    ['10.1.2.3', 'http://10.1.2.3:99/', true],
    ['[fd00::1]:99', 'http://[fd00::1]:99/', true],
    ['', 'http://a.example/', false],
  ])('NO_PROXY=%s and %s: direct is %s', (noProxy, url, direct) => {
    expect(chosen(url, { ...env, NO_PROXY: noProxy }) === undefined).toBe(direct);
  });

  it.each(['socks5://proxy:1080', 'http://', 'file:///x'])('refuses the proxy %s', (proxy) => {
    expect(() => chosen('http://a.example/', { HTTP_PROXY: proxy })).toThrow('invalid HTTP_PROXY');
  });
});
