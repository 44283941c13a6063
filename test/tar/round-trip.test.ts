import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { toText } from '../../src/base/bytes.js';
import type { TarEntry, Xattrs } from '../../src/tar/entry.js';
import { TarReader } from '../../src/tar/read.js';
import { encodeHeader, END_OF_ARCHIVE, paddingBytes } from '../../src/tar/write.js';
import { missingProgram } from '../helpers/cli.js';
import { entryOf, type EntrySpec } from '../helpers/tar-builder.js';

const scratch = mkdtempSync(join(tmpdir(), 'tsbuild-tar-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

interface Member {
  readonly entry: TarEntry;
  readonly bytes: Buffer;
}

function write(members: readonly Member[]): Buffer {
  const parts = members.flatMap(({ entry, bytes }) => [encodeHeader(entry), bytes, Buffer.alloc(paddingBytes(bytes.length))]);
  return Buffer.concat([...parts, END_OF_ARCHIVE]);
}

function read(archive: Buffer, cuts: readonly number[] = []): Member[] {
  const members: { entry: TarEntry; chunks: Buffer[] }[] = [];
  const reader = new TarReader({
    entry: (entry) => void members.push({ entry, chunks: [] }),
    data: (chunk) => void members.at(-1)?.chunks.push(Buffer.from(chunk)),
    hole: (sizeBytes) => void members.at(-1)?.chunks.push(Buffer.alloc(sizeBytes)),
    entryEnd: () => undefined,
  });
  const ends = [...cuts.map((cut) => cut % archive.length).toSorted((a, b) => a - b), archive.length];
  ends.reduce((start, end) => {
    reader.push(archive.subarray(start, end));
    return end;
  }, 0);
  reader.end();
  return members.map(({ entry, chunks }) => ({ entry, bytes: Buffer.concat(chunks) }));
}

const byteChar = fc.integer({ min: 1, max: 255 }).filter((code) => code !== 0x2f);
const component = fc
  .array(byteChar, { minLength: 1, maxLength: 120 })
  .map((codes) => String.fromCharCode(...codes))
  .filter((name) => name !== '.' && name !== '..');
const path = fc.array(component, { minLength: 1, maxLength: 6 }).map((parts) => parts.join('/'));
const id = fc.oneof(fc.integer({ min: 0, max: 70_000 }), fc.integer({ min: 2_000_000, max: 4_294_967_294 }));
const xattrs: fc.Arbitrary<Xattrs> = fc
  .dictionary(fc.stringMatching(/^[a-z.]{1,20}$/), fc.uint8Array({ minLength: 1, maxLength: 60 }), { minKeys: 1, maxKeys: 3 })
  .map((values) =>
    Object.entries(values)
      .map(([name, value]) => [name, Buffer.from(value)] as const)
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );
const common = {
  path,
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: id,
  gid: id,
  mtimeSeconds: fc.oneof(fc.integer({ min: -4e9, max: 2e10 }), fc.constantFrom(0, -1, 8_589_934_591, 8_589_934_592)),
};
const bare = { sizeBytes: fc.constant(0) };
const entries: fc.Arbitrary<Member> = fc.oneof(
  fc
    .tuple(
      fc.record(
        { ...common, type: fc.constant('file' as const), xattrs },
        { requiredKeys: ['path', 'mode', 'uid', 'gid', 'mtimeSeconds', 'type'] },
      ),
      fc.uint8Array({ maxLength: 2000 }),
    )
    .map(([entry, bytes]) => ({ entry: { ...entry, sizeBytes: bytes.length }, bytes: Buffer.from(bytes) })),
  fc
    .oneof(
      fc.record({ ...common, ...bare, type: fc.constantFrom('directory' as const, 'fifo' as const) }),
      fc.record({ ...common, ...bare, type: fc.constantFrom('symlink' as const, 'hardlink' as const), linkTarget: path }),
      fc.record({
        ...common,
        ...bare,
        type: fc.constantFrom('char' as const, 'block' as const),
        devMajor: fc.integer({ min: 0, max: 4095 }),
        devMinor: fc.integer({ min: 0, max: 1_048_575 }),
      }),
    )
    .map((entry) => ({ entry, bytes: Buffer.alloc(0) })),
);

const SPECIMENS: readonly EntrySpec[] = [
  { path: '', type: 'directory' },
  { path: 'd', type: 'directory', mode: 0o1777 },
  { path: `${'p'.repeat(90)}/${'n'.repeat(99)}`, text: 'by prefix' },
  { path: `${'p'.repeat(155)}/${'n'.repeat(100)}`, text: 'the longest prefix' },
  { path: `${'p'.repeat(156)}/n`, text: 'a longer one' },
  { path: 'x'.repeat(100), text: '100 bytes' },
  { path: 'x'.repeat(101), text: '101 bytes' },
  { path: 'y'.repeat(99), type: 'directory' },
  { path: 'z'.repeat(100), type: 'directory' },
  { path: `deep/${'component/'.repeat(30)}end`, text: 'long' },
  { path: 'caf\xc3\xa9', text: 'UTF-8' },
  { path: 'caf\xe9', text: 'Latin-1' },
  { path: 'new\nline', text: 'x' },
  { path: 'old', text: 'x', mtimeSeconds: -315_619_200 },
  { path: 'new', text: 'x', mtimeSeconds: 4_102_444_800 },
  { path: 'far', text: 'x', mtimeSeconds: 8_589_934_592 },
  { path: 'huge-uid', text: 'x', uid: 4_294_967_294, gid: 2_097_152 },
  { path: 'large-uid', text: 'x', uid: 2_097_151, gid: 2_097_151 },
  { path: 'su', text: 'x', mode: 0o6755 },
  { path: 's', type: 'symlink', linkTarget: 't'.repeat(300), mode: 0o777 },
  { path: 's2', type: 'symlink', linkTarget: '/caf\xe9', mode: 0o777 },
  { path: 'h', type: 'hardlink', linkTarget: 'caf\xe9' },
  { path: 'null', type: 'char', devMajor: 1, devMinor: 3 },
  { path: 'loop', type: 'block', devMajor: 7, devMinor: 1_048_575 },
  { path: 'pipe', type: 'fifo' },
  { path: 'capable', text: 'x', xattrs: [['security.capability', Buffer.from('0100000200200000000000000000000000000000', 'hex')]] },
  {
    path: 'attributed',
    text: 'x',
    xattrs: [
      ['user.a', Buffer.from('1\n2=3')],
      ['user.b', Buffer.from([0, 0, 255])],
    ],
  },
];

const specimens: readonly Member[] = SPECIMENS.map((spec) => ({ entry: entryOf(spec), bytes: Buffer.from(spec.text ?? '', 'latin1') }));

function blocks(spec: EntrySpec): number {
  return encodeHeader(entryOf(spec)).length / 512;
}

describe('what is written is read', () => {
  it('of any entries, in chunks of any size', () => {
    fc.assert(
      fc.property(fc.array(entries, { maxLength: 8 }), fc.array(fc.nat(), { maxLength: 12 }), (members, cuts) => {
        expect(read(write(members), cuts)).toEqual(members);
      }),
      { numRuns: 300 },
    );
  });

  it.each(specimens.map((member) => [`${member.entry.type} ${JSON.stringify(toText(member.entry.path)).slice(0, 30)}`, member] as const))(
    '%s',
    (_title, member) => {
      expect(read(write([member]))).toEqual([member]);
      expect(encodeHeader(member.entry).length % 512).toBe(0);
    },
  );

  it('of sizes from 8 GiB, which only the header shows here', () => {
    for (const sizeBytes of [8 ** 11 - 1, 8 ** 11, 2 ** 45]) {
      const seen: TarEntry[] = [];
      const reader = new TarReader({
        entry: (entry) => void seen.push(entry),
        data: () => undefined,
        hole: () => undefined,
        entryEnd: () => undefined,
      });
      reader.push(encodeHeader(entryOf({ path: 'big', sizeBytes })));
      expect(seen[0]?.sizeBytes).toBe(sizeBytes);
      expect(() => reader.end()).toThrow(/truncated within entry "big"/);
    }
  });

  it('costs a PAX header only where it must', () => {
    expect(blocks({ path: 'plain', uid: 2_097_151, mtimeSeconds: 8 ** 11 - 1 })).toBe(1);
    expect(blocks({ path: `${'p'.repeat(155)}/${'n'.repeat(100)}` })).toBe(1);
    for (const spec of [{ path: 'x'.repeat(101) }, { path: '\xe9' }, { path: 'x', uid: 2_097_152 }, { path: 'x', mtimeSeconds: -1 }]) {
      expect(blocks(spec)).toBe(3);
    }
  });

  it('depends on nothing but the entry', () => {
    const [one, two] = [encodeHeader(entryOf({ path: 'a' })), encodeHeader(entryOf({ path: 'a' }))];
    expect(one.equals(two)).toBe(true);
    // Another call does not write into a header that was handed out.
    encodeHeader(entryOf({ path: 'b' }));
    expect(one.equals(two)).toBe(true);
  });

  it('drops an empty xattr and refuses one with an equals sign', () => {
    expect(encodeHeader(entryOf({ path: 'f', xattrs: [['user.empty', Buffer.alloc(0)]] })).length).toBe(512);
    const bad = entryOf({ path: 'd/f', xattrs: [['user.a=b', Buffer.from('x')]] });
    expect(() => encodeHeader(bad)).toThrow('a layer cannot hold extended attribute "user.a=b" of "/d/f"');
  });
});

const missing = missingProgram('tar', 'python3');
if (missing !== undefined) console.warn(`SKIPPED: other readers of tar: ${missing}`);

describe.skipIf(missing !== undefined)('what is written is read by others', () => {
  it('GNU tar lists every entry', () => {
    const file = join(scratch, 'specimens.tar');
    writeFileSync(file, write(specimens));
    const args = ['--xattrs', '--xattrs-include=*', '--numeric-owner', '--full-time', '--utc', '--quoting-style=escape', '-tvvf', file];
    const listing = execFileSync('tar', args, {
      encoding: 'latin1',
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, LC_ALL: 'C' },
    });
    for (const line of [
      /^drwxrwxrwt.* d\/$/m,
      /^-rw-r--r--.*1960-01-01 00:00:00 old$/m,
      /^-rw-r--r--.*2100-01-01 00:00:00 new$/m,
      /^-rw-r--r--.*2242-03-16 12:56:32 far$/m,
      /4294967294\/2097152 .*huge-uid$/m,
      /^-rwsr-sr-x.* su$/m,
      /^hrw-r--r--.* h link to caf\\351$/m,
      /^lrwxrwxrwx.* s2 -> \/caf\\351$/m,
      /^crw-r--r--.* 1,3 .* null$/m,
      /^brw-r--r--.* 7,1048575 .* loop$/m,
      / new\\nline$/m,
      /^-rw-r--r--\*.* capable$/m,
    ]) {
      expect(listing).toMatch(line);
    }
    expect(listing).toContain(`deep/${'component/'.repeat(30)}end`);
    expect(listing.match(/^[-dlhcbp]/gm)).toHaveLength(specimens.length);
  });

  it("Python's tarfile agrees in every field", () => {
    const file = join(scratch, 'python.tar');
    writeFileSync(file, write(specimens));
    const script = [
      'import json, sys, tarfile',
      'types = {b"0": "file", b"1": "hardlink", b"2": "symlink", b"3": "char", b"4": "block", b"5": "directory", b"6": "fifo"}',
      'raw = lambda text: text.encode("utf-8", "surrogateescape").decode("latin-1")',
      'out = []',
      'with tarfile.open(sys.argv[1], encoding="utf-8", errors="surrogateescape") as archive:',
      '  for m in archive:',
      '    body = archive.extractfile(m).read().decode("latin-1") if m.isreg() else ""',
      '    out.append([raw(m.name), types[m.type], m.mode, m.uid, m.gid, m.size, int(m.mtime), raw(m.linkname), body])',
      'print(json.dumps(out))',
    ];
    const seen: unknown = JSON.parse(execFileSync('python3', ['-c', script.join('\n'), file], { encoding: 'utf8' }));
    expect(seen).toEqual(
      specimens.map(({ entry, bytes }) => [
        entry.path === '' ? '.' : entry.path,
        entry.type,
        entry.mode,
        entry.uid,
        entry.gid,
        entry.sizeBytes,
        entry.mtimeSeconds,
        entry.linkTarget ?? '',
        bytes.toString('latin1'),
      ]),
    );
  });

  it('GNU tar extracts xattrs', () => {
    execFileSync('tar', ['--xattrs', '--xattrs-include=user.*', '-xf', '-', 'attributed'], { cwd: scratch, input: write(specimens) });
    const dump = execFileSync('getfattr', ['-d', '-e', 'hex', 'attributed'], { cwd: scratch, encoding: 'utf8' });
    expect(dump).toContain('user.a=0x310a323d33');
    expect(dump).toContain('user.b=0x0000ff');
  });
});
