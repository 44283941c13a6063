import { Disposals } from './base/disposal.js';
import { Bases } from './bases.js';
import type { BuildPush } from './build-push.js';
import { DEFAULT_MAX_BYTES } from './contexts.js';
import { restrictCredentials } from './credential-hosts.js';
import { FetchInputs } from './fetch-inputs.js';
import { LazyRegistries } from './pull/lazy-registries.js';
import type { BuildOptions } from './options.js';
import { JobPool } from './pool.js';
import type { Progress } from './progress.js';
import { withInsecureHosts, type PushDestination } from './push-destinations.js';
import { RemoteBlobs } from './pull/remote-blobs.js';
import type { Secrets } from './secrets.js';
import { openSshAgents, type SshAgents } from './ssh.js';
import type { Store } from './store/store.js';
import { Transfers } from './transfers.js';

export interface BuildToolsRequest {
  readonly options: BuildOptions;
  readonly store: Store;
  /** Where the image will be pushed. */
  readonly destinations: readonly PushDestination[];
  readonly secrets: Secrets;
  readonly progress: Progress;
  readonly stop: AbortController;
}

/** What one build works with, from before its plan to after its outputs. */
export interface BuildTools extends AsyncDisposable {
  readonly store: Store;
  /** Private directory of the build, on the file system of the store. */
  readonly tempDir: string;
  readonly agents: SshAgents;
  readonly pool: JobPool;
  readonly inputs: FetchInputs;
  readonly bases: Bases;
  /** When there is something to push. */
  readonly push: BuildPush | undefined;
}

/** Opens them all; what was opened before one that fails is closed again. */
export async function openBuildTools(request: BuildToolsRequest): Promise<BuildTools> {
  const held = new Disposals();
  try {
    return { ...(await open(request, held)), [Symbol.asyncDispose]: () => held[Symbol.asyncDispose]() };
  } catch (error) {
    await held[Symbol.asyncDispose]();
    throw error;
  }
}

async function open(
  { options, store, destinations, secrets, progress, stop }: BuildToolsRequest,
  held: Disposals,
): Promise<Omit<BuildTools, typeof Symbol.asyncDispose>> {
  const { signal } = stop;
  const warn = (message: string): void => progress.warn(message);
  held.use(store.lease());
  const { path: tempDir } = held.use(await store.tempDir());
  const agents = held.use(openSshAgents(options.ssh ?? [], tempDir));
  const pool = held.use(new JobPool());
  closeOnStop(pool, signal);
  const inputs = held.use(
    new FetchInputs({
      tempDir,
      secrets,
      agents,
      maxBytes: options.maxArchiveBytes ?? DEFAULT_MAX_BYTES,
      warn: (message, step) => progress.warn(message, step.range),
      stop,
    }),
  );
  const transfers = new Transfers((event) => progress.emit(event));
  const domains = destinations.flatMap(({ targets }) => targets.map(({ domain }) => domain));
  const reach = restrictCredentials(withInsecureHosts(options.registry ?? {}, destinations), domains);
  const debug = options.onDebug === undefined ? {} : { debug: options.onDebug };
  const registries = held.use(new LazyRegistries({ options: reach, warn, ...debug, signal }));
  const { jobs } = reach;
  const blobs = held.use(new RemoteBlobs({ store, transfers, signal, ...(jobs === undefined ? {} : { jobs }) }));
  const contexts = options.buildContexts ?? {};
  const bases = held.use(new Bases({ store, contexts, policy: options.pull ?? 'missing', registries, blobs, pool, warn, signal }));
  const pushing = { destinations, registries, jobs, store, remote: blobs, transfers, progress, stop };
  const push = destinations.length === 0 ? undefined : held.use(await (await import('./build-push.js')).BuildPush.open(pushing));
  return { store, tempDir, agents, pool, inputs, bases, push };
}

/** A build that stops, for whatever reason, stops its threads. */
function closeOnStop(pool: JobPool, signal: AbortSignal): void {
  const close = (): void => pool.close(signal.reason as Error);
  signal.addEventListener('abort', close);
  if (signal.aborted) close();
}
