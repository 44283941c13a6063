import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromText, isText, toText } from '../base/bytes.js';
import { BuildError } from '../base/errors.js';
import type { Ulimit } from '../options.js';
import { rootfsOf } from '../os/chain.js';
import { prepareContainer, type ContainerOutcome, type PreparedContainer, type SourceMount } from '../os/container.js';
import { setTimes, setXattr } from '../os/native.js';
import { requireProgram } from '../os/process.js';
import { findRuntime } from '../os/runtime.js';
import type { RunStep } from '../plan/plan.js';
import type { LayerDir, RootView } from '../snapshot/root-view.js';
import { writeInitLayer, type InitLayer } from './init-layer.js';
import { placeMounts, typeBelow, type PlacedMount, type PreparedMount } from './mounts.js';
import { ownPrivileges } from './insecure.js';
import { hostsFile, resolvConf } from './network-files.js';
import { runtimeSpecJson, type SpecMount } from './runtime-spec.js';
import { writeScripts } from './scripts.js';
import { secretsOf, type ReadSecret } from './secret-files.js';
import { openSockets, type AgentSocketOf } from './ssh-sockets.js';
import { homeOf, lookupUser, type UserIds } from './users.js';

export interface RunRequest {
  readonly step: RunStep;
  /** What `step.mounts` stands for. */
  readonly mounts: readonly PreparedMount[];
  /** Where those of them come from that are not simply there. */
  readonly mountSources: readonly SourceMount[];
  readonly readSecret: ReadSecret;
  readonly agentSocketOf: AgentSocketOf;
  /** Topmost first. None is written to. */
  readonly layers: readonly LayerDir[];
  /** The same layers as a view. */
  readonly root: RootView;
  /** Takes what the step writes, in the overlay format. Empty, or with the step's working directory in it. */
  readonly upper: string;
  /** Empty, on the file system of `upper`. */
  readonly work: string;
  /** From `prepareStep`. */
  readonly container: PreparedContainer;
  /** `name:address` */
  readonly addHosts: readonly string[];
  readonly shmSizeBytes: number;
  readonly ulimits: readonly Ulimit[];
  readonly onLine: (line: string) => void;
  readonly signal: AbortSignal;
}

const MAX_LAST_LINES = 20;
const DEVICES = ['null', 'zero', 'full', 'random', 'urandom', 'tty'];

/**
 * Starts what can be started before the step's turn. To be disposed in any case.
 * @param tempDir empty, of this step alone, removed by the caller afterwards
 * @param runtime a name on PATH or a path
 */
export function prepareStep(tempDir: string, runtime: string): PreparedContainer {
  return prepareContainer({ dir: tempDir, runtime: findRuntime(runtime) });
}

/**
 * Runs one RUN step to its end; afterwards `upper` holds what it changed, and nothing else.
 *
 * @throws BuildError `step` with exit code and last lines when the process fails, `dockerfile` when USER is unknown, `cancelled` when the
 * signal fired (every process of the step is dead by then), `privilege` or `environment` when the machine does not let it run
 */
export async function runStep(request: RunRequest): Promise<void> {
  const { step, container, layers, root } = request;
  const user = lookupUser(step.user, root);
  const init = join(container.dir, 'init');
  mkdirSync(init);
  const secrets = secretsOf(step.mounts, request.readSecret, container.dir);
  const scripts = writeScripts(step.scripts, container.dir);
  await using sockets = await openSockets(step, request.agentSocketOf, container.dir);
  const mounts = placeMounts([...request.mounts, ...secrets.mounts, ...sockets.mounts, ...scripts], root);
  requireRegularPasswd(mounts, root);
  const initLayer = writeInitLayer(init, { layers, root, mounts });
  prepareUpper(request);
  const lastLines: string[] = [];
  const outcome = await container.run({
    lowers: [...(initLayer.empty ? [] : [init]), ...layers.map((layer) => layer.path)],
    upper: request.upper,
    work: request.work,
    sources: request.mountSources,
    config: containerConfig(request, { user, initLayer, mounts, env: [...sockets.env, ...secrets.env] }),
    // The address of a proxy has a password as often as not.
    ...(secrets.files === undefined && step.proxyEnv.length === 0 ? {} : { secrets: secrets.files ?? [] }),
    signal: request.signal,
    onLine: (line) => {
      lastLines.push(line);
      if (lastLines.length > MAX_LAST_LINES) lastLines.shift();
      request.onLine(line);
    },
  });
  if (outcome.kind !== 'exited' || outcome.exitCode !== 0)
    throw failure(request, outcome, { lastLines, missing: [...secrets.missing, ...sockets.missing] });
}

interface Prepared {
  readonly user: UserIds;
  readonly initLayer: InitLayer;
  readonly mounts: readonly PlacedMount[];
  /** Of secrets and sockets. */
  readonly env: readonly string[];
}

function containerConfig(request: RunRequest, { user, initLayer, mounts, env }: Prepared): string {
  const { step } = request;
  const { dir: tempDir, runtime } = request.container;
  const hosts = join(tempDir, 'hosts');
  const resolv = join(tempDir, 'resolv.conf');
  const network = step.network === 'none' ? 'none' : 'host';
  writeFileSync(hosts, hostsFile(step.hostname, request.addHosts));
  writeFileSync(resolv, readResolvConf(network));
  return runtimeSpecJson({
    hostname: step.hostname,
    args: step.args,
    env: [...environment(request, user), ...env],
    cwd: workdirOf(request),
    user,
    rootfs: rootfsOf(tempDir),
    network,
    files: [
      { source: hosts, target: `/${toText(initLayer.hosts)}` },
      { source: resolv, target: `/${toText(initLayer.resolvConf)}` },
    ],
    mounts: mounts.map(toSpecMount),
    shmSizeBytes: request.shmSizeBytes,
    ulimits: request.ulimits,
    devices: DEVICES.filter((name) => existsSync(`/dev/${name}`)),
    ...(step.security === 'insecure' ? { privileges: ownPrivileges() } : {}),
    // runc keeps the flags of the mounted root; crun takes them away when it binds the root onto itself, so that nodes would work.
    ...(runtime.kind === 'runc' ? {} : { hooks: { createContainer: [remountNodev(rootfsOf(tempDir))] } }),
  });
}

/** Without symlinks. */
function workdirOf({ step, root }: RunRequest): string {
  const resolved = root.resolve(fromText(step.cwd));
  if (isText(resolved)) return `/${toText(resolved)}`;
  throw new BuildError('input', `WORKDIR "${step.cwd}" leads to "/${toText(resolved)}", which is not UTF-8`);
}

function toSpecMount({ mount, path, mode }: PlacedMount): SpecMount {
  const { type, source = type } = mount;
  const options = type === 'tmpfs' ? [...mount.options, `mode=${mode.toString(8)}`] : mount.options;
  return { destination: `/${toText(path)}`, type, source, options };
}

/** The hook has to read what the runtime writes to it (the container's state), or the runtime may fail with EPIPE. */
function remountNodev(rootfs: string): { path: string; args: string[] } {
  const script = 'while read -r _; do :; done; exec mount -o remount,bind,nodev "$1"';
  return { path: requireProgram('sh', 'dash'), args: ['sh', '-c', script, 'sh', rootfs] };
}

function environment({ step, root }: RunRequest, user: UserIds): string[] {
  const env = [...step.env, ...step.proxyEnv];
  const home = env.findLast((pair) => pair.startsWith('HOME='));
  return home === undefined || home === 'HOME=' ? [...env, `HOME=${homeOf(user.uid, root)}`] : env;
}

/** The runtime opens the file once it is inside; a FIFO there would hold it for ever (CVE-2024-9676 is of that class). */
function requireRegularPasswd(mounts: readonly PlacedMount[], root: RootView): void {
  for (const name of ['passwd', 'group']) {
    const type = typeBelow(`/etc/${name}`, mounts, root) ?? 'file';
    if (type !== 'file') throw new BuildError('input', `/etc/${name} as the step finds it is a ${type}, not a file`);
  }
}

function readResolvConf(network: 'host' | 'none'): string {
  const host = readText('/etc/resolv.conf') ?? '';
  return resolvConf({ host, behindStub: readText('/run/systemd/resolve/resolv.conf'), network });
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** The root of an overlay has the metadata of the upper directory, whatever the layers below have. */
function prepareUpper({ upper, root }: RunRequest): void {
  const stat = root.lstat('');
  if (stat === undefined) return;
  chownSync(upper, stat.uid, stat.gid);
  chmodSync(upper, stat.mode);
  for (const [name, value] of root.xattrs('')) setXattr(upper, name, value);
  if (readdirSync(upper).length === 0) setTimes(upper, stat.mtimeSeconds);
}

interface Circumstances {
  readonly lastLines: readonly string[];
  /** Flags that would have given the step what it asked for. */
  readonly missing: readonly string[];
}

function failure(request: RunRequest, outcome: ContainerOutcome, { lastLines, missing }: Circumstances): BuildError {
  const command = request.step.args.join(' ');
  if (outcome.kind === 'exited') {
    return new BuildError('step', `process "${command}" did not complete successfully: exit code: ${outcome.exitCode}`, {
      exitCode: outcome.exitCode,
      lastLines,
      ...(missing.length === 0 ? {} : { hint: `The step asks for what was not given: ${missing.join(', ')}.` }),
    });
  }
  if (outcome.kind === 'not-started') return startFailure(request, outcome.message);
  return mountFailure(outcome.message);
}

/** The words of runc and of crun for a program that is not there, or is none. */
function startFailure({ step, root, container }: RunRequest, message: string): BuildError {
  const [program = ''] = step.args;
  const missing = /no such file or directory|executable file not found/i.test(message);
  const forbidden = /permission denied|operation not permitted/i.test(message) && /exec/i.test(message);
  if (!missing && !forbidden) return new BuildError('environment', `${container.runtime.program} could not start the step: ${message}`);
  const isShell = program.endsWith('sh') && root.lstat(root.resolve(fromText(program))) === undefined;
  return new BuildError('step', `process "${step.args.join(' ')}" could not be started: ${message}`, {
    exitCode: missing ? 127 : 126,
    lastLines: [],
    ...(isShell
      ? { hint: `The image has no ${program}: copy one in, use the exec form, RUN ["/program"], or begin with an image that has a shell.` }
      : {}),
  });
}

function mountFailure(message: string): BuildError {
  const kind = /permission denied|operation not permitted|must be superuser/i.test(message) ? 'privilege' : 'environment';
  return new BuildError(kind, `cannot mount the layers: ${message.split('\n')[0] ?? message}`, {
    hint:
      kind === 'privilege'
        ? 'The sandbox that tsbuild runs in forbids mounts: inside a container, start that container with --privileged.'
        : 'The file system of the store must be one that overlayfs can write to (not overlayfs itself): see --root.',
  });
}
