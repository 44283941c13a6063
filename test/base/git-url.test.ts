import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BuildError } from '../../src/base/errors.js';
import { parseGitRemote, type GitRemote } from '../../src/base/git-url.js';

const SHA = '0123456789abcdef0123456789abcdef01234567';

function remote(url: string, more: Partial<GitRemote> = {}): GitRemote {
  return { url, submodules: true, ...more };
}

describe('parseGitRemote', () => {
  const repo = 'https://example.com/foo.git';

  it.each<[string, GitRemote]>([
    [repo, remote(repo)],
    ['HTTPS://example.com/foo.git', remote('HTTPS://example.com/foo.git')],
    ['http://example.com/foo.git', remote('http://example.com/foo.git')],
    [`${repo}#release/1.2`, remote(repo, { ref: 'release/1.2' })],
    [`${repo}#baz/qux:quux/quuz`, remote(repo, { ref: 'baz/qux', subdir: 'quux/quuz' })],
    [`${repo}#:dir`, remote(repo, { subdir: 'dir' })],
    [`${repo}#:/../dir/./x/`, remote(repo, { subdir: 'dir/x' })],
    [`${repo}#:/`, remote(repo)],
    [`${repo}#`, remote(repo)],
    [`${repo}#with%20blank`, remote(repo, { ref: 'with blank' })],
    ['https://user:password@example.com/foo.git#x', remote('https://user:password@example.com/foo.git', { ref: 'x' })],
    ['git://example.com/foo', remote('git://example.com/foo')],
    ['ssh://git@example.com:2222/foo', remote('ssh://git@example.com:2222/foo')],
    ['git@github.com:moby/buildkit', remote('git@github.com:moby/buildkit')],
    ['git@github.com:moby/buildkit.git#v1:x', remote('git@github.com:moby/buildkit.git', { ref: 'v1', subdir: 'x' })],
    ['user_1@host:repo?ref=x&subdir=y', remote('user_1@host:repo', { ref: 'x', subdir: 'y' })],
    [`${repo}?ref=v1.0.0&subdir=/sub`, remote(repo, { ref: 'v1.0.0', subdir: 'sub' })],
    [`${repo}?tag=v1`, remote(repo, { ref: 'refs/tags/v1' })],
    [`${repo}?tag=refs/tags/v1`, remote(repo, { ref: 'refs/tags/v1' })],
    [`${repo}?branch=a/b`, remote(repo, { ref: 'refs/heads/a/b' })],
    [`${repo}?ref=x#x`, remote(repo, { ref: 'x' })],
    [`${repo}?tag=v1&checksum=0123abc`, remote(repo, { ref: 'refs/tags/v1', checksum: '0123abc' })],
    [`${repo}?commit=${SHA}`, remote(repo, { ref: SHA, checksum: SHA })],
    [`${repo}?ref=x&commit=${SHA}&fetch-by-commit=true`, remote(repo, { ref: SHA, checksum: SHA })],
    [`${repo}?submodules=false&keep-git-dir&mtime=commit`, remote(repo, { submodules: false, keepGitDir: true, mtime: 'commit' })],
    [`${repo}?submodules=&keep-git-dir=0&mtime=checkout`, remote(repo, { keepGitDir: false })],
  ])('%s', (text, expected) => {
    expect(parseGitRemote(text, 'add')).toEqual(expected);
    expect(parseGitRemote(text, 'context')).toEqual(expected);
  });

  it.each([
    'https://example.com/',
    'https://example.com/foo',
    'https://example.com/foo.git/',
    'https://example.com/foo.git.bar',
    'http://github.com/docker/docker.git:#branch',
    'https://github.com/moby/buildkit',
    'https://example.com:port/foo.git',
    'custom.xyz/moby/buildkit.git',
    'file:///tmp/repo.git',
    'ftp://host/x.git',
    './.git',
    '../git@host:x',
    '.git',
    'dir/x@y:z',
    'a b@host:x',
    '',
  ])('%s is none', (text) => {
    expect(parseGitRemote(text, 'add')).toBeUndefined();
    expect(parseGitRemote(text, 'context')).toBeUndefined();
  });

  it('never throws anything but what the user can mend', () => {
    const part = fc.constantFrom(
      'https://',
      'git@',
      'ssh://',
      'host',
      ':',
      '/',
      '.git',
      '?',
      '#',
      '&',
      '=',
      'ref',
      'tag',
      'subdir',
      '%',
      '%zz',
      '..',
      ' ',
      'é',
      '@',
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
        try {
          const found = parseGitRemote(parts.join(''), 'add');
          if (found !== undefined) expect(found.subdir ?? 'x').not.toMatch(/^$|^\/|(?:^|\/)\.\.(?:\/|$)/);
        } catch (error) {
          expect(error).toMatchObject({ kind: 'dockerfile' });
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('takes the short form of GitHub for contexts alone', () => {
    expect(parseGitRemote('github.com/moby/buildkit#main', 'context')).toEqual(remote('https://github.com/moby/buildkit', { ref: 'main' }));
    expect(parseGitRemote('github.com/moby/buildkit#main', 'add')).toBeUndefined();
  });

  it.each([
    ['?x=y', 'unexpected query "x"'],
    ['?ref=', 'query "ref" has no value'],
    ['?ref=a&ref=b', 'query "ref" has multiple values'],
    ['?ref=a#b', 'ref conflicts: "b" vs "a"'],
    ['?ref=a&tag=b', 'ref conflicts: "a" vs "refs/tags/b"'],
    ['?branch=a&tag=b', 'branch conflicts with tag'],
    ['?subdir=a#:b', 'subdir conflicts: "b" vs "a"'],
    ['?submodules=maybe', 'invalid submodules value: "maybe"'],
    ['?keep-git-dir=2', 'invalid keep-git-dir value: "2"'],
    ['?mtime=now', 'invalid mtime value: "now"'],
    ['?checksum=xyz', 'invalid checksum "xyz": want the hexadecimal name of a commit'],
  ])('%s is wrong', (suffix, message) => {
    expect(() => parseGitRemote(repo + suffix, 'add')).toThrow(expect.objectContaining({ kind: 'dockerfile', message }) as BuildError);
    expect(() => parseGitRemote(repo + suffix, 'context')).toThrow(expect.objectContaining({ kind: 'usage', message }) as BuildError);
  });
});
