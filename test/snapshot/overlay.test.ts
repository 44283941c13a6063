import * as fc from 'fast-check';
import { execFileSync } from 'node:child_process';
import { afterAll, describe, expect, test } from 'vitest';
import { BuildError } from '../../src/base/errors.js';
import { diffEntries } from '../../src/snapshot/diff.js';
import { openRootView } from '../../src/snapshot/view.js';
import { OverlayLab } from '../helpers/overlay.js';
import { describeEntries, expectLaws } from './overlay-law.js';
import { operation, perform } from './operations.js';

const lab = await OverlayLab.open();
afterAll(() => lab?.close());

interface Row {
  readonly title: string;
  /** Makes the layer below. */
  readonly below?: string;
  /** Runs in the merged root. */
  readonly change: string;
  /** Of the layer, without the times. */
  readonly entries: readonly string[];
  readonly needs?: string;
}

const LONG = `${'d'.repeat(150)}/${'f'.repeat(160)}`;

const rows: readonly Row[] = [
  { title: 'nothing', below: 'touch a', change: 'true', entries: [] },
  { title: 'a new file', change: 'echo x > a', entries: ['file 0644 0:0 a'] },
  { title: 'delete a file', below: 'touch a b', change: 'rm a', entries: ['file 0000 0:0 .wh.a'] },
  {
    title: 'delete a file in a directory',
    below: 'mkdir -p d/e; touch d/e/a',
    change: 'rm d/e/a',
    entries: ['directory 0755 0:0 d', 'directory 0755 0:0 d/e', 'file 0000 0:0 d/e/.wh.a'],
  },
  { title: 'delete a directory', below: 'mkdir -p d/e; touch d/e/a', change: 'rm -r d', entries: ['file 0000 0:0 .wh.d'] },
  { title: 'delete what the step made', change: 'touch a; mkdir d; rm -r a d', entries: [] },
  {
    title: 'delete everything',
    below: 'mkdir d; touch a d/b; ln -s a l',
    change: 'rm -r a d l',
    entries: ['file 0000 0:0 .wh.a', 'file 0000 0:0 .wh.d', 'file 0000 0:0 .wh.l'],
  },
  { title: 'directory to file', below: 'mkdir d; touch d/a', change: 'rm -r d; echo x > d', entries: ['file 0644 0:0 d'] },
  {
    title: 'file to directory',
    below: 'echo x > d',
    change: 'rm d; mkdir d; touch d/a',
    entries: ['directory 0755 0:0 d', 'file 0644 0:0 d/a'],
  },
  {
    title: 'symlink to directory',
    below: 'mkdir t; touch t/x; ln -s t d',
    change: 'rm d; mkdir d; touch d/a',
    entries: ['directory 0755 0:0 d', 'file 0644 0:0 d/a'],
  },
  { title: 'directory to symlink', below: 'mkdir d t; touch t/x d/a', change: 'rm -r d; ln -s t d', entries: ['symlink 0777 0:0 d -> t'] },
  {
    title: 'delete and make again',
    below: 'mkdir -p d/e; touch d/a d/e/b',
    change: 'rm -r d; mkdir d; touch d/c',
    entries: ['directory 0755 0:0 d', 'file 0000 0:0 d/.wh..wh..opq', 'file 0644 0:0 d/c'],
  },
  {
    title: 'delete an empty directory and make it again',
    below: 'mkdir d',
    change: 'rmdir d; mkdir -m 700 d',
    entries: ['directory 0700 0:0 d'],
  },
  {
    title: 'delete and make again, twice over, with directories inside',
    below: 'mkdir -p d/e; touch d/e/b',
    change: 'rm -r d; mkdir -p d/e; touch d/e/c',
    entries: ['directory 0755 0:0 d', 'file 0000 0:0 d/.wh..wh..opq', 'directory 0755 0:0 d/e', 'file 0644 0:0 d/e/c'],
  },
  { title: 'rename a file', below: 'echo x > a', change: 'mv a b', entries: ['file 0000 0:0 .wh.a', 'file 0644 0:0 b'] },
  {
    title: 'rename a directory',
    below: 'mkdir d; echo x > d/a',
    change: 'mv d e',
    entries: ['file 0000 0:0 .wh.d', 'directory 0755 0:0 e', 'file 0644 0:0 e/a'],
  },
  {
    title: 'whiteouts before the rest',
    below: 'touch b z',
    change: 'rm b z; touch -- -a a',
    entries: ['file 0000 0:0 .wh.b', 'file 0000 0:0 .wh.z', 'file 0644 0:0 -a', 'file 0644 0:0 a'],
  },
  { title: 'chmod alone', below: 'echo x > a; chmod 644 a', change: 'chmod 4711 a', entries: ['file 4711 0:0 a'] },
  { title: 'chmod of a directory alone', below: 'mkdir d; touch d/a', change: 'chmod 1777 d', entries: ['directory 1777 0:0 d'] },
  { title: 'chmod of the root', below: 'touch a', change: 'chmod 700 .', entries: ['directory 0700 0:0 /'] },
  { title: 'chown alone', below: 'echo x > a', change: 'chown 12:34 a', entries: ['file 0644 12:34 a'] },
  { title: 'chown of a symlink', below: 'ln -s a l', change: 'chown -h 12:34 l', entries: ['symlink 0777 12:34 l -> a'] },
  { title: 'a huge uid', change: 'touch a; chown 4294967294:4294967293 a', entries: ['file 0644 4294967294:4294967293 a'] },
  {
    title: 'setcap alone',
    below: 'echo x > a',
    change: 'setcap cap_net_raw+ep a',
    needs: 'setcap',
    entries: ['file 0644 0:0 a security.capability=0100000200200000000000000000000000000000'],
  },
  {
    title: 'xattrs of users are kept, those of overlayfs are not',
    below: 'mkdir d',
    change: 'setfattr -n user.b -v 2 d; setfattr -n user.a -v 1 d; setfattr -n user.overlay.opaque -v n d',
    needs: 'setfattr',
    entries: ['directory 0755 0:0 d user.a=31 user.b=32'],
  },
  {
    title: 'a hard link within the layer',
    change: 'echo x > b; ln b a; ln b c',
    entries: ['file 0644 0:0 a', 'hardlink 0644 0:0 b -> a', 'hardlink 0644 0:0 c -> a'],
  },
  { title: 'a hard link to a symlink', change: 'ln -s x a; ln a b', entries: ['symlink 0777 0:0 a -> x', 'hardlink 0777 0:0 b -> a'] },
  { title: 'a hard link to a file below', below: 'echo x > a', change: 'ln a b', entries: ['file 0644 0:0 a', 'hardlink 0644 0:0 b -> a'] },
  { title: 'one of two hard links below changes', below: 'echo x > a; ln a b', change: 'echo y >> b', entries: ['file 0644 0:0 b'] },
  { title: 'one of two hard links below goes', below: 'echo x > a; ln a b', change: 'rm a', entries: ['file 0000 0:0 .wh.a'] },
  {
    title: 'devices and a FIFO',
    change: 'mkfifo -m 600 f; mknod -m 620 c c 1 3; mknod -m 660 b b 4095 1048575',
    entries: ['block 0660 0:0 b 4095, 1048575', 'char 0620 0:0 c 1, 3', 'fifo 0600 0:0 f'],
  },
  { title: 'an empty directory', change: 'mkdir -m 750 d', entries: ['directory 0750 0:0 d'] },
  {
    title: 'a path of 311 bytes',
    change: `mkdir ${'d'.repeat(150)}; touch ${LONG}`,
    entries: [`directory 0755 0:0 ${'d'.repeat(150)}`, `file 0644 0:0 ${LONG}`],
  },
  {
    title: 'names that are not UTF-8',
    below: `touch "$(printf 'gone\\351')"`,
    change: `rm gone*; echo x > "$(printf 'caf\\351')"; ln -s "$(printf '\\377')" "$(printf 'l\\376')"`,
    entries: ['file 0000 0:0 .wh.gone\xe9', 'file 0644 0:0 caf\xe9', 'symlink 0777 0:0 l\xfe -> \xff'],
  },
  { title: 'a name with a line end and quotes', change: `touch "$(printf 'a\\n"b')"`, entries: ['file 0644 0:0 a\n"b'] },
  {
    title: 'a socket',
    change: `node -e 'require("net").createServer().listen("s", () => process.exit())'; touch a`,
    entries: ['file 0644 0:0 a'],
  },
];

describe.skipIf(lab === undefined)('a step over one layer', () => {
  for (const row of rows) {
    test.skipIf(row.needs !== undefined && !hasProgram(row.needs))(row.title, async () => {
      if (lab === undefined) return;
      const lower = lab.newDir();
      const upper = lab.newDir();
      await lab.shell(lower, row.below ?? 'true');
      const merged = await lab.mount([lower], upper);
      await lab.shell(merged, row.change);
      const entries = await expectLaws(lab, [lower], upper, merged);
      expect(describeEntries(entries)).toEqual(row.entries);
      await lab.unmount(merged);
    });
  }
});

describe.skipIf(lab === undefined)('entries of a step', () => {
  test('times are whole seconds, rounded down, before 1970 too', async () => {
    const upper = lab?.newDir() ?? '';
    await lab?.shell(upper, 'touch -d @-1.5 a; touch -d @0.999999999 b; touch -d 2100-01-01T00:00:00.9Z c; mkdir d; touch -d @-86400 d');
    expect([...diffEntries(upper, undefined)].map((entry) => entry.mtimeSeconds)).toEqual([-2, 0, 4102444800, -86400]);
  });

  test('content is told by the path of the file, and only where there is some', async () => {
    const upper = lab?.newDir() ?? '';
    await lab?.shell(upper, 'echo x > a; touch b; truncate -s 5G c');
    expect([...diffEntries(upper, undefined)].map(({ sizeBytes, content }) => ({ sizeBytes, content }))).toEqual([
      { sizeBytes: 2, content: { kind: 'path', path: `${upper}/a` } },
      { sizeBytes: 0, content: undefined },
      { sizeBytes: 5 * 2 ** 30, content: { kind: 'path', path: `${upper}/c` } },
    ]);
  });

  test('a socket in place of a file deletes that', async () => {
    const [lower, upper] = [lab?.newDir() ?? '', lab?.newDir() ?? ''];
    await lab?.shell(lower, 'touch s');
    await lab?.shell(upper, `node -e 'require("net").createServer().listen("s", () => process.exit())'`);
    expect(describeEntries(diffEntries(upper, openRootView([{ path: lower }])))).toEqual(['file 0000 0:0 .wh.s']);
  });

  test('whiteouts of what is not there are left out', async () => {
    const [lower, upper] = [lab?.newDir() ?? '', lab?.newDir() ?? ''];
    await lab?.shell(upper, 'mkdir d; mknod a c 0 0; mknod d/a c 0 0; setfattr -n trusted.overlay.opaque -v y d');
    expect(describeEntries(diffEntries(upper, undefined))).toEqual(['directory 0755 0:0 d']);
    expect(describeEntries(diffEntries(upper, openRootView([{ path: lower }])))).toEqual(['directory 0755 0:0 d']);
  });

  test('a name that layers reserve is refused by its path', async () => {
    const upper = lab?.newDir() ?? '';
    await lab?.shell(upper, 'mkdir d; touch d/.wh.x');
    const walk = (): unknown => [...diffEntries(upper, undefined)];
    expect(walk).toThrow(BuildError);
    expect(walk).toThrow('file "/d/.wh.x" cannot be part of a layer');
  });

  test('a path that no system call takes is refused', async () => {
    const upper = lab?.newDir() ?? '';
    await lab?.shell(upper, `i=0; while [ $i -lt 20 ]; do mkdir ${'p'.repeat(250)} && cd ${'p'.repeat(250)}; i=$((i+1)); done`);
    expect(() => [...diffEntries(upper, undefined)]).toThrow(/path of \d+ bytes is too long/);
    await lab?.shell(upper, 'rm -r p*');
  });
});

describe.skipIf(lab === undefined)('a step over random layers', () => {
  test('view, mount, layer and applied layer agree', async () => {
    const operations = fc.array(operation, { maxLength: 24, size: 'max' });
    await fc.assert(
      fc.asyncProperty(operations, operations, operations, async (first, second, third) => {
        if (lab === undefined) return;
        const layers = [lab.newDir()];
        for (const one of first) perform(layers[0] ?? '', one);
        for (const step of [second, third]) {
          const upper = lab.newDir();
          const merged = await lab.mount(layers, upper);
          for (const one of step) perform(merged, one);
          await expectLaws(lab, layers, upper, merged);
          await lab.unmount(merged);
          layers.unshift(upper);
        }
      }),
      { numRuns: 40 },
    );
  });
});

function hasProgram(name: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${name}`], { stdio: 'ignore' });
    return true;
  } catch {
    process.stderr.write(`skipped: no program "${name}"\n`);
    return false;
  }
}
