import { closeSync, openSync, readSync, statSync, type Stats } from 'node:fs';
import { atRange, BuildError, systemErrorText } from './base/errors.js';
import type { SourceRange } from './base/source.js';
import type { SecretSpec } from './options.js';
import type { Plan } from './plan/plan.js';

/** BuildKit's bound: of one secret. */
const MAX_SECRET_BYTES = 500 * 1024;

/** What `--secret` gave. Nothing of it is ever written to a disk, an argument vector or an error. */
export interface Secrets {
  /** Whether there is one: its file, or its variable with any value. */
  has(id: string): boolean;
  /**
   * Its bytes, read when first asked for: a pipe gives them once.
   * @returns `undefined` when there is none of that id
   * @throws BuildError `input` when its file cannot be read or it is too large
   */
  read(id: string): Buffer | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Looks at the files, and reads none yet. Of several with one id the last counts. A variable that is not set is no secret.
 * @param env where variables are looked up
 * @throws BuildError `input` when a file is missing, no file or too large
 */
export function openSecrets(specs: readonly SecretSpec[], env: Environment = process.env): Secrets {
  const sources = new Map(specs.map(({ id, source }) => [id, source]));
  for (const [id, source] of sources) if (source.kind === 'file') checkFile(id, source.path);
  const known = new Map<string, Buffer>();
  const read = (id: string): Buffer | undefined => {
    const source = sources.get(id);
    if (source?.kind === 'file') return readBounded(id, source.path);
    const value = source === undefined ? undefined : env[source.name];
    return value === undefined ? undefined : bounded(id, Buffer.from(value));
  };
  return {
    has: (id) => {
      const source = sources.get(id);
      return source !== undefined && (source.kind === 'file' || env[source.name] !== undefined);
    },
    read: (id) => {
      const bytes = known.get(id) ?? read(id);
      if (bytes !== undefined) known.set(id, bytes);
      return bytes;
    },
  };
}

function checkFile(id: string, path: string): void {
  const stat = statOf(id, path);
  if (stat.isDirectory()) throw new BuildError('input', `secret ${id}: ${JSON.stringify(path)} is a directory, want a file`);
  if (stat.size > MAX_SECRET_BYTES) throw tooLarge(id);
}

function statOf(id: string, path: string): Stats {
  try {
    return statSync(path);
  } catch (cause) {
    throw cannotRead(id, path, cause);
  }
}

/** A pipe does not tell its size: what comes is counted. */
function readBounded(id: string, path: string): Buffer {
  const bytes = Buffer.alloc(MAX_SECRET_BYTES + 1);
  let length = 0;
  try {
    const fd = openSync(path, 'r');
    try {
      for (let got = -1; got !== 0 && length < bytes.length; length += got) got = readSync(fd, bytes, length, bytes.length - length, null);
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    throw cannotRead(id, path, cause);
  }
  return bounded(id, bytes.subarray(0, length));
}

function bounded(id: string, bytes: Buffer): Buffer {
  if (bytes.length > MAX_SECRET_BYTES) throw tooLarge(id);
  return bytes;
}

function tooLarge(id: string): BuildError {
  return new BuildError('input', `secret ${id} too big: want at most ${MAX_SECRET_BYTES / 1024} KiB`, {
    hint: 'Bind a large file into the step: RUN --mount=type=bind, with a --build-context of its own.',
  });
}

function cannotRead(id: string, path: string, cause: unknown): BuildError {
  return new BuildError('input', `secret ${id}: cannot read ${JSON.stringify(path)}: ${systemErrorText(cause)}`, {
    cause,
    hint: `Name a file that is there, or a variable: --secret id=${id},src=FILE or --secret id=${id},env=NAME.`,
  });
}

/**
 * Reads every secret that a step asks for, so that nothing runs before one turns out to be missing.
 * @throws BuildError `input` with the place of the step, for a required one
 */
export function checkSecrets({ stages }: Pick<Plan, 'stages'>, secrets: Secrets): void {
  for (const { steps } of stages) {
    for (const step of steps) {
      if (step.kind !== 'run') continue;
      for (const mount of step.mounts) if (mount.kind === 'secret') checkSecret(mount, step.range, secrets);
    }
  }
}

function checkSecret({ id, required }: { readonly id: string; readonly required: boolean }, range: SourceRange, secrets: Secrets): void {
  try {
    if (secrets.read(id) === undefined && required) throw missingSecret(id);
  } catch (error) {
    throw atRange(error, range);
  }
}

function missingSecret(id: string): BuildError {
  return new BuildError('input', `secret ${id}: not found`, {
    hint: `Give it: --secret id=${id},src=FILE or --secret id=${id},env=VARIABLE.`,
  });
}
