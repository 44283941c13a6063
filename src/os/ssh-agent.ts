import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, chownSync, closeSync, constants, openSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { basename, dirname } from 'node:path';
import { BuildError, systemErrorText } from '../base/errors.js';
import { AgentFilter } from './agent-filter.js';
import { requireProgram, runProgram } from './process.js';

/** The address of a socket has 107 bytes for its path, and that of a store is often longer. By way of an open directory every path is short. */
class ShortPath implements Disposable {
  readonly #fd: number;
  readonly path: string;

  constructor(path: string) {
    this.#fd = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
    this.path = `/proc/${process.pid}/fd/${this.#fd}/${basename(path)}`;
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

export interface SocketPlace {
  /** Does not exist. */
  readonly path: string;
  readonly uid: number;
  readonly gid: number;
  /** Permission bits. */
  readonly mode: number;
}

/**
 * A socket through which an agent's keys can be used, and nothing else be done to it.
 * @param agent the path of the agent's own socket
 * @throws the error of the system call when the socket cannot be made
 */
export async function forwardAgent(agent: string, place: SocketPlace): Promise<AsyncDisposable> {
  const short = new ShortPath(place.path);
  const clients = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (client) => {
    clients.add(client);
    client.once('close', () => clients.delete(client));
    forwardClient(client, connect({ path: agent, allowHalfOpen: true }));
  });
  const dispose = async (): Promise<void> => {
    for (const client of clients) client.destroy();
    await closeServer(server);
    short[Symbol.dispose]();
  };
  try {
    server.listen(short.path);
    await once(server, 'listening');
    chownSync(place.path, place.uid, place.gid);
    chmodSync(place.path, place.mode);
  } catch (error) {
    await dispose();
    throw error;
  }
  return { [Symbol.asyncDispose]: dispose };
}

function forwardClient(client: Socket, agent: Socket): void {
  const filter = new AgentFilter();
  const end = (): void => {
    client.destroy();
    agent.destroy();
  };
  for (const socket of [client, agent]) socket.once('error', end).once('close', end);
  client.on('data', (chunk: Buffer) => {
    const passed = filter.push(chunk);
    if (passed === undefined) return end();
    if (agent.write(passed)) return;
    client.pause();
    agent.once('drain', () => client.resume());
  });
  client.once('end', () => agent.end());
  agent.pipe(client);
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => void server.close(() => resolve()));
}

/** One private key, as its file has it: OpenSSH's own format or PEM. */
export interface PrivateKey {
  /** For messages. */
  readonly name: string;
  readonly bytes: Buffer;
}

export interface RunningAgent extends AsyncDisposable {
  /** Short enough to connect to, for this process and its children. */
  readonly socket: string;
}

/** The kernel kills it when tsbuild dies, however it dies: see chain.ts. */
const GUARD = '[ "$PPID" = "$1" ] || exit 1; shift; exec "$@"';

/**
 * An agent of this process's own that has the keys.
 * @param path of its socket; does not exist
 * @throws BuildError `environment` when OpenSSH's programs are missing or do not start, `input` for a key that cannot be used without more
 */
export async function startAgent(path: string, keys: readonly PrivateKey[]): Promise<RunningAgent> {
  const short = new ShortPath(path);
  const child = spawnAgent(short.path);
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()).once('error', () => resolve()));
  const dispose = async (): Promise<void> => {
    child.kill('SIGTERM');
    await exited;
    short[Symbol.dispose]();
  };
  try {
    await whenListening(child);
    for (const key of keys) await addKey(key, short.path);
  } catch (error) {
    await dispose();
    throw error;
  }
  return { socket: short.path, [Symbol.asyncDispose]: dispose };
}

/** On Debian ssh-agent is setgid, and the kernel forgets the wish to be killed when such a program starts, unless it gains nothing by that. */
function spawnAgent(socket: string): ChildProcess {
  const agent = [requireProgram('ssh-agent', 'openssh-client'), '-D', '-a', socket];
  const guard = ['sh', '-c', GUARD, 'sh', String(process.pid), ...agent];
  return spawn(requireProgram('setpriv', 'util-linux'), ['--no-new-privs', '--pdeathsig', 'KILL', ...guard], {
    env: { PATH: process.env['PATH'] ?? '' },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
}

/** It prints its address once it has one. */
async function whenListening(child: ChildProcess): Promise<void> {
  let complaint = '';
  child.stderr?.on('data', (chunk: Buffer) => (complaint += chunk.toString('utf8')));
  const failed = new Promise<never>((_, reject) => {
    child.once('error', (cause) => reject(new BuildError('environment', `cannot run "setpriv": ${systemErrorText(cause)}`, { cause })));
    child.once('close', () => reject(new BuildError('environment', `ssh-agent did not start: ${complaint.trim()}`)));
  });
  const listening = new Promise<void>((resolve) => void child.stdout?.once('data', () => resolve()));
  await Promise.race([listening, failed]);
  // It ends some time.
  failed.catch(() => undefined);
  child.stdout?.resume();
}

const ADD_TIMEOUT_MS = 10_000;

/** By standard input: ssh-add looks at no permissions there, and no path of the key's appears anywhere. It must not ask for a passphrase. */
async function addKey({ name, bytes }: PrivateKey, socket: string): Promise<void> {
  const { exitCode, stderr } = await runProgram(requireProgram('ssh-add', 'openssh-client'), ['-q', '-'], {
    input: bytes,
    env: { SSH_AUTH_SOCK: socket, SSH_ASKPASS: 'false', SSH_ASKPASS_REQUIRE: 'force', DISPLAY: '', LC_ALL: 'C' },
    timeoutMs: ADD_TIMEOUT_MS,
  });
  if (exitCode === 0) return;
  const words = (stderr.trim().split('\n').at(-1) ?? '').replace(/^Error loading key "\(stdin\)": /, '');
  throw new BuildError('input', `cannot use the SSH key ${JSON.stringify(name)}: ${words === '' ? 'it may have a passphrase' : words}`, {
    hint: 'Name a private key without a passphrase, or add it to an agent with ssh-add and use --ssh default.',
  });
}
