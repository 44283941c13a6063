import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { UserPassword } from '../../src/registry/options.js';
import { startBlobStorage, type BlobStorage } from './blob-storage.js';
import { layOutCertsDir, makeCertificates, makeSigningKey, type Certificates } from './certificates.js';
import { missingProgram, scratchDir } from './cli.js';
import { startDaemon, type Daemon } from './daemon.js';
import { startNginx } from './nginx.js';
import { startTokenServer, TOKEN_ISSUER, TOKEN_SERVICE, type TokenServer, type TokenServerOptions } from './token-server.js';

export interface TestRegistryOptions {
  /** https, with an authority of its own; `client` asks for certificates that it signed. */
  readonly tls?: boolean | { readonly client: boolean };
  /** Basic authentication for everything. */
  readonly htpasswd?: UserPassword;
  /** Bearer tokens for everything, from a server in this process: start programs beside the test, not in front of it. */
  readonly token?: TokenServerOptions;
  /** Behind nginx as Harbor is: only repositories `PREFIX/...` are found, tokens are given at /service/token. */
  readonly nginxPrefix?: string;
  /** With nginx: larger bodies of requests are answered with 413. */
  readonly nginxMaxBodyBytes?: number;
  /** Blobs are at another host, which is in this process: start programs beside the test, not in front of it. */
  readonly redirectBlobs?: boolean;
  /** Manifests and blobs can be deleted; the default is that they cannot, as docker-registry has it. */
  readonly deleteEnabled?: boolean;
  /** `Location` without scheme and host; the default is false, as docker-registry has it, and true behind nginx, as Harbor has it. */
  readonly relativeUrls?: boolean;
}

/** docker-registry, and what stands in front of it, on an ephemeral port of this machine. */
export interface TestRegistry extends AsyncDisposable {
  /** `localhost:PORT` */
  readonly host: string;
  /** `http://localhost:PORT` or with https */
  readonly origin: string;
  /** PEM of the authority, with TLS. */
  readonly caFile?: string;
  /** For `--cert-dir`, with TLS; its name is `host` and its parent is laid out as certs.d. */
  readonly certDir?: string;
  /** `docker/registry/v2/blobs` and `repositories` are in it. */
  readonly storageDir: string;
  /** With `token`. */
  readonly tokens?: TokenServer;
  /** With `redirectBlobs`. */
  readonly blobStorage?: BlobStorage;
  /** The access log of docker-registry among others. */
  logs(): string;
}

/** Why there can be no registry here. @param programs what else is needed */
export function missingRegistry(...programs: readonly string[]): string | undefined {
  return missingProgram('docker-registry', 'setpriv', ...programs);
}

/** Starts a registry, empty, and waits until it listens. With `await using` it is gone with all it stored when the scope ends. */
export async function startRegistry(options: TestRegistryOptions = {}): Promise<TestRegistry> {
  const scratch = scratchDir('tsbuild-registry-');
  const running: AsyncDisposable[] = [];
  const stop = async (): Promise<void> => {
    for (const one of running.toReversed()) await one[Symbol.asyncDispose]();
    scratch[Symbol.dispose]();
  };
  try {
    return { ...(await start(options, scratch.path, running)), [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function start(
  options: TestRegistryOptions,
  dir: string,
  running: AsyncDisposable[],
): Promise<Omit<TestRegistry, keyof AsyncDisposable>> {
  const at = (...names: string[]): string => join(dir, ...names);
  const keep = <T extends AsyncDisposable>(one: T): T => {
    running.push(one);
    return one;
  };
  mkdirSync(at('storage'));
  const certificates = options.tls === undefined || options.tls === false ? undefined : makeCertificates(at('certificates'));
  const blobStorage = options.redirectBlobs === true ? keep(await startBlobStorage(at('storage'), certificates)) : undefined;
  if (options.htpasswd !== undefined) writeHtpasswd(at('htpasswd'), options.htpasswd);
  const signing = options.token === undefined ? undefined : makeSigningKey(at('tokens'), options.token.algorithm ?? 'ES256');
  const isBehind = options.nginxPrefix !== undefined;
  const tokens =
    signing === undefined ? undefined : keep(await startTokenServer(signing, options.token, isBehind ? undefined : certificates));
  const nginx = isBehind ? keep(await startFront(options, { at, certificates, tokens })) : undefined;
  const scheme = certificates === undefined ? 'http' : 'https';
  const realm = tokens === undefined || nginx === undefined ? tokens?.realm : `${scheme}://localhost:${nginx.port}/service/token`;
  writeFileSync(at('config.yml'), JSON.stringify(toConfig(options, { at, certificates, blobStorage, realm, certFile: signing?.certFile })));
  const distribution = keep(await startDistribution(at('config.yml'), at('log')));
  const host = `localhost:${nginx?.port ?? distribution.port}`;
  const client = typeof options.tls === 'object' && options.tls.client;
  const certDir = certificates === undefined ? undefined : layOutCertsDir(at('certs.d'), host, certificates, { client });
  return {
    host,
    origin: `${scheme}://${host}`,
    ...(certificates === undefined ? {} : { caFile: certificates.ca }),
    ...(certDir === undefined ? {} : { certDir }),
    storageDir: at('storage'),
    ...(tokens === undefined ? {} : { tokens }),
    ...(blobStorage === undefined ? {} : { blobStorage }),
    logs: () => distribution.logs(),
  };
}

type Paths = (...names: string[]) => string;

interface Front {
  readonly at: Paths;
  readonly certificates: Certificates | undefined;
  readonly tokens: TokenServer | undefined;
}

function startFront(options: TestRegistryOptions, { at, certificates, tokens }: Front): ReturnType<typeof startNginx> {
  return startNginx({
    dir: at('nginx'),
    registrySocket: at('socket'),
    prefix: options.nginxPrefix ?? '',
    maxBodyBytes: options.nginxMaxBodyBytes ?? 0,
    ...(certificates === undefined ? {} : { authority: certificates }),
    ...(tokens === undefined ? {} : { tokenPort: tokens.port }),
  });
}

interface Surroundings {
  readonly at: Paths;
  readonly certificates: Certificates | undefined;
  readonly blobStorage: BlobStorage | undefined;
  /** Of tokens, and who signs them. */
  readonly realm: string | undefined;
  readonly certFile: string | undefined;
}

/** The configuration file: JSON is YAML. */
function toConfig(options: TestRegistryOptions, { at, certificates, blobStorage, realm, certFile }: Surroundings): unknown {
  const isBehind = options.nginxPrefix !== undefined;
  const tls = isBehind ? undefined : toTls(options, certificates);
  const htpasswd = options.htpasswd === undefined ? undefined : { realm: 'test', path: at('htpasswd') };
  const token = realm === undefined ? undefined : { realm, service: TOKEN_SERVICE, issuer: TOKEN_ISSUER, rootcertbundle: certFile };
  const auth = htpasswd !== undefined ? { htpasswd } : token !== undefined ? { token } : undefined;
  return {
    version: '0.1',
    log: { level: 'info' },
    storage: {
      filesystem: { rootdirectory: at('storage') },
      delete: { enabled: options.deleteEnabled ?? false },
      maintenance: { uploadpurging: { enabled: false } },
    },
    http: {
      ...(isBehind ? { net: 'unix', addr: at('socket') } : { addr: '127.0.0.1:0' }),
      secret: 'of this test',
      relativeurls: options.relativeUrls ?? isBehind,
      ...(tls === undefined ? {} : { tls }),
    },
    ...(auth === undefined ? {} : { auth }),
    ...(blobStorage === undefined
      ? {}
      : { middleware: { storage: [{ name: 'redirect', options: { baseurl: `${blobStorage.origin}/` } }] } }),
  };
}

function toTls({ tls }: TestRegistryOptions, certificates: Certificates | undefined): unknown {
  if (certificates === undefined) return undefined;
  const client = typeof tls === 'object' && tls.client;
  return { certificate: certificates.cert, key: certificates.key, ...(client ? { clientcas: [certificates.ca] } : {}) };
}

async function startDistribution(configFile: string, logFile: string): Promise<Daemon & { readonly port: number }> {
  const daemon = await startDaemon('docker-registry', ['serve', configFile], { logFile, ready: /listening on (?:127\.0\.0\.1:(\d+)|\/)/ });
  return { ...daemon, port: Number(daemon.match[1]) };
}

function writeHtpasswd(path: string, { username, password }: UserPassword): void {
  const { status, stdout, stderr } = spawnSync('htpasswd', ['-niB', username], { input: `${password}\n`, encoding: 'utf8' });
  if (status !== 0) throw new Error(`htpasswd: ${stderr}`);
  writeFileSync(path, `${stdout.trimEnd()}\n`);
}
