import { readFileSync } from 'node:fs';
import { BuildError, systemErrorText } from '../base/errors.js';
import type { Environment } from './proxy.js';

/** Where distributions keep the certificates that this machine trusts, its administrator's among them: Debian, Fedora, openSUSE, Alpine. */
const SYSTEM_BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/**
 * The authorities to trust, as PEM: SSL_CERT_FILE or else those of the system, and NODE_EXTRA_CA_CERTS. Node by itself trusts the list of
 * Mozilla that it was built with, and would refuse the servers of a company which curl, git and docker accept.
 * @returns `undefined` where there is none of them: then Node's list is it
 * @throws BuildError `usage` when a named file cannot be read
 */
export function trustedAuthorities(env: Environment): string | undefined {
  const own = env['SSL_CERT_FILE'] ? readNamed('SSL_CERT_FILE', env['SSL_CERT_FILE']) : readSystem();
  const extra = env['NODE_EXTRA_CA_CERTS'] ? readNamed('NODE_EXTRA_CA_CERTS', env['NODE_EXTRA_CA_CERTS']) : undefined;
  if (extra === undefined) return own;
  return own === undefined ? undefined : `${own}\n${extra}`;
}

/** Whether somebody chose what to trust: other programs must be told then. */
export function hasOwnAuthorities(env: Environment): boolean {
  return Boolean(env['SSL_CERT_FILE']) || Boolean(env['NODE_EXTRA_CA_CERTS']);
}

function readSystem(): string | undefined {
  for (const path of SYSTEM_BUNDLES) {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      // Of another distribution.
    }
  }
  return undefined;
}

function readNamed(name: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new BuildError('usage', `cannot read ${name} ${JSON.stringify(path)}: ${systemErrorText(error)}`, { cause: error });
  }
}
