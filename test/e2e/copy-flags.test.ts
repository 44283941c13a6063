import { linkSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toFsPath } from '../../src/base/bytes.js';
import { missingProgram, tsbuild } from '../helpers/cli.js';
import { readConfig, unpackWithUmoci } from '../helpers/image-tools.js';
import { unfinished } from '../helpers/leftovers.js';
import { member, tarOf } from '../helpers/tar-builder.js';
import { readTree, type TreeNode } from '../helpers/tree.js';
import { Workshop } from '../helpers/workshop.js';
import { COPY_ROWS, SOURCES, type CopyRow } from './copy-rows.js';

const missing = missingProgram('runc', 'busybox', 'umoci') ?? (process.getuid?.() === 0 ? undefined : 'not root');
if (missing !== undefined) process.stderr.write(`skipped: test/e2e/copy-flags.test.ts: ${missing}\n`);

describe.skipIf(missing !== undefined)('COPY and ADD', () => {
  const shop = new Workshop();
  beforeAll(() => {
    const lines = [
      'COPY --chmod=644 <<EOF /etc/passwd',
      'root:x:0:0::/:/bin/sh',
      'alice:x:1000:100::/:/bin/sh',
      'EOF',
      'COPY <<EOF /etc/group',
      'staff:x:50:',
      'EOF',
      'RUN mkdir -p /place/real && ln -s real /place/link && echo -n file > /place/file',
      'RUN mkdir -m 700 /place/private && echo -n there > /place/private/there && chmod 600 /place/private/there && chown -R 7:7 /place/private',
    ];
    shop.run(['-t', 'base', shop.busyboxContext(lines.join('\n'))]);
  });
  afterAll(() => shop[Symbol.dispose]());

  function contextOf({ lines, files = {} }: Pick<CopyRow, 'lines' | 'files'>, after = ''): string {
    return shop.context({ ...files, Dockerfile: ['FROM base', ...lines, after, ''].join('\n') });
  }

  function list(layout: string, top: string): Record<string, string> {
    const root = unpackWithUmoci(layout, '1', `${layout}-root`);
    const tree = readTree(join(root, top));
    const before = new Set(['bin', 'etc', 'place', '']);
    const shown = [...tree].filter(([path]) => path !== '' && !(top === '' && before.has(path.split('/')[0] ?? '')));
    return Object.fromEntries(shown.map(([path, node]) => [path, describeNode(node, join(root, top, path))]));
  }

  // The layer is written straight from the sources, unless a RUN comes behind: then the files go through a directory.
  const ways = [
    { way: 'as a layer', after: '' },
    { way: 'on disk', after: 'RUN true' },
  ];
  for (const { way, after } of ways) {
    describe(way, () => {
      it.each(COPY_ROWS)('$title', (row) => {
        const layout = shop.at(`layout-${way.length}-${COPY_ROWS.indexOf(row)}`);
        shop.run(['--oci-layout', `${layout}:1`, contextOf(row, after)]);
        expect(list(layout, row.in)).toEqual(row.want);
        const rows = readConfig(layout, '1').history?.map((entry) => entry.created_by) ?? [];
        if (row.history !== undefined) expect(rows.at(after === '' ? -1 : -2)).toBe(row.history);
      });
    });
  }

  it('103: a directory that a file replaces between two builds leaves nothing behind', () => {
    const context = contextOf({ lines: ['COPY . /d'], files: { 'x/y': 'y' } });
    shop.run(['--oci-layout', `${shop.at('first')}:1`, context]);
    expect(list(shop.at('first'), 'd')).toMatchObject({ x: '0755 0:0/', 'x/y': '0644 0:0 y' });
    const changed = shop.context({ Dockerfile: readFileSync(join(context, 'Dockerfile'), 'utf8'), x: 'file' });
    shop.run(['--oci-layout', `${shop.at('second')}:1`, changed]);
    expect(list(shop.at('second'), 'd')).toMatchObject({ x: '0644 0:0 file' });
  });

  const failures: [title: string, lines: string[], said: RegExp[]][] = [
    ['104: --link knows no names', ['COPY --link --chown=alice src/a.md /'], [/invalid user index/, /Dockerfile:2/, /give numbers/]],
    ['106: --parents of what is not there', ['COPY --parents src/nothing /'], [/"src\/nothing" not found in the build context/]],
    ['106: and below a pivot', ['COPY --parents src/./nothing /'], [/"src\/\.\/nothing" not found/]],
    ['--exclude with a broken pattern', ['COPY --exclude=[ src /'], [/--exclude: syntax error in pattern/, /Dockerfile:2/]],
    ['a heredoc that is no file name', ['COPY <<a/b /d/', 'a/b'], [/no file can have the name "a\/b"/]],
  ];
  it.each(failures)('%s', (_title, lines, said) => {
    const { status, stderr } = tsbuild(['--root', shop.store, contextOf({ lines, files: SOURCES })]);
    expect(status).toBeGreaterThan(0);
    expect(stderr).not.toContain('internal error');
    for (const text of said) expect(stderr).toMatch(text);
  });

  const warned: [title: string, lines: string[], said: RegExp][] = [
    ['an owner that is nobody', ['COPY --chown=mallory src/a.md /'], /the user "mallory" is not in the image's \/etc\/passwd/],
    ['--exclude of a source', ['COPY --exclude=*.md src/a.md src /d/'], /--exclude does not apply to "a\.md"/],
    ['several heredocs in one place', ['COPY <<A <<B /f', 'A', 'B'], /COPY has several sources and a destination without a trailing slash/],
  ];
  it.each(warned)('%s is warned of', (_title, lines, said) => {
    for (const { after } of ways) {
      const { status, stderr } = tsbuild(['--root', shop.store, '-o', shop.at('out'), contextOf({ lines, files: SOURCES }, after)]);
      expect(status).toBe(0);
      expect(stderr.match(said)).not.toBeNull();
    }
  });

  describe('archives without end', () => {
    // 64 MiB of nothing, 64 KiB compressed.
    const bomb = gzipSync(tarOf(member({ path: 'first', text: '1' }), member({ path: 'zeros', text: '\0'.repeat(64 * 2 ** 20) })));

    it.each(ways)('$way: end with an error and leave nothing half-written', ({ after }) => {
      const context = contextOf({ lines: ['ADD bomb.tgz /d/'], files: { 'bomb.tgz': bomb } }, after);
      const layout = shop.at(`bomb-${after.length}`);
      const { status, stderr } = tsbuild(['--root', shop.store, '--max-archive-size', '32m', '--oci-layout', `${layout}:1`, context]);
      expect(status).toBe(1);
      expect(stderr).toMatch(/bomb\.tgz: "\/(?:d\/)?zeros": more than 33\.6 MB when unpacked/);
      expect(stderr).toContain('--max-archive-size');
      expect(() => readConfig(layout, '1')).toThrow();
      expect(unfinished(shop.store)).toEqual([]);
      expect(shop.run(['--max-archive-size', '65m', '-q', '-t', 'bomb', context])).toMatch(/^sha256:/);
    });

    it('a size is a size', () => {
      expect(tsbuild(['--max-archive-size', 'much', '.']).stderr).toMatch(/--max-archive-size.*want a size above 0/s);
    });
  });

  it('--link makes the same layer over any base', () => {
    const lines = ['COPY --link src /place/link', 'COPY --link <<EOF /etc/motd', 'hi', 'EOF'];
    const context = shop.context({ ...SOURCES, Dockerfile: ['FROM base', ...lines, 'FROM scratch', ...lines, ''].join('\n') });
    const layers = ['stage-0', 'stage-1'].map((name, index) => {
      const layout = shop.at(`link-${name}`);
      const file = join(context, `Dockerfile.${index}`);
      writeFileSync(file, [index === 0 ? 'FROM base' : 'FROM scratch', ...lines, ''].join('\n'));
      shop.run(['--source-date-epoch', '1600000000', '--oci-layout', `${layout}:1`, '--file', file, context]);
      return readConfig(layout, '1').rootfs.diff_ids.slice(-2);
    });
    expect(layers[0]).toEqual(layers[1]);
  });

  it('hard links inside of what --parents copies stay links', () => {
    const context = contextOf({ lines: ['COPY --parents --exclude=c src /d/'], files: { 'src/a': 'x' } });
    linkSync(join(context, 'src/a'), join(context, 'src/b'));
    const layout = shop.at('links');
    shop.run(['--oci-layout', `${layout}:1`, context]);
    const tree = readTree(join(unpackWithUmoci(layout, '1', `${layout}-root`), 'd/src'));
    expect(tree.get('b')).toMatchObject({ linkOf: 'a' });
  });
});

function describeNode({ type, mode, uid, gid, linkTarget }: TreeNode, path: string): string {
  if (type === 'symlink') return `-> ${linkTarget}`;
  const owned = `${mode} ${uid}:${gid}`;
  if (type === 'directory') return `${owned}/`;
  const text = readFileSync(toFsPath(path), 'latin1');
  return `${owned} ${/[^\n -~]/.test(text) ? '<binary>' : text}`;
}
