import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { homeOf, lookupOwner, lookupUser } from '../../src/execute/users.js';
import type { RootView } from '../../src/snapshot/root-view.js';
import { openRootView } from '../../src/snapshot/view.js';
import { Sandbox } from './sandbox.js';

const sandbox = new Sandbox();
afterAll(() => sandbox.dispose());

function rootWith(files: Readonly<Record<string, string>>): RootView {
  return openRootView([sandbox.layer(files)]);
}

const PASSWD = `root:x:0:0:root:/root:/bin/sh
daemon:x:1:1::/usr/sbin:/bin/false
broken
bad:x:zero:0::/:
neg:x:-1:0::/:
huge:x:4294967296:0::/:
  padded:x:7:8::/padded:
alice:x:1000:1001:Alice:/home/alice:/bin/sh
twin:x:1000:1002::/home/twin:
123:x:5000:5001::/named-by-number:
nohome:x:9:9
`;
const GROUP = `root:x:0:
daemon:x:1:
adm:x:4:root,alice
bad:x:x:alice
wheel:x:10:alice,root
twins:x:11:twin
dup:x:20:
dup:x:21:
`;

describe('USER', () => {
  const root = rootWith({ 'etc/passwd': PASSWD, 'etc/group': GROUP });

  test.each([
    ['', { uid: 0, gid: 0, groups: [4, 10] }],
    ['root', { uid: 0, gid: 0, groups: [4, 10] }],
    ['0', { uid: 0, gid: 0, groups: [4, 10] }],
    ['0:0', { uid: 0, gid: 0, groups: [] }],
    ['alice', { uid: 1000, gid: 1001, groups: [4, 10] }],
    ['1000', { uid: 1000, gid: 1001, groups: [4, 10] }],
    ['twin', { uid: 1000, gid: 1002, groups: [11] }],
    ['alice:wheel', { uid: 1000, gid: 10, groups: [] }],
    ['alice:77', { uid: 1000, gid: 77, groups: [] }],
    ['1000:wheel', { uid: 1000, gid: 10, groups: [] }],
    ['4242:wheel', { uid: 4242, gid: 10, groups: [] }],
    ['4242', { uid: 4242, gid: 0, groups: [] }],
    ['4242:4343', { uid: 4242, gid: 4343, groups: [] }],
    ['alice:', { uid: 1000, gid: 1001, groups: [4, 10] }],
    [':wheel', { uid: 0, gid: 10, groups: [] }],
    ['padded', { uid: 7, gid: 8, groups: [] }],
    ['alice:dup', { uid: 1000, gid: 20, groups: [] }],
    ['123', { uid: 5000, gid: 5001, groups: [] }],
    ['2147483647:2147483647', { uid: 2147483647, gid: 2147483647, groups: [] }],
  ])('72: %j', (user, ids) => {
    expect(lookupUser(user, root)).toEqual(ids);
  });

  test.each([
    ['nobody', 'unable to find user nobody: no matching entries in passwd file'],
    // Rows with broken ids are no rows: such a user must not turn into root.
    ['bad', 'unable to find user bad: no matching entries in passwd file'],
    ['neg', 'unable to find user neg: no matching entries in passwd file'],
    ['huge', 'unable to find user huge: no matching entries in passwd file'],
    ['alice:nogroup', 'unable to find group nogroup: no matching entries in group file'],
    ['4294967296', 'invalid user or group id 4294967296: want 0 to 2147483647'],
    ['2147483648:0', 'invalid user or group id 2147483648: want 0 to 2147483647'],
    ['-1', 'unable to find user -1: no matching entries in passwd file'],
  ])('73: %j is refused', (user, message) => {
    expect(() => lookupUser(user, root)).toThrow(expect.objectContaining({ kind: 'dockerfile', message }) as Error);
  });

  test('without files only numbers and the default work', () => {
    const empty = rootWith({});
    expect(lookupUser('', empty)).toEqual({ uid: 0, gid: 0, groups: [] });
    expect(lookupUser('12', empty)).toEqual({ uid: 12, gid: 0, groups: [] });
    expect(() => lookupUser('root', empty)).toThrow(/unable to find user root/);
  });

  test('symlinks are followed inside the root only', () => {
    const dir = sandbox.path('outside');
    mkdirSync(dir);
    writeFileSync(join(dir, 'passwd'), 'evil:x:66:66::/:\n');
    const layer = sandbox.layer({ 'usr/passwd': 'inside:x:5:5::/:\n', 'etc/': '' });
    symlinkSync('../../../../usr/passwd', join(layer.path, 'etc/passwd'));
    symlinkSync(join(dir, 'passwd'), join(layer.path, 'etc/group'));
    expect(lookupUser('inside', openRootView([layer]))).toMatchObject({ uid: 5 });
    expect(() => lookupUser('inside:evil', openRootView([layer]))).toThrow(/unable to find group/);
  });

  test('a file without end is refused', () => {
    const big = rootWith({ 'etc/passwd': 'x'.repeat(10 * 1024 * 1024 + 1) });
    expect(() => lookupUser('x', big)).toThrow(expect.objectContaining({ kind: 'input' }) as Error);
  });

  test('HOME is that of the first user with the id', () => {
    expect(homeOf(1000, root)).toBe('/home/alice');
    expect(homeOf(9, root)).toBe('/');
    expect(homeOf(31, root)).toBe('/');
  });
});

describe('--chown', () => {
  const root = rootWith({ 'etc/passwd': PASSWD, 'etc/group': GROUP });

  test.each([
    ['5', { uid: 5, gid: 5 }],
    ['1000', { uid: 1000, gid: 1000 }],
    ['5:6', { uid: 5, gid: 6 }],
    ['alice', { uid: 1000, gid: 1001 }],
    ['daemon', { uid: 1, gid: 1 }],
    ['alice:', { uid: 1000, gid: 0 }],
    ['1000:wheel', { uid: 1000, gid: 10 }],
    ['alice:99', { uid: 1000, gid: 99 }],
    ['root', { uid: 0, gid: 0 }],
    ['root:wheel', { uid: 0, gid: 10 }],
    ['nobody', { uid: 0, gid: 0 }],
    ['nobody:nogroup', { uid: 0, gid: 0 }],
    ['bad', { uid: 0, gid: 0 }],
  ])('96: %j', (chown, ids) => {
    expect(lookupOwner(chown, root)).toEqual(ids);
  });

  test('a name that is in no file is 0, and told', () => {
    const told = (chown: string): string[] => {
      const messages: string[] = [];
      lookupOwner(chown, root, (message) => messages.push(message));
      return messages;
    };
    expect(told('nobody')).toEqual(['--chown: the user "nobody" is not in the image\'s /etc/passwd: the files belong to user 0']);
    expect(told('alice:nogroup')).toEqual(['--chown: the group "nogroup" is not in the image\'s /etc/group: the files belong to group 0']);
    expect(told('nobody:nogroup')).toHaveLength(2);
    for (const known of ['alice', 'alice:', '1:2', '77', 'root', 'root:root', 'alice:wheel', '']) expect(told(known), known).toEqual([]);
  });

  test('an empty root knows numbers and root', () => {
    const scratch = openRootView([]);
    expect(lookupOwner('1:2', scratch)).toEqual({ uid: 1, gid: 2 });
    expect(lookupOwner('root', scratch)).toEqual({ uid: 0, gid: 0 });
    expect(lookupOwner('root:root', scratch)).toEqual({ uid: 0, gid: 0 });
    expect(lookupOwner('7:root', scratch)).toEqual({ uid: 7, gid: 0 });
    expect(() => lookupOwner('alice', scratch)).toThrow(/invalid user index/);
    expect(() => lookupOwner('1:alice', scratch)).toThrow(/invalid user index/);
  });

  test('an id out of range is refused', () => {
    expect(() => lookupOwner('4294967295', root)).toThrow(expect.objectContaining({ kind: 'dockerfile' }) as Error);
  });
});
