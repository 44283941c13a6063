import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { TarEntry } from '../../src/tar/entry.js';
import { copyIn, entryAt, make, NOW, pathsOf, useCopyLab, type CopyOptions } from './copy-lab.js';

const lab = useCopyLab();

function copy(
  names: readonly string[],
  dest: string,
  options: CopyOptions & { readonly sources?: readonly string[] } = {},
): readonly TarEntry[] {
  const { sources = [], ...rest } = options;
  return copyIn(lab, sources, dest, { files: names.map((name) => ({ name, text: `text of ${name}\n` })), ...rest });
}

function textOf({ content }: TarEntry): string | undefined {
  return content?.kind === 'bytes' ? content.bytes.toString() : undefined;
}

describe('heredocs of COPY and ADD', () => {
  it('33: are files of mode 644 that belong to root and have their names in a directory', () => {
    const entries = copy(['A', 'B'], '/d/');
    expect(pathsOf(lab, entries)).toEqual(['d/', 'd/A', 'd/B']);
    expect(entryAt(entries, 'd/A')).toMatchObject({ mode: 0o644, uid: 0, gid: 0, mtimeSeconds: NOW, sizeBytes: 10 });
    expect(entries.map(textOf)).toEqual([undefined, 'text of A\n', 'text of B\n']);
    expect(entryAt(entries, 'd')).toMatchObject({ mode: 0o755, uid: 0, gid: 0, mtimeSeconds: NOW });
  });

  it('33: one is the destination, unless that is a directory already', () => {
    expect(pathsOf(lab, copy(['EOF'], '/etc/app.conf'))).toEqual(['etc/', 'etc/app.conf']);
    make(lab.below, { 'there/': '', link: '-> there', old: 'x' });
    expect(pathsOf(lab, copy(['EOF'], '/there'))).toEqual(['there/', 'there/EOF']);
    expect(pathsOf(lab, copy(['EOF'], '/link'))).toEqual(['there/', 'there/EOF']);
    expect(pathsOf(lab, copy(['EOF'], '/old'))).toEqual(['old']);
    expect(() => copy(['EOF'], '/old/')).toThrow('COPY: cannot copy to non-directory: "/old" is a file');
  });

  it('33: --chown and --chmod hold for them and for the directories made for them', () => {
    const chown = { uid: 5, gid: 6 };
    const octal = copy(['A'], '/n/', { chown, chmod: '4750' });
    expect(octal).toMatchObject([
      { path: 'n', mode: 0o4750, ...chown },
      { path: 'n/A', mode: 0o4750, ...chown },
    ]);
    expect(copy(['A'], '/n/', { chmod: 'u+x,o=' })).toMatchObject([
      { path: 'n', mode: 0o755 },
      { path: 'n/A', mode: 0o740 },
    ]);
  });

  it('33: they come after the other sources, and the last of one name counts', () => {
    make(lab.context, { A: 'from the context', 'dir/B': 'b' });
    expect(pathsOf(lab, copy(['A'], '/', { sources: ['A'] }))).toEqual(['A']);
    expect(pathsOf(lab, copy(['C'], '/', { sources: ['dir'] }))).toEqual(['B: dir/B', 'C']);
    expect(pathsOf(lab, copy(['A', 'B'], '/one', { sources: ['A'] }))).toEqual(['one']);
    expect(copy(['A', 'B'], '/one', { sources: ['A'] }).map(textOf)).toEqual(['text of B\n']);
  });

  it('33: belong to root whatever the sources beside them keep', () => {
    writeFileSync(join(lab.below, 'f'), 'x');
    expect(copy(['A'], '/d/', { fromContext: false })).toMatchObject([{ path: 'd' }, { path: 'd/A', uid: 0, gid: 0 }]);
  });

  it('an empty one is an empty file', () => {
    const [entry] = copyIn(lab, [], '/empty', { files: [{ name: 'EOF', text: '' }] });
    expect(entry).toMatchObject({ path: 'empty', type: 'file', sizeBytes: 0 });
    expect(entry).not.toHaveProperty('content');
  });

  it('names and texts are UTF-8', () => {
    const [, entry] = copyIn(lab, [], '/d/', { files: [{ name: 'größe', text: 'Ω\n' }] });
    expect(entry).toMatchObject({ path: 'd/gr\u00c3\u00b6\u00c3\u009fe', sizeBytes: 3 });
  });

  it.each(['a/b', '/EOF', '..', '.', '../../etc/passwd'])('%s is no name for a file', (name) => {
    expect(() => copy([name], '/d/')).toThrow(
      expect.objectContaining({ kind: 'dockerfile', message: `COPY: no file can have the name "${name}"` }) as Error,
    );
  });

  it('none replaces a directory', () => {
    make(lab.below, { 'd/A/': '' });
    expect(() => copy(['A'], '/d/')).toThrow('COPY: cannot replace to directory "/d/A" with file "A"');
  });
});
