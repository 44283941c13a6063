import * as fc from 'fast-check';
import { existsSync, mkdirSync, realpathSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { BuildError } from '../../src/base/errors.js';
import { resolveLinks } from '../../src/base/links.js';
import { scratchDir } from '../helpers/cli.js';

const links: Readonly<Record<string, string>> = {
  bin: 'usr/bin',
  'usr/bin/sh': '../../bin/dash',
  etc: '/conf',
  up: '../../..',
  dangling: 'no/where',
  loop: 'loop',
  a: '/b',
  b: 'a',
};

describe('links are followed inside the root', () => {
  const rows = [
    { path: '', found: '' },
    { path: '/', found: '' },
    { path: 'x/./y//z/', found: 'x/y/z' },
    { path: '../../x', found: 'x' },
    { path: 'bin', found: 'usr/bin', kept: 'bin' },
    { path: 'bin/', found: 'usr/bin', kept: 'bin' },
    { path: 'bin/.', found: 'usr/bin' },
    { path: 'bin/sh', found: 'usr/bin/dash', kept: 'usr/bin/sh' },
    { path: 'bin/../x', found: 'usr/x' },
    { path: 'etc/hosts', found: 'conf/hosts' },
    { path: 'up', found: '', kept: 'up' },
    { path: 'up/bin', found: 'usr/bin', kept: 'bin' },
    { path: 'dangling/x', found: 'no/where/x' },
  ];
  test.each(rows)('$path is $found', ({ path, found, kept = found }) => {
    expect(resolveLinks(path, (at) => links[at], { followLast: true })).toBe(found);
    expect(resolveLinks(path, (at) => links[at], { followLast: false })).toBe(kept);
  });

  test.each(['loop', 'a', 'b/x'])('%s has no end', (path) => {
    const resolve = (): string => resolveLinks(path, (at) => links[at], { followLast: true });
    expect(resolve).toThrow(BuildError);
    expect(resolve).toThrow(`too many symbolic links on the way to "${path}"`);
  });

  test('40 are followed, 41 are not', () => {
    const linkAt = (at: string): string | undefined => (at === 'l0' ? undefined : `l${Number(at.slice(1)) - 1}`);
    expect(resolveLinks('l40', linkAt, { followLast: true })).toBe('l0');
    expect(() => resolveLinks('l41', linkAt, { followLast: true })).toThrow(BuildError);
  });

  test('as the kernel does', () => {
    using scratch = existsSync('/dev/shm') ? scratchDir('tsbuild-links-', '/dev/shm') : scratchDir();
    const name = fc.constantFrom('a', 'b', 'c');
    const text = fc
      .array(fc.oneof({ weight: 4, arbitrary: name }, fc.constant('.')), { minLength: 1, maxLength: 4 })
      .map((parts) => parts.join('/'));
    let count = 0;
    fc.assert(
      fc.property(fc.dictionary(name, text), text, (made, path) => {
        const root = join(scratch.path, String(count++));
        for (const dir of ['a', 'b', 'c']) {
          mkdirSync(join(root, `${dir}.d/b/c`), { recursive: true });
          symlinkSync(made[dir] ?? `${dir}.d`, join(root, dir));
        }
        if (!existsSync(`${root}/${path}`)) return;
        const linkAt = (at: string): string | undefined => (/^[abc]$/.test(at) ? (made[at] ?? `${at}.d`) : undefined);
        expect(resolveLinks(path, linkAt, { followLast: true })).toBe(realpathSync(`${root}/${path}`).slice(root.length + 1));
      }),
      { numRuns: 100 },
    );
  });
});
