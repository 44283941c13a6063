import { isUtf8 } from 'node:buffer';
import { BuildError } from '../base/errors.js';
import { privatePathOf, type PrivateFile } from '../os/private-files.js';
import type { StepMount } from '../plan/plan.js';
import type { PreparedMount } from './mounts.js';

/** `undefined` when nobody gave a secret of that id. */
export type ReadSecret = (id: string) => Buffer | undefined;

/** What the secrets of a step come to. */
export interface StepSecrets {
  readonly mounts: readonly PreparedMount[];
  /** `undefined` when the step has no secret, in whatever form. */
  readonly files: readonly PrivateFile[] | undefined;
  /** `K=V` */
  readonly env: readonly string[];
  /** Flags that would give those that are not there. */
  readonly missing: readonly string[];
}

/** What execve(2) takes of one, its terminating NUL included: MAX_ARG_STRLEN. */
const MAX_VARIABLE_BYTES = 128 * 1024;

type SecretMount = Extract<StepMount, { kind: 'secret' }>;

/**
 * @param mounts of the step; one whose secret is missing comes to nothing: that it may be missing was checked before
 * @param dir the container's own
 * @throws BuildError `input` for a secret that no variable can hold
 */
export function secretsOf(mounts: readonly StepMount[], read: ReadSecret, dir: string): StepSecrets {
  const wanted = mounts.filter((mount) => mount.kind === 'secret');
  const found = wanted.flatMap((mount) => withBytes(mount, read(mount.id)));
  const missing = wanted.filter(({ id }) => read(id) === undefined).map(({ id }) => `--secret id=${id},src=FILE`);
  if (found.length === 0) return { mounts: [], files: undefined, env: [], missing };
  const placed: PreparedMount[] = [];
  const files: PrivateFile[] = [];
  for (const { mount, bytes } of found) {
    if (mount.target === undefined) continue;
    const name = `secret-${files.length}`;
    files.push({ name, bytes, uid: mount.uid, gid: mount.gid, mode: mount.mode });
    placed.push({
      target: mount.target,
      type: 'bind',
      source: privatePathOf(dir, name),
      isFile: true,
      options: ['bind', 'ro', 'nosuid', 'noexec', 'nodev'],
    });
  }
  return {
    mounts: placed,
    files,
    env: found.flatMap(({ mount, bytes }) => (mount.env === undefined ? [] : [variable(mount, bytes)])),
    missing,
  };
}

function withBytes(mount: SecretMount, bytes: Buffer | undefined): { readonly mount: SecretMount; readonly bytes: Buffer }[] {
  return bytes === undefined ? [] : [{ mount, bytes }];
}

function variable({ id, env = '' }: SecretMount, bytes: Buffer): string {
  const why = whyNoVariable(env, bytes);
  if (why === undefined) return `${env}=${bytes.toString('utf8')}`;
  throw new BuildError('input', `secret ${id} ${why}, so that no environment variable can hold it`, {
    hint: 'Mount it as a file: leave env= out.',
  });
}

function whyNoVariable(env: string, bytes: Buffer): string | undefined {
  if (bytes.includes(0)) return 'has a NUL byte';
  // config.json is text, and what is none would arrive as another value.
  if (!isUtf8(bytes)) return 'is not UTF-8';
  return env.length + 1 + bytes.length < MAX_VARIABLE_BYTES ? undefined : `has ${bytes.length} bytes`;
}
