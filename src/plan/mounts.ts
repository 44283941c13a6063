import { BuildError } from '../base/errors.js';
import { baseOf, cleanPath, joinPath } from '../base/paths.js';
import { mountFrom, parseMount, type MountFields } from '../parse/mount.js';
import type { CacheMount, CopyFrom, FileAccess, PlanInput, StepMount } from './plan.js';
import type { Expand } from './scope.js';
import { findMountOrigin, type Stage } from './stages.js';

export interface MountSettings {
  readonly expand: Expand;
  /** Of the step. */
  readonly workdir: string;
  readonly stage: Stage;
  readonly stages: readonly Stage[];
  readonly input: PlanInput;
}

/** Names of the same cache in builds that give different values are different caches. */
const CACHE_NAMESPACE_ARG = 'BUILDKIT_CACHE_MOUNT_NS';

const CACHE_ACCESS: FileAccess = { uid: 0, gid: 0, mode: 0o755 };
const SECRET_ACCESS: FileAccess = { uid: 0, gid: 0, mode: 0o400 };
const SOCKET_ACCESS: FileAccess = { uid: 0, gid: 0, mode: 0o600 };

/**
 * The mounts of one RUN, parents before children, sockets last.
 * @param texts values of `--mount`, in order
 * @throws BuildError `dockerfile` with BuildKit's texts
 */
export function toMounts(texts: readonly string[], settings: MountSettings): readonly StepMount[] {
  let sockets = 0;
  const mounts = texts.map((text): StepMount => {
    const fields = parseMount(text, settings.expand);
    if (fields.type === 'secret') return toSecret(fields);
    if (fields.type === 'ssh') return toSocket(fields, sockets++);
    const target = targetOf(fields, settings);
    const from = mountFrom(text);
    if (fields.type === 'cache') return toCache(fields, { target, from, settings });
    if (fields.type === 'tmpfs') return toTmpfs(fields, target);
    return toBind(fields, { target, from, settings });
  });
  // Nothing is mounted inside a socket; and SSH_AUTH_SOCK is the first that was written.
  const isSocket = (mount: StepMount): boolean => mount.kind === 'ssh';
  const others = mounts.filter((mount) => !isSocket(mount)).toSorted((a, b) => depthOf(a) - depthOf(b));
  return [...others, ...mounts.filter(isSocket)];
}

interface Located {
  readonly target: string;
  readonly from: string | undefined;
  readonly settings: MountSettings;
}

function toBind({ source, writable }: MountFields, { target, from, settings }: Located): StepMount {
  const origin = from === undefined ? ({ kind: 'context' } as const) : toMountFrom(from, target, settings);
  // Nothing, read-only or thrown away afterwards.
  if (origin === undefined) return { kind: 'tmpfs', target, writable };
  return { kind: 'bind', target, from: origin, source: sourcePath(source), writable };
}

function toCache(fields: MountFields, { target, from, settings }: Located): CacheMount {
  const { id, source, sharing = 'shared', writable, uid, gid, mode } = fields;
  const namespace = settings.input.buildArgs.get(CACHE_NAMESPACE_ARG) ?? '';
  const origin = from === undefined ? undefined : toMountFrom(from, target, settings);
  // As BuildKit has it: a directory of one's own owner and mode is a new one, and holds nothing of another place.
  const isMade = sourcePath(source) === '/' && (uid ?? gid ?? mode) !== undefined;
  return {
    kind: 'cache',
    target,
    id: `${namespace}/${id === undefined || id === '' ? cleanPath(fields.target ?? '') : id}`,
    sharing,
    ...(origin === undefined || isMade ? {} : { from: origin }),
    source: sourcePath(source),
    writable,
    ...withDefaults(fields, CACHE_ACCESS),
  };
}

function toTmpfs({ sizeBytes = 0, writable }: MountFields, target: string): StepMount {
  return { kind: 'tmpfs', target, ...(sizeBytes === 0 ? {} : { sizeBytes }), writable };
}

function toSecret(fields: MountFields): StepMount {
  const { required } = fields;
  const [given, env] = [fields.target, fields.env].map((text) => (text === '' ? undefined : text));
  const id = [fields.source, fields.id].find((name) => name !== undefined && name !== '') ?? baseOf(cleanPath(given ?? ''));
  const place = given ?? (env === undefined ? `/run/secrets/${baseOf(cleanPath(id))}` : undefined);
  return {
    kind: 'secret',
    id,
    ...(place === undefined ? {} : { target: checkTarget(joinPath('/', place)) }),
    ...(env === undefined ? {} : { env }),
    required,
    ...withDefaults(fields, SECRET_ACCESS),
  };
}

/** @param position among the step's sockets */
function toSocket(fields: MountFields, position: number): StepMount {
  const { id, target, required } = fields;
  return {
    kind: 'ssh',
    id: id === undefined || id === '' ? 'default' : id,
    target: checkTarget(joinPath('/', target === undefined || target === '' ? `run/buildkit/ssh_agent.${position}` : target)),
    required,
    ...withDefaults(fields, SOCKET_ACCESS),
  };
}

function withDefaults({ uid, gid, mode }: Partial<FileAccess>, defaults: FileAccess): FileAccess {
  return { uid: uid ?? defaults.uid, gid: gid ?? defaults.gid, mode: mode ?? defaults.mode };
}

/** Relative to WORKDIR, which is the target when none is given. */
function targetOf({ target = '' }: MountFields, { workdir }: MountSettings): string {
  return checkTarget(target.startsWith('/') ? cleanPath(target) : joinPath('/', workdir, target));
}

function checkTarget(target: string): string {
  if (target === '/') throw new BuildError('dockerfile', `invalid mount target "${target}"`);
  if (/^\/(?:proc|sys)(?:\/|$)|^\/dev$/.test(target)) {
    throw new BuildError('dockerfile', `invalid mount target "${target}": the kernel's own file systems stay as they are`);
  }
  return target;
}

function sourcePath(source = ''): string {
  return joinPath('/', source);
}

/** `undefined` for "scratch", which holds nothing. */
function toMountFrom(from: string, target: string, { stage, stages, input }: MountSettings): CopyFrom | undefined {
  const origin = findMountOrigin(from, stages, input);
  if (origin.kind === 'scratch') return undefined;
  if (origin.kind === 'directory') return { kind: 'context', name: origin.name };
  if (origin.kind === 'stage' && origin.stage >= stage.index) {
    throw new BuildError(
      'dockerfile',
      `cannot mount from stage "${from}" to "${target}", stage needs to be defined before current command`,
    );
  }
  return origin;
}

/** Components of the target; variables stand in no file system. */
function depthOf(mount: StepMount): number {
  return mount.target === undefined ? 0 : mount.target.split('/').length;
}
