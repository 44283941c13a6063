import { chownSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Store } from '../../src/store/store.js';
import { missingProgram, tsbuild } from '../helpers/cli.js';
import { storeImage } from '../helpers/stored-image.js';
import { MountLab, toBuilt } from './mount-lab.js';

const missing = process.getuid?.() === 0 ? missingProgram('runc', 'busybox', 'tar') : 'needs root for RUN';
if (missing !== undefined) process.stderr.write(`skipped: test/e2e/mounts.test.ts: ${missing}\n`);

describe.skipIf(missing !== undefined)('RUN --mount', () => {
  const lab = new MountLab();
  beforeAll(() => lab.open());
  afterAll(() => lab[Symbol.dispose]());

  describe('what is mounted leaves no trace', () => {
    const rows: [title: string, run: string][] = [
      ['a directory', 'RUN --mount=target=/new/deep ls /new/deep'],
      ['a file', 'RUN --mount=target=/new/file,source=a cat /new/file'],
      ['one that can be written to', 'RUN --mount=target=/new,rw touch /new/b'],
      ['a cache', 'RUN --mount=type=cache,target=/root/.cache touch /root/.cache/b'],
      ['a tmpfs', 'RUN --mount=type=tmpfs,target=/new/tmp touch /new/tmp/b'],
      ['a tmpfs on a directory of the image', 'RUN --mount=type=tmpfs,target=/data touch /data/b && rm -f /data/b'],
      ['one on a file of the image', 'RUN --mount=target=/data/file,source=a cat /data/file'],
      ['one on a symlink', 'RUN --mount=target=/data/link cat /data/dir/a'],
      ['one on a symlink to nowhere', 'RUN --mount=target=/dangling ls /nowhere/deep/a'],
      ['one behind a symlink', 'RUN --mount=target=/alias/new/deep ls /data/new/deep/a'],
      [
        'several, one in the other',
        'RUN --mount=target=/m,rw --mount=type=tmpfs,target=/m/n --mount=type=cache,target=/m/n/o touch /m/n/o/x',
      ],
      ['one over /etc/hosts', 'RUN --mount=target=/etc/hosts,source=a grep text /etc/hosts'],
      ['one over /etc', 'RUN --mount=type=tmpfs,target=/etc touch /etc/x'],
    ];
    for (const [title, run] of rows) it(`120: ${title}`, () => expect(lab.layersOf(run, { a: 'text' })).toEqual([[]]));

    it('120: what the step makes beside it stays, with its parents as they were', () => {
      expect(lab.layersOf('RUN --mount=type=tmpfs,target=/new/tmp touch /new/tmp/b /new/c /data/c')).toEqual([
        ['data/', 'data/c', 'new/', 'new/c'],
      ]);
      const { lines } = lab.build('RUN --mount=type=tmpfs,target=/data/new true\nRUN ls /data; ls -a /nowhere /new 2>&1 || true');
      expect(lines).toEqual(['dir', 'file', 'link', 'ls: /nowhere: No such file or directory', 'ls: /new: No such file or directory']);
    });

    it('120: a directory keeps its time', () => {
      const [before, after] = lab.build(
        'RUN stat -c %Y /data\nRUN --mount=type=tmpfs,target=/data/new sleep 1\nRUN stat -c %Y /data',
      ).lines;
      expect(after).toBe(before);
    });
  });

  describe('type bind', () => {
    it('121: is the default, from the root of the context, and read-only', () => {
      const { lines } = lab.build('RUN --mount=target=/c cat /c/a/b; touch /c/new /c/a/b 2>&1; true', { 'a/b': 'text\n' });
      expect(lines).toEqual(['text', 'touch: /c/new: Read-only file system', 'touch: /c/a/b: Read-only file system']);
    });

    it('122: rw takes what is written and throws it away', () => {
      const context = { 'a/b': 'text\n', gone: 'x' };
      const { lines } = lab.build(
        'RUN --mount=target=/c,rw echo more >>/c/a/b && rm /c/gone && mkdir /c/d && cat /c/a/b && ls /c/d\n' +
          'RUN --mount=target=/c,rw ls /c /c/a && cat /c/a/b\n' +
          'RUN --mount=target=/c ls /c\n',
        context,
      );
      expect(lines).toEqual(['text', 'more', '/c:', 'Dockerfile', 'a', 'gone', '', '/c/a:', 'b', 'text', 'Dockerfile', 'a', 'gone']);
    });

    it('122: rw of a stage leaves the stage as it was', () => {
      const lines =
        'RUN --mount=from=s,target=/s,rw echo x >>/s/data/file; rm -r /s/bin; cat /s/data/file\nCOPY --from=s /data/file /\nRUN cat /file; ls /bin/sh';
      expect(lab.linesOf(`FROM base AS s\nRUN echo stage >/data/file\nFROM base\n${lines}`)).toEqual(['stage', 'x', 'stage', '/bin/sh']);
    });

    it('shows the context as the ignore file has it, owned by root', () => {
      const dir = lab.shop.context({
        Dockerfile: 'FROM base\nRUN --mount=target=/c cd /c && find . | sort && stat -c "%u:%g %a" . a run\n',
        '.dockerignore': 'secret\ndir\n!dir/kept\n',
        secret: 'x',
        a: 'a',
        run: { text: 'x', mode: 0o755 },
        'dir/left': 'x',
        'dir/kept': 'x',
      });
      for (const name of ['a', '.']) chownSync(join(dir, name), 1234, 1234);
      const { lines } = toBuilt(tsbuild(['--root', lab.shop.store, '--progress', 'plain', dir]));
      expect(lines).toEqual([
        '.',
        './.dockerignore',
        './Dockerfile',
        './a',
        './dir',
        './dir/kept',
        './run',
        '0:0 755',
        '0:0 644',
        '0:0 755',
      ]);
    });

    it('takes a file, and what a symlink leads to inside the context', () => {
      const { lines } = lab.build(
        'RUN --mount=target=/f,source=link cat /f && ! touch /f 2>/dev/null\nRUN --mount=target=/d,source=up,rw ls /d && echo x >/d/a && cat /d/a',
        { 'dir/a': 'text\n', link: { link: 'dir/a' }, up: { link: '/../dir' } },
      );
      expect(lines).toEqual(['text', 'a', 'x']);
    });

    it('a stage, an image and a named context', () => {
      const other = lab.shop.context({ named: 'named\n', left: 'x', '.dockerignore': 'left' });
      const run = ['from=s,target=/s', 'from=base,target=/i,source=/data', 'from=other,target=/n']
        .map((mount) => `--mount=${mount}`)
        .join(' ');
      const lines = lab.linesOf(
        `FROM base AS s\nRUN echo stage >/out\nFROM base\nRUN ${run} cat /s/out /i/file /i/link/../file /n/named; ls /n`,
        {},
        [`--build-context=other=${other}`],
      );
      expect(lines).toEqual(['stage', 'image', 'image', 'named', 'named']);
    });

    it('a stage of one layer, and one of none', () => {
      const text =
        'FROM scratch AS one\nCOPY a /x/\nFROM scratch AS none\nFROM base\nRUN --mount=from=one,target=/1 --mount=from=none,target=/0 cat /1/x/a; ls -a /0';
      expect(lab.linesOf(text, { a: 'text\n' })).toEqual(['text', '.', '..']);
    });

    it('what a stage has deleted is not there', () => {
      const text =
        'FROM base AS s\nRUN rm -r /data/dir && mkdir /data/dir && rm /data/file\nFROM base\nRUN --mount=from=s,source=data,target=/s find /s | sort';
      expect(lab.linesOf(text)).toEqual(['/s', '/s/dir', '/s/link']);
    });

    it('a directory that a layer only implied has the metadata of the layer below', async () => {
      const store = await Store.open(lab.shop.store);
      const image = await storeImage(store, { layers: [{ 'd/': '', 'd/a': 'a' }, { 'd/b': 'b' }] });
      await store.tag(image.descriptor, ['docker.io/library/implied:latest']);
      const run = (flags: string): string => `RUN --mount=from=implied,target=/m${flags} stat -c %Y /m/d && ls /m/d`;
      expect(lab.build(`${run('')}\n${run(',rw')}`).lines).toEqual(['1700000000', 'a', 'b', '1700000000', 'a', 'b']);
    });

    it('source is resolved inside where it is from', () => {
      const text =
        'FROM base AS s\nRUN mkdir /in && echo in >/in/f && ln -s /in /l && ln -s ../../../in /m\nFROM base\nRUN --mount=from=s,source=l,target=/a --mount=from=s,source=/m/f,target=/b cat /a/f /b';
      expect(lab.linesOf(text)).toEqual(['in', 'in']);
    });

    it('directories deeper than a path reaches go with what is thrown away, and cannot be a layer', () => {
      const down = 'i=0; while [ $i -lt 18 ]; do mkdir -p $n && cd $n; i=$((i+1)); done';
      const script = `n=$(printf "d%.0s" $(seq 200)); t=$PWD; mkdir a b; cd a; ${down}; cd $t/b; ${down}; mv $t/a .`;
      lab.build('RUN --mount=target=/m,rw cd /m && sh deep', { deep: script });
      const { status, stderr } = lab.tryBuild('RUN --mount=target=/m cd /tmp && sh /m/deep', { deep: script });
      expect(stderr).toMatch(/path of \d+ bytes is too long/);
      expect(status).toBe(1);
      expect(readdirSync(join(lab.shop.store, 'tmp'))).toEqual([]);
    });

    it('a source that no text can name is an error', () => {
      const { status, stderr } = lab.tryBuild(
        'RUN true\nFROM base AS s\nRUN n=$(printf "\\377"); mkdir "/$n" && ln -s "$n" /link\nFROM base\nRUN --mount=from=s,source=link,target=/a ls /a',
      );
      expect(stderr).toContain('RUN --mount: "/link" leads to "\ufffd", which is not UTF-8');
      expect(status).toBe(1);
    });

    it('the trigger of a base mounts from a stage', () => {
      const text =
        'FROM base AS tools\nRUN echo tool >/tool\nFROM base AS onbuild\nONBUILD RUN --mount=from=tools,target=/t cat /t/tool\nFROM onbuild\nRUN echo own';
      expect(lab.linesOf(text)).toEqual(['tool', 'own']);
    });

    it('43: with a heredoc', () => {
      expect(lab.build('RUN --mount=target=/c <<EOF\ncat /c/a\necho two\nEOF', { a: 'one\n' }).lines).toEqual(['one', 'two']);
    });

    it('58: at targets from variables', () => {
      const { lines } = lab.build('ARG from=a\nENV to=/m\nRUN --mount=target=$to/f,source=${from} cat /m/f', { a: 'text\n' });
      expect(lines).toEqual(['text']);
    });

    it('a file inside of a directory, both from the context', () => {
      const files = { 'dir/f': 'below\n', other: 'above\n' };
      expect(lab.build('RUN --mount=target=/d/f,source=other --mount=target=/d,source=dir cat /d/f', files).lines).toEqual(['above']);
    });

    const failures: [title: string, run: string, message: string][] = [
      ['a source that is not there', 'RUN --mount=target=/c,source=nothing true', '"nothing" not found in the build context'],
      ['a source that is ignored', 'RUN --mount=target=/c,source=hidden true', 'it is excluded by .dockerignore:1 "hidden"'],
      ['a source that is not in an image', 'RUN --mount=target=/c,from=base,source=/x true', '"/x" not found in image "base"'],
      ['a directory on a file', 'RUN --mount=target=/data/file true', 'cannot mount at "/data/file": a directory does not fit on a file'],
      ['a file on a directory', 'RUN --mount=target=/data,source=a true', 'cannot mount at "/data": a file does not fit on a directory'],
      ['a target below a file', 'RUN --mount=target=/data/file/x true', 'cannot mount at "/data/file/x": /data/file is a file'],
      ['a target that leads to /proc', 'RUN ln -s /proc /p\nRUN --mount=target=/p/x true', 'it leads to /proc/x'],
      ['a target that leads to the root', 'RUN ln -s . /r\nRUN --mount=target=/r true', 'it is the root of the file system'],
      [
        'a target that is missing in what is mounted',
        'RUN --mount=target=/c --mount=type=tmpfs,target=/c/new true',
        'there is nothing of that name',
      ],
    ];
    for (const [title, run, message] of failures) {
      it(`${title} is an error`, () => {
        const { status, stderr } = lab.tryBuild(run, { a: 'a', hidden: 'x', '.dockerignore': 'hidden\n' });
        expect(stderr).toContain(message);
        expect(status).not.toBe(0);
        expect(stderr).toContain('Dockerfile:');
      });
    }
  });

  describe('type tmpfs', () => {
    it('133: has the size that it is given', () => {
      expect(lab.build('RUN --mount=type=tmpfs,target=/t,size=3m df -k /t | tail -1 | tr -s " " | cut -d" " -f2,6').lines).toEqual([
        '3072 /t',
      ]);
    });

    it('is open to everybody, and empty', () => {
      expect(lab.build('RUN --mount=type=tmpfs,target=/t ls -a /t; stat -c %a /t').lines).toEqual(['.', '..', '1777']);
      // The mode of a directory that is there goes on.
      expect(lab.build('RUN --mount=type=tmpfs,target=/data ls -a /data; stat -c %a /data').lines).toEqual(['.', '..', '755']);
      expect(lab.build('RUN --mount=type=tmpfs,target=/t,ro touch /t/x 2>&1 || true').lines).toEqual([
        'touch: /t/x: Read-only file system',
      ]);
      expect(lab.build('USER app\nRUN --mount=type=tmpfs,target=/t touch /t/x && ls /t').lines).toEqual(['x']);
    });
  });
});
