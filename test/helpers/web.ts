import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { createConnection, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface WebServer extends AsyncDisposable {
  /** `http://127.0.0.1:PORT` */
  readonly origin: string;
  readonly port: number;
}

/** Listens on every address of this machine, on a port of its own. */
export async function serve(listener: RequestListener, authority?: Authority): Promise<WebServer> {
  const server =
    authority === undefined
      ? createHttpServer(listener)
      : createHttpsServer({ key: readFileSync(authority.key), cert: readFileSync(authority.cert) }, listener);
  await once(server.listen(0), 'listening');
  const { port } = server.address() as AddressInfo;
  return { origin: `${authority === undefined ? 'http' : 'https'}://127.0.0.1:${port}`, port, [Symbol.asyncDispose]: () => close(server) };
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
}

export interface Authority {
  /** Certificate of the authority, and what it signed for 127.0.0.1, 0.0.0.0 and localhost. */
  readonly ca: string;
  readonly key: string;
  readonly cert: string;
}

/** A certificate authority of its own, as a company has one. */
export function makeAuthority(dir: string): Authority {
  const at = (name: string): string => join(dir, name);
  writeFileSync(at('san'), 'subjectAltName=IP:127.0.0.1,IP:0.0.0.0,DNS:localhost\n');
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl('req', '-x509', ...newKey, '-subj', '/CN=Test CA', '-days', '2', '-keyout', at('ca.key'), '-out', at('ca.pem'));
  openssl('req', ...newKey, '-subj', '/CN=server', '-keyout', at('server.key'), '-out', at('server.csr'));
  const signed = ['-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial', '-days', '2', '-extfile', at('san')];
  openssl('x509', '-req', '-in', at('server.csr'), ...signed, '-out', at('server.pem'));
  return { ca: at('ca.pem'), key: at('server.key'), cert: at('server.pem') };
}

export function openssl(...args: string[]): void {
  const { status, stderr } = spawnSync('openssl', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`openssl ${args[0]}: ${stderr}`);
}

export interface RunningProxy extends AsyncDisposable {
  readonly port: number;
  /** What it did so far. */
  log(): string;
}

/** tinyproxy, which lets in this machine and, with `user` (`name:password`), those who know that. */
export async function startProxy(dir: string, user?: string): Promise<RunningProxy> {
  const port = await freePort();
  const log = join(dir, 'proxy.log');
  const conf = join(dir, 'proxy.conf');
  const lines = [
    `Port ${port}`,
    'Listen 127.0.0.1',
    'Allow 127.0.0.1',
    'Timeout 60',
    'MaxClients 20',
    'LogLevel Info',
    `LogFile "${log}"`,
    `PidFile "${join(dir, 'proxy.pid')}"`,
    ...(user === undefined ? [] : [`BasicAuth ${user.replace(':', ' ')}`]),
  ];
  writeFileSync(conf, `${lines.join('\n')}\n`);
  const child = spawn('tinyproxy', ['-d', '-c', conf], { stdio: 'ignore' });
  const readLog = (): string => (existsSync(log) ? readFileSync(log, 'utf8') : '');
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'close');
  };
  try {
    await listening(port);
    return { port, log: readLog, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw new Error(`tinyproxy: ${readLog()}`, { cause: error });
  }
}

/** Waits until somebody listens. */
export async function listening(port: number): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if (await answers(port)) return;
    await sleep(50);
  }
  throw new Error(`nobody listens at port ${port}`);
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    }).on('error', () => resolve(false));
  });
}

/** A port on which nobody listens. */
export async function freePort(): Promise<number> {
  const server = createHttpServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  await close(server);
  return port;
}
