import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { makeAuthority, openssl, type Authority } from './web.js';

/** An authority of its own, what it signed for `localhost` and 127.0.0.1, and a client's certificate, all in `dir`. */
export interface Certificates extends Authority {
  /** PEM files of a client that the authority vouches for. */
  readonly clientCert: string;
  readonly clientKey: string;
}

export function makeCertificates(dir: string): Certificates {
  mkdirSync(dir, { recursive: true });
  const authority = makeAuthority(dir);
  const at = (name: string): string => join(dir, name);
  const [clientKey, clientCert] = [at('client.key'), at('client.pem')];
  openssl('req', ...NEW_KEY.ES256, '-nodes', '-subj', '/CN=client', '-keyout', clientKey, '-out', at('client.csr'));
  openssl('x509', '-req', '-in', at('client.csr'), '-CA', authority.ca, '-CAkey', at('ca.key'), '-days', '2', '-out', clientCert);
  return { ...authority, clientCert, clientKey };
}

/**
 * A directory `HOST:PORT` below `certsDir`, as docker and containers look for them in certs.d: `ca.crt`, and with `client` its certificate.
 * @returns its path
 */
export function layOutCertsDir(certsDir: string, host: string, certificates: Certificates, { client }: { client: boolean }): string {
  const dir = join(certsDir, host);
  mkdirSync(dir, { recursive: true });
  copyFileSync(certificates.ca, join(dir, 'ca.crt'));
  if (client) {
    copyFileSync(certificates.clientCert, join(dir, 'client.cert'));
    copyFileSync(certificates.clientKey, join(dir, 'client.key'));
  }
  return dir;
}

export type SigningAlgorithm = 'RS256' | 'ES256';

const NEW_KEY = {
  RS256: ['-newkey', 'rsa:2048'],
  ES256: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'],
} as const;

export interface SigningKey {
  readonly algorithm: SigningAlgorithm;
  /** PEM. */
  readonly privateKey: string;
  /** PEM file of the self-signed certificate, for those who verify. */
  readonly certFile: string;
}

/** A key to sign tokens with. */
export function makeSigningKey(dir: string, algorithm: SigningAlgorithm): SigningKey {
  mkdirSync(dir, { recursive: true });
  const [keyFile, certFile] = [join(dir, 'signing.key'), join(dir, 'signing.pem')];
  openssl('req', '-x509', ...NEW_KEY[algorithm], '-nodes', '-subj', '/CN=tokens', '-days', '2', '-keyout', keyFile, '-out', certFile);
  return { algorithm, privateKey: readFileSync(keyFile, 'utf8'), certFile };
}

/** A certificate of the same authority whose time is over. */
export function makeExpired(authority: Authority): Authority {
  return signAnew(authority, { name: 'expired', days: -1, san: 'IP:127.0.0.1,DNS:localhost' });
}

/** A certificate of the same authority for `registry.example` alone. */
export function makeMisnamed(authority: Authority): Authority {
  return signAnew(authority, { name: 'misnamed', days: 2, san: 'DNS:registry.example' });
}

function signAnew(
  { ca }: Authority,
  { name, days, san }: { readonly name: string; readonly days: number; readonly san: string },
): Authority {
  const at = (file: string): string => join(dirname(ca), `${name}.${file}`);
  writeFileSync(at('san'), `subjectAltName=${san}\n`);
  openssl('req', ...NEW_KEY.ES256, '-nodes', '-subj', `/CN=${name}`, '-keyout', at('key'), '-out', at('csr'));
  const signed = ['-CA', ca, '-CAkey', join(dirname(ca), 'ca.key'), '-days', String(days), '-extfile', at('san')];
  openssl('x509', '-req', '-in', at('csr'), ...signed, '-out', at('pem'));
  return { ca, key: at('key'), cert: at('pem') };
}
