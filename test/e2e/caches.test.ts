import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { finished, missingProgram, startTsbuild, tsbuild } from '../helpers/cli.js';
import { lastingLeftovers } from '../helpers/leftovers.js';
import { MountLab, saysLine, toBuilt } from './mount-lab.js';

const missing = process.getuid?.() === 0 ? missingProgram('runc', 'busybox', 'tar') : 'needs root for RUN';
if (missing !== undefined) process.stderr.write(`skipped: test/e2e/caches.test.ts: ${missing}\n`);

const FROM_BASE = 'FROM base\n';

describe.skipIf(missing !== undefined)('RUN --mount=type=cache', () => {
  const lab = new MountLab();
  beforeAll(() => lab.open());
  afterAll(() => lab[Symbol.dispose]());

  const unique = (): string => `id-${Math.random().toString(36).slice(2)}`;

  it('125: keeps its files for later steps and builds; the target is its id', () => {
    const target = `/${unique()}`;
    expect(
      lab.build(`RUN --mount=type=cache,target=${target} echo one >${target}/f\nRUN --mount=type=cache,target=/x,id=${target} cat /x/f`)
        .lines,
    ).toEqual(['one']);
    expect(lab.build(`RUN --mount=type=cache,target=${target}/ cat ${target}/f`).lines).toEqual(['one']);
    expect(lab.build(`RUN --mount=type=cache,target=${target},id=other ls ${target}`).lines).toEqual([]);
  });

  it('124: is made with owner and mode, and is another one for others', () => {
    const id = unique();
    const mount = (more: string): string => `--mount=type=cache,target=/c,id=${id}${more}`;
    const { lines } = lab.build(
      `USER app\nRUN ${mount(',uid=1001,gid=1002,mode=0751')} stat -c "%u:%g %a" /c && touch /c/f\n` +
        `RUN ${mount(',uid=1001,gid=1002,mode=0751')} ls /c\nUSER 0\nRUN ${mount('')} stat -c "%u:%g %a" /c && ls /c`,
    );
    expect(lines).toEqual(['1001:1002 751', 'f', '0:0 755']);
  });

  it('begins with what it is from, once', () => {
    const id = unique();
    const mount = `--mount=type=cache,target=/c,id=${id},from=s,source=/seed`;
    const text = `FROM base AS s\nRUN mkdir -p /seed/d && echo seed >/seed/d/f && chown -R 7:8 /seed\nFROM base\nRUN ${mount} cat /c/d/f && stat -c %u:%g /c /c/d/f && echo grown >>/c/d/f\nRUN ${mount} cat /c/d/f`;
    expect(lab.linesOf(text)).toEqual(['seed', '7:8', '7:8', 'seed', 'grown']);
  });

  it('begins anew when what it is from has changed', () => {
    const id = unique();
    const build = (text: string): readonly string[] =>
      lab.linesOf(
        `FROM base AS s\nRUN mkdir /seed && echo ${text} >/seed/f\nFROM base\nRUN --mount=type=cache,target=/c,id=${id},from=s,source=/seed cat /c/*; echo grown >>/c/g`,
      );
    expect(build('one')).toEqual(['one']);
    expect(build('two')).toEqual(['two']);
    expect(build('one')).toEqual(['one', 'grown']);
  });

  it('ro is read, and not written', () => {
    const id = unique();
    const { lines } = lab.build(
      `RUN --mount=type=cache,target=/c,id=${id} echo x >/c/f\nRUN --mount=type=cache,target=/c,id=${id},ro cat /c/f; touch /c/g 2>&1 || true`,
    );
    expect(lines).toEqual(['x', 'touch: /c/g: Read-only file system']);
  });

  it('two mounts of one cache in a step are the same directory, locked or not', () => {
    const id = unique();
    const { lines } = lab.build(
      `RUN --mount=type=cache,target=/a,id=${id},sharing=locked --mount=type=cache,target=/b,id=${id} echo x >/a/f && cat /b/f`,
    );
    expect(lines).toEqual(['x']);
  });

  it('source is a directory of the cache', () => {
    const id = unique();
    const first = `RUN --mount=type=cache,target=/c,id=${id} mkdir -p /c/d/e && echo x >/c/d/e/f && ln -s d/e /c/l`;
    expect(
      lab.build(
        `${first}\nRUN --mount=type=cache,target=/e,id=${id},source=l cat /e/f; echo y >/e/g\nRUN --mount=type=cache,target=/c,id=${id} cat /c/d/e/g`,
      ).lines,
    ).toEqual(['x', 'y']);
    expect(lab.tryBuild(`RUN --mount=type=cache,target=/c,id=${id},source=z true`).stderr).toContain(
      'source "/z" is not found in the cache',
    );
  });

  it.each([
    ['an absolute one', '/'],
    ['one that climbs', '../../..'],
    ['one that climbs where it stands', 'd/../../x'],
  ])('126: a symlink that leads out of the cache is an error: %s', (_, link) => {
    const id = unique();
    const first = `RUN --mount=type=cache,target=/c,id=${id} mkdir /c/d && ln -s ${link} /c/escape`;
    const { status, stderr, lines } = lab.tryBuild(`${first}\nRUN --mount=type=cache,target=/e,id=${id},source=escape ls /e`);
    expect(stderr).toContain(`source "/escape" leads out of the cache: "escape" is a symlink to "${link}"`);
    expect({ status, lines }).toEqual({ status: 1, lines: [] });
  });

  it('a source that no text can name is an error', () => {
    const id = unique();
    const first = `RUN --mount=type=cache,target=/c,id=${id} n=$(printf "\\377"); mkdir "/c/$n" && ln -s "$n" /c/link`;
    const { status, stderr } = lab.tryBuild(`${first}\nRUN --mount=type=cache,target=/e,id=${id},source=link ls /e`);
    expect(stderr).toContain('source "/link" is a directory whose name is not UTF-8');
    expect(status).toBe(1);
  });

  /** Two stages that are built at the same time, with a step each. */
  const together = (mount: string, one: string, two: string): string =>
    `FROM base AS one\nRUN ${mount} ${one}\nFROM base AS two\nRUN sleep 0.3\nRUN ${mount} ${two}\n` +
    'FROM scratch\nCOPY --from=one /bin/sh /1\nCOPY --from=two /bin/sh /2';

  it('123: shared is used at the same time', () => {
    const until = (file: string): string => `until [ -e /c/${file} ]; do sleep 0.05; done`;
    const mount = `--mount=type=cache,target=/c,id=${unique()}`;
    const text = together(mount, `touch /c/a; ${until('b')}; echo one`, `touch /c/b; ${until('a')}; echo two`);
    expect(lab.linesOf(text).toSorted()).toEqual(['one', 'two']);
  });

  it.each([
    ['locked waits, and says so once', 'locked', ['one', 'two', 'waiting for the cache mounted at /c, which another step uses']],
    ['private is another directory while the first is in use', 'private', ['one', 'two']],
  ])('123: %s', (_, sharing, expected) => {
    const mount = `--mount=type=cache,target=/c,id=${unique()},sharing=${sharing}`;
    const text = together(mount, 'touch /c/busy; sleep 2; rm /c/busy; echo one', 'ls /c; echo two');
    expect(lab.linesOf(text).toSorted()).toEqual(expected);
  });

  it('123: locked waits for another process, whose end by SIGKILL ends the waiting', async () => {
    const id = unique();
    const holder = startTsbuild(
      lab.args(FROM_BASE + `RUN --mount=type=cache,target=/c,id=${id},sharing=locked touch /c/held && echo held && sleep 100`),
    );
    const said = saysLine(holder, 'held');
    const gone = finished(holder);
    await said;
    const waiter = startTsbuild(lab.args(FROM_BASE + `RUN --mount=type=cache,target=/c,id=${id},sharing=locked ls /c`));
    const done = finished(waiter);
    await saysLine(waiter, 'waiting for the cache');
    holder.kill('SIGKILL');
    await gone;
    const { status, stderr } = await done;
    expect(toBuilt({ status, stdout: '', stderr }).lines).toEqual(['waiting for the cache mounted at /c, which another step uses', 'held']);
    expect(await lastingLeftovers(lab.shop.dir, holder.pid ?? 0)).toEqual([]);
  });

  it('a build that waits can be stopped', async () => {
    const id = unique();
    const run = `RUN --mount=type=cache,target=/c,id=${id},sharing=locked echo held && sleep 100`;
    const holder = startTsbuild(lab.args(FROM_BASE + run));
    const holderGone = finished(holder);
    await saysLine(holder, 'held');
    const waiter = startTsbuild(lab.args(FROM_BASE + run));
    const waiterGone = finished(waiter);
    await saysLine(waiter, 'waiting for the cache');
    waiter.kill('SIGTERM');
    expect(toBuilt(await waiterGone).lines).toEqual(['waiting for the cache mounted at /c, which another step uses']);
    holder.kill('SIGTERM');
    await holderGone;
    expect(await lastingLeftovers(lab.shop.dir, holder.pid ?? 0)).toEqual([]);
  });

  it('stays when images are pruned', () => {
    const id = unique();
    lab.build(`RUN --mount=type=cache,target=/c,id=${id} echo x >/c/f`);
    tsbuild(['prune', '--root', lab.shop.store]);
    expect(readdirSync(join(lab.shop.store, 'cache-mounts')).length).toBeGreaterThan(1);
  });

  it('leaves nothing in the store but caches', () => {
    // Sweeps what was killed.
    lab.build('RUN true');
    expect(readdirSync(join(lab.shop.store, 'tmp'))).toEqual([]);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(lab.shop.dir);
  });
});
