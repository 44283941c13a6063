import { describe, expect, test } from 'vitest';
import type { RunStep, StepMount } from '../../src/plan/plan.js';
import { fromImage, plan, planError, planTarget, stepOf, tryPlan, type PlanOptions } from './helpers.js';

function mountsOf(flags: string, { before = '', ...options }: PlanOptions & { readonly before?: string } = {}): readonly StepMount[] {
  return (stepOf(`${before}RUN ${flags} x`, options) as RunStep).mounts;
}

function mountOf(text: string, options: PlanOptions & { readonly before?: string } = {}): StepMount | undefined {
  return mountsOf(`--mount=${text}`, options)[0];
}

const CONTEXT = { kind: 'context' };

describe('a mount with everything spelled out', () => {
  const rows: [text: string, expected: object][] = [
    ['target=/a', { kind: 'bind', target: '/a', from: CONTEXT, source: '/', writable: false }],
    ['target=/a/../b/,source=./c/,rw', { kind: 'bind', target: '/b', from: CONTEXT, source: '/c', writable: true }],
    ['target=/a,source=../../c', { kind: 'bind', target: '/a', from: CONTEXT, source: '/c', writable: false }],
    ['target=/a,from=scratch', { kind: 'tmpfs', target: '/a', writable: false }],
    [
      'type=cache,target=/a',
      { kind: 'cache', target: '/a', id: '//a', sharing: 'shared', source: '/', writable: true, uid: 0, gid: 0, mode: 0o755 },
    ],
    [
      'type=cache,target=/a,id=n,sharing=private,uid=7,gid=8,mode=0700,ro',
      { kind: 'cache', target: '/a', id: '/n', sharing: 'private', source: '/', writable: false, uid: 7, gid: 8, mode: 0o700 },
    ],
    ['type=tmpfs,target=/a', { kind: 'tmpfs', target: '/a', writable: true }],
    ['type=tmpfs,target=/a,size=64m,ro', { kind: 'tmpfs', target: '/a', sizeBytes: 64 * 2 ** 20, writable: false }],
    ['type=tmpfs,target=/a,size=0', { kind: 'tmpfs', target: '/a', writable: true }],
    ['type=secret,id=a/b', { kind: 'secret', id: 'a/b', target: '/run/secrets/b', required: false, uid: 0, gid: 0, mode: 0o400 }],
    ['type=secret,source=a', { kind: 'secret', id: 'a', target: '/run/secrets/a', required: false, uid: 0, gid: 0, mode: 0o400 }],
    ['type=secret,target=/x/y', { kind: 'secret', id: 'y', target: '/x/y', required: false, uid: 0, gid: 0, mode: 0o400 }],
    ['type=secret,id=a,env=A', { kind: 'secret', id: 'a', env: 'A', required: false, uid: 0, gid: 0, mode: 0o400 }],
    [
      'type=secret,id=a,env=A,target=t,required,uid=1,gid=2,mode=0444',
      { kind: 'secret', id: 'a', env: 'A', target: '/t', required: true, uid: 1, gid: 2, mode: 0o444 },
    ],
    ['type=ssh', { kind: 'ssh', id: 'default', target: '/run/buildkit/ssh_agent.0', required: false, uid: 0, gid: 0, mode: 0o600 }],
    ['type=ssh,id=k,target=/s,required,mode=0666', { kind: 'ssh', id: 'k', target: '/s', required: true, uid: 0, gid: 0, mode: 0o666 }],
  ];
  for (const [text, expected] of rows) test(text, () => expect(mountOf(text)).toEqual(expected));

  test('a relative target goes on from WORKDIR; without a target it is the WORKDIR', () => {
    const before = 'WORKDIR /w\n';
    expect(mountOf('target=a/../b', { before })).toMatchObject({ target: '/w/b' });
    expect(mountOf('target=.', { before })).toMatchObject({ target: '/w' });
    expect(mountOf('source=c', { before })).toMatchObject({ target: '/w', source: '/c' });
    expect(mountOf('type=tmpfs,target=../a', { before })).toMatchObject({ target: '/a' });
  });

  test('125: the id of a cache is its target as written, cleaned', () => {
    expect(mountOf('type=cache,target=/a//b/')).toMatchObject({ id: '//a/b' });
    expect(mountOf('type=cache,target=c/', { before: 'WORKDIR /w\n' })).toMatchObject({ id: '/c', target: '/w/c' });
    expect(mountOf('type=cache,target=/a,id=n', { buildArgs: { BUILDKIT_CACHE_MOUNT_NS: 'team' } })).toMatchObject({ id: 'team/n' });
  });

  test('the sockets of a step have numbers', () => {
    const targets = mountsOf('--mount=type=ssh --mount=type=ssh,id=b --mount=type=ssh,target=/s').map(({ target }) => target);
    expect(new Set(targets)).toEqual(new Set(['/run/buildkit/ssh_agent.0', '/run/buildkit/ssh_agent.1', '/s']));
  });

  test('parents stand before children, others as they were written', () => {
    const flags = ['/a/b/c', '/z', '/a', '/a/b', '/y/x'].map((target) => `--mount=type=tmpfs,target=${target}`).join(' ');
    expect(mountsOf(flags).map(({ target }) => target)).toEqual(['/z', '/a', '/a/b', '/y/x', '/a/b/c']);
  });
});

describe('variables in mounts', () => {
  const rows: [title: string, text: string, options?: PlanOptions][] = [
    ['ENV', 'FROM scratch\nENV d=/m\nRUN --mount=type=tmpfs,target=$d x'],
    ['ARG', 'FROM scratch\nARG d=/m\nRUN --mount=type=tmpfs,target=${d} x'],
    ['a build argument', 'FROM scratch\nARG d\nRUN --mount=type=tmpfs,target=$d x', { buildArgs: { d: '/m' } }],
    ['a global ARG, declared again', 'ARG d=/m\nFROM scratch\nARG d\nRUN --mount=type=tmpfs,target=$d x'],
    ['ENV of the stage below', 'FROM scratch AS a\nENV d=/m\nFROM a\nRUN --mount=type=tmpfs,target=$d x'],
    ['modifiers', 'FROM scratch\nRUN --mount=type=tmpfs,target=/${d:-m} x'],
    ['the type', 'FROM scratch\nARG t=tmpfs\nRUN --mount=type=$t,target=/m x'],
    ['ENV of the image', 'FROM i\nRUN --mount=type=tmpfs,target=$d x', { images: { i: { Env: ['d=/m'] } } }],
  ];
  for (const [title, text, options = {}] of rows) {
    test(`58: ${title}`, () =>
      expect((planTarget(text, options).steps.at(-1) as RunStep).mounts).toEqual([{ kind: 'tmpfs', target: '/m', writable: true }]));
  }

  test('58: a global ARG that is not declared again is none', () => {
    const error = planError('ARG d=/m\nFROM scratch\nRUN --mount=type=tmpfs,target=$d x');
    expect(error).toMatchObject({ kind: 'dockerfile', message: 'invalid mount target "/"' });
  });
});

describe('where a mount is from', () => {
  const from = (text: string, options: PlanOptions = {}): unknown =>
    ((planTarget(text, options).steps.at(-1) as RunStep).mounts[0] as { from?: unknown }).from;

  test('a stage, by its name in any case', () => {
    const text = 'FROM scratch AS Tools\nFROM scratch\nRUN --mount=from=tOOLS,target=/a x';
    expect(from(text)).toEqual({ kind: 'stage', stage: 0 });
    expect(planTarget(text).needs).toEqual([0]);
    expect(plan(text).stages.map(({ index }) => index)).toEqual([0, 1]);
  });

  test('an image, which is asked for', () => {
    expect(tryPlan('FROM scratch\nRUN --mount=from=busybox,target=/a x')).toMatchObject({
      kind: 'needs-bases',
      bases: [{ name: 'busybox' }],
    });
    expect(from('FROM scratch\nRUN --mount=from=busybox,target=/a x', { images: { busybox: {} } })).toEqual(fromImage('busybox'));
  });

  test('never a stage by its number', () => {
    expect(tryPlan('FROM scratch\nFROM scratch\nRUN --mount=from=0,target=/a x')).toMatchObject({
      kind: 'needs-bases',
      bases: [{ name: '0' }],
    });
  });

  test('a named context, which hides a stage of that name', () => {
    const text = 'FROM scratch AS a\nFROM scratch\nRUN --mount=from=a,target=/a x';
    expect(from(text, { directories: ['a'] })).toEqual({ kind: 'context', name: 'a' });
    expect(plan(text, { directories: ['a'] }).stages).toHaveLength(1);
  });

  test('for a cache: none, or what it begins with', () => {
    const stages = 'FROM scratch AS a\nFROM scratch\n';
    expect(from(`${stages}RUN --mount=type=cache,target=/a x`)).toBeUndefined();
    expect(from(`${stages}RUN --mount=type=cache,target=/a,from=scratch x`)).toBeUndefined();
    expect(from(`${stages}RUN --mount=type=cache,target=/a,from=a x`)).toEqual({ kind: 'stage', stage: 0 });
    expect(from(`${stages}RUN --mount=type=cache,target=/a,from=a,source=b,uid=1 x`)).toEqual({ kind: 'stage', stage: 0 });
    // A directory of one's own is made new.
    expect(from(`${stages}RUN --mount=type=cache,target=/a,from=a,uid=1 x`)).toBeUndefined();
  });

  test('in a trigger of a stage', () => {
    const text = 'FROM scratch AS a\nFROM scratch AS b\nONBUILD RUN --mount=from=a,target=/a x\nFROM b';
    expect(plan(text).stages.map(({ index }) => index)).toEqual([0, 1, 2]);
    expect(planTarget(text).needs).toEqual([0, 1]);
    expect(from(text)).toEqual({ kind: 'stage', stage: 0 });
  });

  test('in a trigger of an image', () => {
    const images = {
      i: { OnBuild: ['RUN --mount=from=tools,target=/a --mount=type=cache,target=$HOME/c,from=later x'], Env: ['HOME=/h'] },
    };
    expect(tryPlan('FROM i', { images })).toMatchObject({ kind: 'needs-bases', bases: [{ name: 'tools' }, { name: 'later' }] });
    const text = 'FROM scratch AS tools\nFROM scratch AS later\nFROM i';
    expect(planTarget(text, { images }).needs).toEqual([0, 1]);
  });
});

describe('mounts that make no build', () => {
  const rows: [text: string, message: string, line: number][] = [
    [
      'FROM scratch\nRUN --mount=from=b,target=/a x\nFROM scratch AS b\nFROM scratch AS c\nCOPY --from=0 a b',
      'cannot mount from stage "b" to "/a", stage needs to be defined before current command',
      2,
    ],
    ['FROM scratch AS b\nRUN --mount=from=b,target=/a x', 'circular dependency detected on stage: b', 2],
    [
      'FROM scratch AS a\nRUN --mount=from=b,target=/a x\nFROM scratch AS b\nCOPY --from=a c c',
      'circular dependency detected on stage: a',
      4,
    ],
    ['FROM scratch\nRUN --mount=target=/ x', 'invalid mount target "/"', 2],
    ['FROM scratch\nRUN --mount=type=cache,target=a/.. x', 'invalid mount target "/"', 2],
    ['FROM scratch\nRUN --mount=type=bind x', 'invalid mount target "/"', 2],
    ['FROM scratch\nRUN --mount=target=/proc/x x', `invalid mount target "/proc/x": the kernel's own file systems stay as they are`, 2],
    [
      'FROM scratch\nRUN --mount=type=tmpfs,target=/dev x',
      `invalid mount target "/dev": the kernel's own file systems stay as they are`,
      2,
    ],
    [
      'FROM scratch\nRUN --mount=type=secret,id=a,target=/sys x',
      `invalid mount target "/sys": the kernel's own file systems stay as they are`,
      2,
    ],
    ['FROM scratch\nRUN \\\n --mount=type=chace x', 'unsupported mount type "chace" (did you mean cache?)', 2],
  ];
  for (const [text, message, line] of rows) {
    test(text.replaceAll('\n', ' / '), () => {
      expect(planError(text)).toMatchObject({ kind: 'dockerfile', message, range: { startLine: line } });
    });
  }

  test('are none in a stage that the target does not need', () => {
    expect(plan('FROM scratch\nRUN --mount=type=nothing x\nFROM scratch').stages).toHaveLength(1);
  });
});
