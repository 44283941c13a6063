import { describe, expect, it } from 'vitest';
import { formatPlatform, hostPlatform } from '../../src/oci/platform.js';
import {
  parseAnnotations,
  parseBuildContext,
  parseEpoch,
  parseHost,
  parseMemorySize,
  parseNetwork,
  parsePairs,
  parsePlatforms,
  parseUlimit,
} from '../../src/cli/values.js';

const DIGEST = `sha256:${'0'.repeat(64)}`;

describe('parsePairs', () => {
  it('splits at the first =, the last value wins, a bare key is asked for', () => {
    const env: Readonly<Record<string, string>> = { HOME: '/root' };
    expect(parsePairs('--build-arg', ['A=1', 'B=x=y', 'A=2', 'HOME', 'NONE', 'C='], (key) => env[key])).toEqual({
      A: '2',
      B: 'x=y',
      C: '',
      HOME: '/root',
    });
  });
  it('holds any key', () => {
    const pairs = parsePairs('--label', ['__proto__=x', 'constructor=y'], () => '');
    expect(Object.entries(pairs)).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ]);
  });
  it('shows no password in its complaint', () => {
    expect(() => parsePairs('--build-arg', ['=https://u:secret@host/'], () => '')).toThrow(
      'invalid --build-arg "=https://***@host/": the name is empty',
    );
  });
});

describe('parseAnnotations', () => {
  it('takes keys with a level and without', () => {
    expect(parseAnnotations(['a=1', 'manifest:b=2', 'x:y=3'])).toEqual({ a: '1', b: '2', 'x:y': '3' });
  });
  it.each(['index:a=1', 'manifest-descriptor:a=1', 'manifest[linux/amd64]:a=1'])('has not %s yet', (text) => {
    expect(() => parseAnnotations([text])).toThrow('is not supported yet');
  });
  it('wants a value', () => {
    expect(() => parseAnnotations(['a'])).toThrow('want KEY=VALUE');
  });
});

describe('parseMemorySize', () => {
  it.each([
    ['64m', 67_108_864],
    ['64M', 67_108_864],
    ['64mb', 67_108_864],
    ['64MiB', 67_108_864],
    ['1g', 1_073_741_824],
    ['1.5k', 1536],
    ['4096', 4096],
    ['10b', 10],
    ['2 g', 2_147_483_648],
  ])('%s', (text, bytes) => {
    expect(parseMemorySize('--shm-size', text)).toBe(bytes);
  });
  it.each(['', '0', '-1', 'm', '1x', '1e9', '64 mm', '99999999999999999999g'])('refuses %j', (text) => {
    expect(() => parseMemorySize('--shm-size', text)).toThrow('invalid --shm-size');
  });
});

describe('parseUlimit', () => {
  it.each([
    ['nofile=1024', { name: 'nofile', soft: 1024, hard: 1024 }],
    ['nofile=1024:2048', { name: 'nofile', soft: 1024, hard: 2048 }],
    ['core=-1', { name: 'core', soft: -1, hard: -1 }],
    ['core=0:-1', { name: 'core', soft: 0, hard: -1 }],
  ])('%s', (text, expected) => {
    expect(parseUlimit(text)).toEqual(expected);
  });
  it.each([
    ['nofile', 'want NAME=SOFT'],
    ['nofile=', 'want NAME=SOFT'],
    ['nofile=x', 'want NAME=SOFT'],
    ['nofiles=1', 'did you mean nofile?'],
    ['nofile=2:1', 'above the hard limit'],
    ['nofile=-1:1', 'above the hard limit'],
  ])('refuses %s: %s', (text, reason) => {
    expect(() => parseUlimit(text)).toThrow(reason);
  });
});

describe('parseHost', () => {
  it.each([
    ['db:10.0.0.1', 'db:10.0.0.1'],
    ['db=10.0.0.1', 'db:10.0.0.1'],
    ['db:::1', 'db:::1'],
    ['db=[::1]', 'db:::1'],
    ['db:[2001:db8::1]', 'db:2001:db8::1'],
  ])('%s', (text, expected) => {
    expect(parseHost(text)).toBe(expected);
  });
  it.each(['db', 'db:', ':1.2.3.4', 'db:1.2.3', 'a b:1.2.3.4', 'db:host', 'db:1.2.3.4\n6.6.6.6 x'])('refuses %j', (text) => {
    expect(() => parseHost(text)).toThrow('invalid --add-host');
  });
  it('has no host-gateway yet', () => {
    expect(() => parseHost('x:host-gateway')).toThrow('not supported yet');
  });
});

describe('parseNetwork', () => {
  it.each([
    ['host', 'host'],
    ['none', 'none'],
    ['default', 'host'],
  ])('%s', (text, expected) => {
    expect(parseNetwork(text)).toBe(expected);
  });
  it.each([
    ['bridge', 'unsupported'],
    ['ns:/x', 'unsupported'],
    ['hots', 'usage'],
    ['', 'usage'],
  ])('refuses %j', (text, kind) => {
    expect(() => parseNetwork(text)).toThrow(expect.objectContaining({ kind }));
  });
});

describe('parsePlatforms', () => {
  const host = formatPlatform(hostPlatform());
  it.each([
    [['local'], [host]],
    [[`${host},local`, host], [host]],
    [
      ['linux/s390x, linux/arm64/v8', 'linux/arm'],
      ['linux/s390x', 'linux/arm64', 'linux/arm/v7'],
    ],
    [['linux/aarch64,linux/arm64'], ['linux/arm64']],
  ])('%j', (texts, expected) => expect(parsePlatforms(texts).map(formatPlatform)).toEqual(expected));
  it.each(['', 'linux/amd64,', 'linux/', 'a/b/c/d', 'linux/ä'])('refuses %j', (text) => {
    expect(() => parsePlatforms([text])).toThrow(expect.objectContaining({ kind: 'usage' }));
  });
});

describe('parseEpoch', () => {
  it('takes whole seconds', () => {
    expect(parseEpoch('SOURCE_DATE_EPOCH', '1700000000')).toBe(1_700_000_000);
  });
  it.each(['', '-1', '1.5', 'now', '1e3', '99999999999999999999'])('refuses %j', (text) => {
    expect(() => parseEpoch('SOURCE_DATE_EPOCH', text)).toThrow('invalid SOURCE_DATE_EPOCH');
  });
});

describe('parseBuildContext', () => {
  it.each([
    ['src=../src', ['src', { kind: 'directory', path: '../src' }]],
    ['src=local:../src', ['src', { kind: 'directory', path: '../src' }]],
    ['src=a=b', ['src', { kind: 'directory', path: 'a=b' }]],
    ['src=https://host/x.tgz', ['src', { kind: 'http', url: 'https://host/x.tgz' }]],
    ['src=https://host/x.git#v1', ['src', { kind: 'git', remote: { url: 'https://host/x.git', ref: 'v1', submodules: true } }]],
    ['base=docker-image://alpine:3', ['base', { kind: 'image', reference: 'alpine:3' }]],
    ['base=oci-layout://dir', ['base', { kind: 'oci-layout', path: 'dir' }]],
    ['base=oci-layout:///abs/dir:1.0', ['base', { kind: 'oci-layout', path: '/abs/dir', tag: '1.0' }]],
    [`base=oci-layout://dir@${DIGEST}`, ['base', { kind: 'oci-layout', path: 'dir', digest: DIGEST }]],
    [`base=oci-layout://dir:1@${DIGEST}`, ['base', { kind: 'oci-layout', path: 'dir', tag: '1', digest: DIGEST }]],
    ['base=oci-layout://a@b/dir', ['base', { kind: 'oci-layout', path: 'a@b/dir' }]],
    ['base=oci-layout://a:b/dir', ['base', { kind: 'oci-layout', path: 'a:b/dir' }]],
  ])('%s', (text, expected) => {
    expect(parseBuildContext(text)).toEqual(expected);
  });
  it.each([
    ['x', 'usage'],
    ['=x', 'usage'],
    ['x=', 'usage'],
    ['scratch=dir', 'usage'],
    ['context=dir', 'usage'],
    ['x::linux/arm64/v8/x=dir', 'usage'],
    ['::linux/arm64', 'usage'],
    ['x=https://u:p@host/x.git?branch=a&tag=b', 'usage'],
    ['x=target:y', 'unsupported'],
    ['x=oci-layout://', 'usage'],
    ['x=oci-layout://dir:-x', 'usage'],
    ['x=oci-layout://dir@sha256:x', 'input'],
  ])('refuses %s', (text, kind) => {
    expect(() => parseBuildContext(text)).toThrow(expect.objectContaining({ kind, message: expect.not.stringContaining('u:p') as string }));
  });
});
