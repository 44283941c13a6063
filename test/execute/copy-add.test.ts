import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openContext } from '../../src/context/context.js';
import { copyEntries, findArchives } from '../../src/execute/copy.js';
import type { CopyPart, CopyRequest } from '../../src/execute/copy-request.js';
import { findProgram } from '../../src/os/process.js';
import { openRootView } from '../../src/snapshot/view.js';

let context: string;
let below: string;

beforeEach(() => {
  const dir = mkdtempSync(join(tmpdir(), 'tsbuild-add-'));
  context = join(dir, 'context');
  below = join(dir, 'below');
  mkdirSync(context);
  mkdirSync(below);
  writeFileSync(join(context, 'member'), 'content');
});

afterEach(() => {
  rmSync(dirname(context), { recursive: true, force: true });
});

function makeTar(name: string, ...flags: string[]): void {
  execFileSync('tar', ['-C', context, '-cf', join(context, name), ...flags, 'member']);
}

async function add(sources: readonly string[], dest: string, options: Partial<CopyRequest> = {}): Promise<string[]> {
  const request: CopyRequest = { op: 'ADD', sources, dest, fromContext: true, nowSeconds: 1, ...options };
  const source = openContext(context, undefined);
  const archives = await findArchives(request, source);
  return copyEntries({ ...request, archives }, source, openRootView([{ path: below }])).parts.map(describePart);
}

function describePart(part: CopyPart): string {
  if (part.kind === 'entries') return part.entries.map(({ path, type }) => (type === 'directory' ? `${path}/` : path)).join(' ');
  return `unpack ${part.fsPath.toString().slice(context.length + 1)} into /${part.destDir}`;
}

describe('ADD', () => {
  const formats = [
    { flag: '--no-auto-compress', program: 'tar' },
    { flag: '--gzip', program: 'gzip' },
    { flag: '--bzip2', program: 'bzip2' },
    { flag: '--xz', program: 'xz' },
    { flag: '--zstd', program: 'zstd' },
  ];
  for (const { flag, program } of formats) {
    const isThere = findProgram(program) !== undefined;
    if (!isThere) console.log(`${program} is not installed: tar ${flag} is not tested`);
    it.skipIf(!isThere)(`108: unpacks what tar ${flag} wrote, whatever its name`, async () => {
      makeTar('picture.jpg', flag);
      expect(await add(['picture.jpg'], '/out')).toEqual(['out/', 'unpack picture.jpg into /out']);
    });
  }

  it.each([
    ['ustar', '--format=ustar'],
    ['pax with a global header', '--format=pax', '--pax-option=globexthdr.name=g,comment:=x'],
    ['gnu', '--format=gnu'],
    ['v7', '--format=v7'],
  ])('108: knows %s', async (_title, ...flags) => {
    makeTar('a', ...flags);
    expect(await add(['a'], '/')).toEqual(['unpack a into /']);
  });

  it('108: an archive whose name is not ASCII', async () => {
    makeTar('größe.tgz', '--gzip');
    expect(await add(['größe.tgz'], '/')).toEqual(['unpack größe.tgz into /']);
  });

  it('109: copies what is compressed but no tar, what is broken, empty, or no archive at all', async () => {
    writeFileSync(join(context, 'plain.gz'), gzipSync(Buffer.alloc(2000, 'x')));
    writeFileSync(join(context, 'short.tar.gz'), gzipSync('short'));
    writeFileSync(join(context, 'broken.tar.gz'), gzipSync(Buffer.alloc(2000)).subarray(0, 15));
    writeFileSync(join(context, 'empty.tar'), '');
    writeFileSync(join(context, 'zeros.tar'), Buffer.alloc(10_240));
    makeTar('bad.tar');
    const bytes = readFileSync(join(context, 'bad.tar'));
    bytes[0] = 0x7a;
    writeFileSync(join(context, 'bad.tar'), bytes);
    expect(await add(['*.gz', '*.tar'], '/')).toEqual(['bad.tar broken.tar.gz empty.tar plain.gz short.tar.gz zeros.tar']);
  });

  it('111: the directory to unpack into is found inside of the root', async () => {
    makeTar('a.tar');
    symlinkSync('/real', join(below, 'link'));
    expect(await add(['a.tar'], '/link/x')).toEqual(['real/ real/x/', 'unpack a.tar into /real/x']);
  });

  it('112: each match of a wildcard by itself; a later source wins', async () => {
    makeTar('a.tar');
    makeTar('c.tar');
    writeFileSync(join(context, 'b.tar'), 'no tar');
    const parts = ['out/', 'unpack a.tar into /out', 'out/b.tar', 'unpack c.tar into /out'];
    expect(await add(['*.tar'], '/out/')).toEqual(parts);
    expect(await add(['member', 'a.tar', 'member'], '/out/')).toEqual(['out/ out/member', 'unpack a.tar into /out', 'out/member']);
  });

  it('unpacks through a symlink, but nothing inside of a directory', async () => {
    mkdirSync(join(context, 'd'));
    makeTar('a.tar');
    renameSync(join(context, 'a.tar'), join(context, 'd/a.tar'));
    symlinkSync('d/a.tar', join(context, 'link'));
    expect(await add(['link'], '/out')).toEqual(['out/', 'unpack d/a.tar into /out']);
    expect(await add(['d'], '/out')).toEqual(['out/ out/a.tar']);
  });

  it('the directory belongs to --chown, and --chmod does not count', async () => {
    makeTar('a.tar');
    const request: CopyRequest = {
      op: 'ADD',
      sources: ['a.tar'],
      dest: '/out',
      fromContext: true,
      nowSeconds: 1,
      chown: { uid: 100, gid: 200 },
      chmod: '700',
    };
    const source = openContext(context, undefined);
    const { parts } = copyEntries({ ...request, archives: await findArchives(request, source) }, source, openRootView([{ path: below }]));
    expect(parts[0]).toMatchObject({ entries: [{ path: 'out', mode: 0o755, uid: 100, gid: 200 }] });
  });

  it('does not unpack into a file', async () => {
    makeTar('a.tar');
    writeFileSync(join(below, 'file'), '');
    await expect(add(['a.tar'], '/file')).rejects.toThrow('ADD: cannot copy to non-directory: "/file" is a file');
  });

  it('COPY unpacks nothing', async () => {
    makeTar('a.tar');
    expect(await add(['a.tar'], '/out/', { op: 'COPY' })).toEqual(['out/ out/a.tar']);
  });
});
