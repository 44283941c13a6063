import { BuildError, errnoOf, systemErrorText } from '../base/errors.js';
import { unreachedProxy } from '../remote/request.js';
import { formatDuration } from './retry.js';
import { RegistryError, type RegistryErrorDetails } from './errors.js';

/** What was asked of whom, for messages. */
export interface Attempted extends Where {
  /** `read the manifest of registry.example/app:1` */
  readonly aim: string;
}

interface Where {
  /** The server that was asked: the registry, a token service, the storage behind a redirect. */
  readonly host: string;
  readonly timeoutMs: number;
}

/** The next attempt may find the server again, or do without a broken connection. */
const PASSING = new Set(
  `ECONNRESET EPIPE ECONNABORTED ETIMEDOUT EAI_AGAIN ERR_STREAM_PREMATURE_CLOSE HPE_INVALID_EOF_STATE UND_ERR_SOCKET UND_ERR_INFO
  UND_ERR_HEADERS_TIMEOUT UND_ERR_BODY_TIMEOUT UND_ERR_RES_CONTENT_LENGTH_MISMATCH`.split(/\s+/),
);
const TIMEOUTS = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT']);
const BROKEN = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED', 'UND_ERR_SOCKET', 'UND_ERR_INFO', 'ERR_STREAM_PREMATURE_CLOSE']);
const TRUNCATED = new Set(['HPE_INVALID_EOF_STATE', 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH']);
/** OpenSSL's words for a certificate that is not trusted, from x509_vfy.h. */
const UNTRUSTED = new Set(
  `DEPTH_ZERO_SELF_SIGNED_CERT SELF_SIGNED_CERT_IN_CHAIN UNABLE_TO_VERIFY_LEAF_SIGNATURE CERT_UNTRUSTED UNABLE_TO_GET_ISSUER_CERT
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY`.split(/\s+/),
);

/** Whether an error that is not yet in our words is of the network, and may pass. */
export function isPassingFailure(error: unknown): boolean {
  if (error instanceof RegistryError) return error.isPassing;
  return known.get(error as object)?.isPassing ?? PASSING.has(codeOf(error) ?? '');
}

/** undici's errors of its parser have their reason in the message alone. */
function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || error.name !== 'HTTPParserError') return errnoOf(error);
  return error.message.includes('EOF') ? 'HPE_INVALID_EOF_STATE' : 'HPE_OTHER';
}

/** The server does not speak TLS on a port that https was expected on. */
export function isPlainServer(error: unknown): boolean {
  const code = errnoOf(error) ?? '';
  return /^(EPROTO|ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST|UNKNOWN_PROTOCOL))$/.test(code);
}

/** A failure below HTTP in words. What is ours, or is said already, stays as it is. */
export function explainFailure(error: unknown, { aim, ...where }: Attempted): unknown {
  const told = tellFailure(error, where);
  if (told === undefined) return error;
  const details: RegistryErrorDetails = {
    cause: error,
    isPassing: isPassingFailure(error),
    ...(told.hint === undefined ? {} : { hint: told.hint }),
  };
  return new RegistryError(`could not ${aim}: ${told.reason}`, details);
}

/** Whether an error that is none of ours has our words, which name the host. */
export function isReworded(error: unknown): boolean {
  return known.has(error as object);
}

/** Puts our words into the error of a body that breaks: whoever reads it knows neither time limits nor hosts. */
export function rewordFailure(error: Error, where: Where): void {
  const told = tellFailure(error, where);
  if (told !== undefined) error.message = told.reason;
}

interface Told {
  readonly reason: string;
  readonly hint?: string;
}

/** Reworded errors come by a second time. */
const known = new WeakMap<object, Told & { readonly isPassing: boolean }>();

function tellFailure(error: unknown, where: Where): Told | undefined {
  const code = codeOf(error);
  if (error instanceof BuildError || code === undefined) return undefined;
  const before = known.get(error as Error);
  if (before !== undefined) return before;
  const told = tell(error as Error, { ...where, code });
  if (told !== undefined) known.set(error as Error, { ...told, isPassing: PASSING.has(code) });
  return told;
}

function tell(error: Error, failure: Where & { readonly code: string }): Told | undefined {
  const { code, host, timeoutMs } = failure;
  const proxy = unreachedProxy(error);
  if (proxy !== undefined) {
    const why = code === 'ENOTFOUND' ? 'its host is not known (ENOTFOUND)' : words(error, code);
    return {
      reason: `the proxy ${proxy} cannot be reached: ${why}`,
      hint: 'check HTTPS_PROXY and HTTP_PROXY, or name the registry in NO_PROXY',
    };
  }
  if (TIMEOUTS.has(code)) {
    const reason = `${host} was silent for ${formatDuration(timeoutMs)}, the limit of --timeout`;
    return { reason, hint: 'allow more with --timeout, if it is that slow' };
  }
  if (BROKEN.has(code)) return { reason: `the connection to ${host} broke (${words(error, code)})` };
  if (TRUNCATED.has(code)) return { reason: `the answer of ${host} ended too early` };
  return tellReach(code, host) ?? tellTls(error, failure) ?? tellHttp(error, failure) ?? tellRest(error, failure);
}

function tellReach(code: string, host: string): Told | undefined {
  switch (code) {
    case 'ENOTFOUND':
      return {
        reason: `the host ${JSON.stringify(nameOf(host))} is not known`,
        hint: 'correct the name, or how this machine looks names up',
      };
    case 'EAI_AGAIN':
      return {
        reason: `the host ${JSON.stringify(nameOf(host))} could not be looked up (EAI_AGAIN)`,
        hint: 'check the name server of this machine',
      };
    case 'ECONNREFUSED':
      return { reason: `${host} refuses the connection`, hint: 'is the registry running there, and is the port right?' };
    case 'ETIMEDOUT':
      return {
        reason: `${host} does not answer to a connection`,
        hint: 'check the way there: a firewall, a proxy to be named in HTTPS_PROXY, or a --timeout that is too short',
      };
    default:
      return undefined;
  }
}

function tellTls(error: Error, { code, host }: { code: string; host: string }): Told | undefined {
  const registry = `--insecure-registry ${host}`;
  if (UNTRUSTED.has(code)) {
    return {
      reason: `the certificate of ${host} is not signed by a trusted authority (${code})`,
      hint: `name the authority in SSL_CERT_FILE, or put it as ca.crt into /etc/containers/certs.d/${host} or --cert-dir; ${registry} trusts blindly`,
    };
  }
  if (isPlainServer(error)) {
    return { reason: `${host} does not speak TLS (${code})`, hint: `${registry} allows plain http` };
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return {
      reason: `the certificate of ${host} is for another name: ${namesOf(error)}`,
      hint: 'use a name that the certificate has, or have it issued anew',
    };
  }
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') {
    return {
      reason: `the certificate of ${host} is ${code === 'CERT_HAS_EXPIRED' ? 'past' : 'before'} its time (${code})`,
      hint: `have it renewed, unless it is the clock of this machine that is wrong: it shows ${new Date().toISOString().slice(0, 16)}Z`,
    };
  }
  if (/^ERR_SSL_.*ALERT/.test(code)) {
    return {
      reason: `${host} refuses the TLS connection (${code})`,
      hint: `if it wants a certificate of the client: put client.cert and client.key into /etc/containers/certs.d/${host} or --cert-dir`,
    };
  }
  if (/^ERR_(SSL|TLS|OSSL)_|^CERT_|_CERT/.test(code)) return { reason: `TLS with ${host} failed: ${error.message}` };
  return undefined;
}

function tellHttp(error: Error, { code, host }: { code: string; host: string }): Told | undefined {
  if (code.startsWith('HPE_'))
    return { reason: `${host} does not answer in HTTP (${error.message})`, hint: 'is it a registry, and is the port right?' };
  if (code === 'UND_ERR_HEADERS_OVERFLOW') return { reason: `the header of the answer of ${host} is too large` };
  return undefined;
}

/** Errors of files, which are of what is sent, are none of ours. */
function tellRest(error: Error, { code, host }: { code: string; host: string }): Told | undefined {
  const isOfNetwork = /^(ENET|EHOST|EADDR|EPROTO|ENOTCONN)/.test(code) || ('syscall' in error && error.syscall === 'connect');
  return isOfNetwork || code.startsWith('UND_ERR_') ? { reason: `${host}: ${words(error, code)}` } : undefined;
}

function words(error: Error, code: string): string {
  return /^E[A-Z]+$/.test(code) ? systemErrorText(error) : error.message;
}

/** `DNS:registry.example`, as the certificate has it. */
function namesOf(error: Error): string {
  const { cert } = error as { cert?: { subjectaltname?: unknown; subject?: { CN?: unknown } } };
  const name = cert?.subjectaltname ?? cert?.subject?.CN;
  return typeof name === 'string' ? JSON.stringify(name) : error.message;
}

function nameOf(host: string): string {
  return host.replace(/:\d+$/, '');
}
