import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { atRange, BuildError, systemErrorText } from './base/errors.js';
import type { SshSpec } from './options.js';
import type { PrivateKey, RunningAgent } from './os/ssh-agent.js';
import type { Plan } from './plan/plan.js';

/** BuildKit's bound: of one key. */
const MAX_KEY_BYTES = 100 * 1024;

/** What `--ssh` gave. */
export interface SshAgents extends AsyncDisposable {
  /**
   * The socket of an agent, short enough to connect to. One that is made of keys starts when first asked for, and ends with the build.
   * @returns `undefined` when there is none of that id
   * @throws BuildError `input` for a key that cannot be used, `environment` when OpenSSH is missing
   */
  socketOf(id: string): Promise<string | undefined>;
}

type Source = { readonly kind: 'socket'; readonly path: string } | { readonly kind: 'keys'; readonly paths: readonly string[] };

/**
 * Looks at what the agents are, and starts none yet.
 * @param dir private, of this build
 * @throws BuildError `input` when a socket or key is missing, or there is no agent in the environment
 */
export function openSshAgents(
  specs: readonly SshSpec[],
  dir: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): SshAgents {
  const sources = new Map(specs.map((spec) => [spec.id, sourceOf(spec, env)]));
  const started = new Map<string, Promise<RunningAgent>>();
  const startOnce = (id: string, paths: readonly string[]): Promise<RunningAgent> => {
    const agent = started.get(id) ?? start(join(dir, `ssh-agent-${started.size}`), paths);
    started.set(id, agent);
    return agent;
  };
  return {
    socketOf: async (id) => {
      const source = sources.get(id);
      return source?.kind === 'keys' ? (await startOnce(id, source.paths)).socket : source?.path;
    },
    [Symbol.asyncDispose]: async () => {
      for (const agent of started.values()) {
        await agent.then(
          (running) => running[Symbol.asyncDispose](),
          () => undefined,
        );
      }
    },
  };
}

async function start(path: string, keys: readonly string[]): Promise<RunningAgent> {
  const { startAgent } = await import('./os/ssh-agent.js');
  return startAgent(path, keys.map(readKey));
}

function sourceOf({ id, paths }: SshSpec, env: Readonly<Record<string, string | undefined>>): Source {
  const socket = env['SSH_AUTH_SOCK'] ?? '';
  if (paths.length === 0 && socket === '') {
    throw new BuildError('input', `--ssh ${id}: there is no SSH agent: SSH_AUTH_SOCK is not set`, {
      hint: `Start one, eval $(ssh-agent) and ssh-add, or name a private key: --ssh ${id}=FILE.`,
    });
  }
  const given = paths.length === 0 ? [socket] : paths;
  const sockets = given.filter((path) => isSocket(id, path));
  const [first] = sockets;
  if (first === undefined) return { kind: 'keys', paths: given };
  if (given.length === 1) return { kind: 'socket', path: first };
  throw new BuildError('usage', `--ssh ${id}: want one agent's socket, or private keys, not both`);
}

function isSocket(id: string, path: string): boolean {
  try {
    const stat = statSync(path);
    if (stat.isSocket()) return true;
    if (!stat.isDirectory()) return false;
  } catch (cause) {
    throw new BuildError('input', `--ssh ${id}: no agent or key at ${JSON.stringify(path)}: ${systemErrorText(cause)}`, { cause });
  }
  throw new BuildError('input', `--ssh ${id}: ${JSON.stringify(path)} is a directory, want the socket of an agent or a private key`);
}

function readKey(path: string): PrivateKey {
  const bytes = Buffer.alloc(MAX_KEY_BYTES);
  try {
    const fd = openSync(path, 'r');
    try {
      return { name: path, bytes: bytes.subarray(0, readSync(fd, bytes)) };
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    throw new BuildError('input', `cannot read the SSH key ${JSON.stringify(path)}: ${systemErrorText(cause)}`, { cause });
  }
}

/**
 * Starts every agent that a step asks for, so that nothing runs before one turns out to be missing.
 * @throws BuildError `input` with the place of the step, for a required one
 */
export async function checkAgents({ stages }: Pick<Plan, 'stages'>, agents: SshAgents): Promise<void> {
  for (const step of stages.flatMap(({ steps }) => steps)) {
    if (step.kind !== 'run') continue;
    for (const mount of step.mounts) {
      if (mount.kind !== 'ssh') continue;
      try {
        if ((await agents.socketOf(mount.id)) === undefined && mount.required) throw missingAgent(mount.id);
      } catch (error) {
        throw atRange(error, step.range);
      }
    }
  }
}

function missingAgent(id: string): BuildError {
  const hint = `Forward an agent or a private key: --ssh ${id} or --ssh ${id}=FILE.`;
  return new BuildError('input', `no SSH key "${id}" forwarded from the client`, { hint });
}
