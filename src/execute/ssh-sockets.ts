import { join } from 'node:path';
import type { RunStep } from '../plan/plan.js';
import type { PreparedMount } from './mounts.js';

/** The path of an agent's socket; `undefined` when nobody gave one of that id. */
export type AgentSocketOf = (id: string) => Promise<string | undefined>;

/** To be disposed when the step has ended. */
export interface StepSockets extends AsyncDisposable {
  readonly mounts: readonly PreparedMount[];
  /** `K=V` */
  readonly env: readonly string[];
  /** Flags that would give the agents that are not there. */
  readonly missing: readonly string[];
}

/**
 * Sockets for the ssh mounts of a step, each with an owner and mode of its own, that lead to agents.
 * @param dir the step's own
 */
export async function openSockets(step: RunStep, socketOf: AgentSocketOf, dir: string): Promise<StepSockets> {
  const mounts: PreparedMount[] = [];
  const missing: string[] = [];
  const open: AsyncDisposable[] = [];
  const dispose = async (): Promise<void> => {
    for (const socket of open) await socket[Symbol.asyncDispose]();
  };
  try {
    for (const mount of step.mounts) {
      if (mount.kind !== 'ssh') continue;
      const agent = await socketOf(mount.id);
      if (agent === undefined) {
        missing.push(`--ssh ${mount.id}`);
        continue;
      }
      const { forwardAgent } = await import('../os/ssh-agent.js');
      const source = join(dir, `ssh-${open.length}`);
      open.push(await forwardAgent(agent, { path: source, uid: mount.uid, gid: mount.gid, mode: mount.mode }));
      mounts.push({ target: mount.target, type: 'bind', source, isFile: true, options: ['bind', 'nosuid', 'noexec', 'nodev'] });
    }
  } catch (error) {
    await dispose();
    throw error;
  }
  const [first] = mounts;
  const isSet = step.env.some((pair) => pair.startsWith('SSH_AUTH_SOCK='));
  return { mounts, missing, env: first === undefined || isSet ? [] : [`SSH_AUTH_SOCK=${first.target}`], [Symbol.asyncDispose]: dispose };
}
