import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const START_TIMEOUT_MS = 10_000;
const LISTENING = /listening on (127\.0\.0\.1:\d+)/;

export interface BenchRegistry extends Disposable {
  /** `127.0.0.1:PORT`; plain http. */
  readonly host: string;
  /** What it stores; empty it and the registry is as new. */
  readonly storage: string;
}

/** docker-registry with its storage below `dir`, until disposed. Nothing is remembered between requests, so that its storage may be emptied. */
export function startRegistry(dir: string): BenchRegistry {
  const storage = join(dir, 'storage');
  mkdirSync(storage, { recursive: true });
  const [config, log] = [join(dir, 'config.json'), join(dir, 'log')];
  writeFileSync(
    config,
    JSON.stringify({
      version: '0.1',
      log: { level: 'info', accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: storage }, maintenance: { uploadpurging: { enabled: false } } },
      http: { addr: '127.0.0.1:0', secret: 'of this bench' },
    }),
  );
  const output = openSync(log, 'w');
  const child = spawn('docker-registry', ['serve', config], { stdio: ['ignore', output, output] });
  closeSync(output);
  const stop = (): void => void child.kill('SIGKILL');
  // Before the file system that it stores on is unmounted.
  process.prependOnceListener('exit', stop);
  return {
    host: waitForHost(child, log),
    storage,
    [Symbol.dispose]: () => {
      process.off('exit', stop);
      stop();
    },
  };
}

/** The bench waits for its commands synchronously, and for this too. */
function waitForHost(child: ChildProcess, log: string): string {
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  for (let waitedMs = 0; waitedMs < START_TIMEOUT_MS && child.pid !== undefined; waitedMs += 20) {
    const host = LISTENING.exec(readFileSync(log, 'utf8'))?.[1];
    if (host !== undefined) return host;
    Atomics.wait(sleeper, 0, 0, 20);
  }
  child.kill('SIGKILL');
  throw new Error(`docker-registry does not listen:\n${readFileSync(log, 'utf8')}`);
}
