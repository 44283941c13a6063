import { describe, expect, it } from 'vitest';
import { formatPlatform, hostPlatform, matchesPlatform, parsePlatform, samePlatform } from '../../src/oci/platform.js';

describe('parsePlatform', () => {
  it.each([
    ['linux/amd64', 'linux/amd64'],
    ['Linux/AMD64', 'linux/amd64'],
    ['linux/x86_64', 'linux/amd64'],
    ['linux/x86-64', 'linux/amd64'],
    ['linux/amd64/v1', 'linux/amd64'],
    ['linux/amd64/v2', 'linux/amd64/v2'],
    ['linux/arm64', 'linux/arm64'],
    ['linux/aarch64', 'linux/arm64'],
    ['linux/arm64/v8', 'linux/arm64'],
    ['linux/arm64/8', 'linux/arm64'],
    ['linux/arm64/v9', 'linux/arm64/v9'],
    ['linux/arm', 'linux/arm/v7'],
    ['linux/arm/7', 'linux/arm/v7'],
    ['linux/arm/v6', 'linux/arm/v6'],
    ['linux/armhf', 'linux/arm/v7'],
    ['linux/armel', 'linux/arm/v6'],
    ['linux/i686', 'linux/386'],
    ['linux/s390x', 'linux/s390x'],
    ['linux/riscv64', 'linux/riscv64'],
    ['windows/amd64', 'windows/amd64'],
    ['macos/arm64', 'darwin/arm64'],
  ])('%s is %s', (text, expected) => {
    expect(formatPlatform(parsePlatform(text))).toBe(expected);
    expect(parsePlatform(expected)).toEqual(parsePlatform(text));
  });

  it('takes one word for a system or an architecture of this one', () => {
    const host = hostPlatform();
    expect(parsePlatform(host.os)).toEqual(host);
    expect(parsePlatform('s390x')).toEqual({ os: host.os, architecture: 's390x' });
  });

  it.each(['', '/', 'linux/', 'linux/arm/v7/x', 'linux/am d64', 'linux//v7', '*/amd64'])('refuses %j', (text) => {
    expect(() => parsePlatform(text)).toThrow('invalid platform');
  });
});

describe('hostPlatform', () => {
  it('uses the words of Go', () => {
    const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };
    expect(hostPlatform().os).toBe(process.platform);
    expect(hostPlatform().architecture).toBe(architectures[process.arch] ?? hostPlatform().architecture);
  });
});

describe('matchesPlatform', () => {
  it.each([
    ['linux/amd64', 'linux/x86_64', true],
    ['linux/amd64', 'linux/arm64', false],
    ['windows/amd64', 'linux/amd64', false],
    ['linux/arm/v6', 'linux/arm/v7', true],
    ['linux/arm/v7', 'linux/arm/v6', false],
    ['linux/arm64/v8', 'linux/arm64', true],
    ['linux/amd64/v3', 'linux/amd64', false],
    ['linux/amd64', 'linux/amd64/v2', true],
    ['linux/amd64/v2', 'linux/amd64/v3', true],
    ['linux/ppc64le/power8', 'linux/ppc64le', false],
  ])('an image for %s on %s: %s', (offered, wanted, expected) => {
    expect(matchesPlatform(parsePlatform(offered), parsePlatform(wanted))).toBe(expected);
  });

  it('is not the same as being the same', () => {
    expect(samePlatform({ os: 'linux', architecture: 'arm', variant: 'v6' }, { os: 'linux', architecture: 'arm' })).toBe(false);
    expect(samePlatform({ os: 'linux', architecture: 'arm', variant: '7' }, { os: 'Linux', architecture: 'arm' })).toBe(true);
  });
});
