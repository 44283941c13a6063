import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls';
import { BuildError, errnoOf, systemErrorText } from '../base/errors.js';
import { trustedAuthorities } from '../remote/trust.js';
import type { RegistryOptions } from './options.js';

/** As containers/image and docker have them; the later ones are read when the earlier ones do not exist. */
const CERTIFICATE_DIRS = ['/etc/containers/certs.d', '/etc/docker/certs.d'];

/** What a TLS connection to one host is made with. */
export interface TlsSettings {
  readonly secureContext: SecureContext;
  readonly rejectUnauthorized: boolean;
}

/** Authorities and certificates of hosts. Read when the first connection needs them: the bundle of a system takes some milliseconds. */
export class TlsReader {
  readonly #options: RegistryOptions;
  readonly #dirs: readonly string[];
  readonly #settings = new Map<string, TlsSettings>();
  readonly #shared = new Map<boolean, SecureContext>();
  #authorities: string | undefined;

  /** @param dirs where HOST directories are looked for, when no `certDir` is given */
  constructor(options: RegistryOptions, dirs: readonly string[] = CERTIFICATE_DIRS) {
    this.#options = options;
    this.#dirs = dirs;
  }

  /** PEM, of everybody who is trusted for all hosts. @throws BuildError `usage` when a named file cannot be read */
  get authorities(): string {
    this.#authorities ??= trustedAuthorities(this.#options.env ?? process.env) ?? rootCertificates.join('\n');
    return this.#authorities;
  }

  /**
   * @param host `registry.example:5000`, as in certs.d; without a port, `registry.example:443` is looked for, too
   * @throws BuildError `usage` for certificates that cannot be read, or that are none
   */
  settingsFor(host: string, { isVerified }: { readonly isVerified: boolean }): TlsSettings {
    const key = `${host} ${isVerified}`;
    const settings = this.#settings.get(key) ?? { secureContext: this.#contextFor(host, isVerified), rejectUnauthorized: isVerified };
    this.#settings.set(key, settings);
    return settings;
  }

  #contextFor(host: string, isVerified: boolean): SecureContext {
    const own = this.#readOwn(host);
    if (own === undefined) return this.#sharedContext(isVerified);
    const ca = isVerified ? [this.authorities, ...own.authorities] : own.authorities;
    try {
      return createSecureContext({ ca: [...ca], cert: own.certificates, key: own.keys });
    } catch (error) {
      throw new BuildError('usage', `the certificates in ${JSON.stringify(own.dir)} cannot be used: ${systemErrorText(error)}`, {
        hint: 'want PEM: authorities in *.crt, a certificate of the client in NAME.cert and its key in NAME.key',
        cause: error,
      });
    }
  }

  /** With an empty list Node leaves its own out, whose 140 certificates take 60 ms to read. */
  #sharedContext(isVerified: boolean): SecureContext {
    const context = this.#shared.get(isVerified) ?? createSecureContext({ ca: isVerified ? this.authorities : [] });
    this.#shared.set(isVerified, context);
    return context;
  }

  #readOwn(host: string): OwnCertificates | undefined {
    const { certDir } = this.#options;
    if (certDir !== undefined) return readDir(certDir) ?? missingDir(certDir);
    // What a redirect names is a host to URL, too.
    if (/^\.+$/.test(host)) return undefined;
    // URLs leave out the port of https, which may be written in the reference and so in the name of the directory.
    const names = /:\d+$/.test(host) ? [host] : [host, `${host}:443`];
    for (const dir of this.#dirs) {
      for (const name of names) {
        const own = readDir(join(dir, name));
        if (own !== undefined) return own;
      }
    }
    return undefined;
  }
}

interface OwnCertificates {
  readonly dir: string;
  readonly authorities: readonly string[];
  readonly certificates: string[];
  readonly keys: string[];
}

function readDir(dir: string): OwnCertificates | undefined {
  const names = listDir(dir);
  if (names === undefined) return undefined;
  const withEnd = (end: string): string[] => names.filter((name) => name.endsWith(end)).map((name) => name.slice(0, -end.length));
  const keys = withEnd('.key');
  const certificates = withEnd('.cert');
  for (const [some, others, end, missing] of [
    [certificates, keys, 'cert', 'key'],
    [keys, certificates, 'key', 'cert'],
  ] as const) {
    const lonely = some.find((name) => !others.includes(name));
    if (lonely === undefined) continue;
    throw new BuildError('usage', `${JSON.stringify(join(dir, `${lonely}.${end}`))} has no ${lonely}.${missing} beside it`, {
      hint: 'authorities are in *.crt, a certificate of the client in NAME.cert and its key in NAME.key',
    });
  }
  return {
    dir,
    authorities: withEnd('.crt').map((name) => readPem(join(dir, `${name}.crt`))),
    certificates: certificates.map((name) => readPem(join(dir, `${name}.cert`))),
    keys: certificates.map((name) => readPem(join(dir, `${name}.key`))),
  };
}

function listDir(dir: string): string[] | undefined {
  try {
    return readdirSync(dir).toSorted();
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return undefined;
    throw unreadable(dir, error);
  }
}

function readPem(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: string, error: unknown): BuildError {
  return new BuildError('usage', `cannot read certificates from ${JSON.stringify(path)}: ${systemErrorText(error)}`, { cause: error });
}

function missingDir(dir: string): never {
  throw new BuildError('usage', `there is no directory ${JSON.stringify(dir)} for certificates`, { hint: 'correct --cert-dir' });
}
