import { spawnSync } from 'node:child_process';
import { hostname } from 'node:os';
import { afterAll, beforeAll, describe } from 'vitest';
import { BASIC, either, flood, hang, no, on, page, redirect, send, type Fault } from '../helpers/broken-registry.js';
import { makeExpired, makeMisnamed } from '../helpers/certificates.js';
import { scratchDir } from '../helpers/cli.js';
import { freePort, makeAuthority, type Authority } from '../helpers/web.js';
import { READING, WRITING, type Command } from './broken-lab.js';
import { table, useBrokenLab } from './broken-rows.js';

const ALL: readonly Command[] = [...READING, ...WRITING];
const lab = useBrokenLab();
let certificates: ReturnType<typeof scratchDir>;
let authority: Authority;
let expired: Authority;
let misnamed: Authority;
let closedPort: number;

beforeAll(async () => {
  certificates = scratchDir('tsbuild-broken-tls-');
  authority = makeAuthority(certificates.path);
  expired = makeExpired(authority);
  misnamed = makeMisnamed(authority);
  closedPort = await freePort();
});

afterAll(() => certificates[Symbol.dispose]());

describe('a registry that cannot be reached', () => {
  table(
    lab,
    {
      'unknown host': {
        host: 'registry.invalid:443',
        status: 3,
        words: ['the host "registry.invalid" is not known', 'hint: correct the name'],
      },
      'refused connection': () => ({
        host: `localhost:${closedPort}`,
        status: 3,
        words: ['HOST refuses the connection', 'hint: is the registry running'],
      }),
      'authority that nobody knows': () => ({
        authority,
        status: 3,
        words: [
          'HOST is not signed by a trusted authority',
          'hint: ',
          'SSL_CERT_FILE',
          'ca.crt',
          'certs.d/HOST',
          '--cert-dir',
          '--insecure-registry HOST',
        ],
      }),
    },
    ALL,
  );
  table(
    lab,
    {
      'expired certificate': () => ({
        authority: expired,
        env: { SSL_CERT_FILE: authority.ca },
        status: 3,
        words: ['the certificate of HOST is past its time', 'hint: have it renewed', 'the clock of this machine'],
      }),
      'certificate for another name': () => ({
        authority: misnamed,
        env: { SSL_CERT_FILE: authority.ca },
        status: 3,
        words: ['the certificate of HOST is for another name: "DNS:registry.example"', 'hint: use a name'],
      }),
      'http where https is asked for': {
        host: '0.0.0.0',
        status: 3,
        words: ['HOST does not speak TLS', 'hint: --insecure-registry HOST allows plain http'],
      },
    },
    ['pull', 'push'],
  );
});

describe('a registry that says no', () => {
  table(
    lab,
    {
      '401 to nobody': {
        fault: no(401, 'UNAUTHORIZED', BASIC),
        isNobody: true,
        status: 4,
        words: ['HOST wants credentials (401)', 'none were found', 'hint: ', 'tsbuild login HOST', '--creds'],
      },
      '403': {
        fault: no(403, 'DENIED'),
        status: 4,
        words: [
          'HOST denies it (403)',
          'own words about DENIED',
          'hint: the credentials may not do that',
          'may say so of what it does not have',
        ],
      },
      '404': {
        fault: no(404, 'NAME_UNKNOWN'),
        status: 3,
        words: ['HOST has no such thing (404)', 'own words about NAME_UNKNOWN', 'hint: check the name'],
        absent: /exists/,
      },
    },
    ALL,
  );
  table(
    lab,
    {
      '401 to the wrong ones': {
        fault: no(401, 'UNAUTHORIZED', BASIC),
        status: 4,
        words: ['HOST wants credentials (401)', 'those of --creds do not do', 'hint: '],
      },
      '401 without saying how': {
        fault: no(401, 'UNAUTHORIZED'),
        status: 4,
        words: ['HOST wants credentials (401)', 'no WWW-Authenticate', 'hint: '],
      },
      '429 for a day': {
        fault: no(429, 'TOOMANYREQUESTS', { 'retry-after': '86400' }),
        flags: ['--retry', '3'],
        status: 3,
        words: ['too many requests (429)', 'asks to come back in 24 h'],
      },
      '500': { fault: no(500, 'UNKNOWN'), status: 3, words: ['HOST answered 500'] },
      'a web page': { fault: page(200), status: 3, words: ['web page', 'hint: is HOST a registry?'] },
      'a web page with 404': { fault: page(404), status: 3, words: ['(404)', 'a web page', 'hint: is HOST a registry?'] },
      silence: { fault: hang, flags: ['--timeout', '3s'], status: 3, words: ['HOST was silent for 3 s, the limit of --timeout', 'hint: '] },
      'a header without end': {
        fault: ({ response }) => {
          response.socket?.write('HTTP/1.1 200 OK\r\n');
          flood(response.socket, `X-More: ${'x'.repeat(1000)}\r\n`);
        },
        status: 3,
        words: ['the header of the answer of HOST is too large'],
      },
      'another protocol': {
        fault: ({ response }) => response.socket?.end('SSH-2.0-OpenSSH_9.2\r\n'),
        status: 3,
        words: ['HOST does not answer in HTTP', 'hint: is it a registry'],
      },
      nothing: { fault: ({ response }) => response.socket?.end(), status: 3, words: ['the connection to HOST broke'] },
      'redirects in a circle': {
        fault: (call) => (call.method === 'GET' || call.method === 'HEAD' ? redirect()(call) : false),
        status: 3,
        words: ['HOST redirects more than 10 times'],
      },
    },
    ['pull', 'push'],
  );
});

describe('a registry that leads elsewhere', () => {
  table(
    lab,
    {
      'to a file': {
        fault: on('manifest', redirect('file:///etc/passwd')),
        status: 3,
        words: ['HOST redirects to "file:///etc/passwd", which is no http URL'],
      },
      'to another scheme': {
        fault: on('GET blob', redirect('ftp://storage.example/x?token=s3cret')),
        status: 3,
        words: ['redirects to "ftp://storage.example/x', 'no http URL'],
        absent: /s3cret/,
      },
      nowhere: {
        fault: on('manifest', ({ response }) => response.writeHead(307).end()),
        status: 3,
        words: ['HOST answered 307'],
        absent: /leads to/,
      },
      'blobs, in a circle': { fault: on('blob', redirect()), status: 3, words: ['HOST redirects more than 10 times'] },
    },
    ['pull', 'build'],
  );
});

describe('a token service', () => {
  const realm = (url: string): Fault =>
    on('manifest', no(401, 'UNAUTHORIZED', { 'www-authenticate': `Bearer realm="${url}",service="s"` }));
  /** At the registry's own host. */
  const service = (fault: Fault): Fault => either(on('other', fault), (call) => realm(`http://${call.registry.host}/token`)(call));
  const elsewhere = spawnSync('getent', ['hosts', hostname()]).status === 0 ? hostname() : undefined;
  table(
    lab,
    {
      'that is a web page': {
        fault: service(page(200)),
        status: 3,
        words: ['could not get a token for HOST', 'has no token', 'hint: is HOST a token service?'],
      },
      'that answers 500': {
        fault: service(no(500, 'UNKNOWN')),
        status: 3,
        words: ['could not get a token for HOST: HOST answered 500', 'own words'],
      },
      'that refuses the credentials': {
        fault: service(no(401, 'UNAUTHORIZED')),
        status: 4,
        words: [
          'could not get a token for HOST',
          '(401)',
          'own words',
          'does not take the credentials of --creds',
          'hint: log in with tsbuild login HOST',
        ],
      },
      'that hangs': {
        fault: service(hang),
        flags: ['--timeout', '3s'],
        status: 3,
        words: ['could not get a token for HOST: HOST was silent for 3 s', 'hint: '],
      },
      'that has no token': {
        fault: service((call) => send(call, 200, 'application/json', '{"expires_in":300}')),
        status: 3,
        words: ['could not get a token for HOST', 'has no token'],
      },
      'that has no end': {
        fault: service((call) => send(call, 200, 'application/json', JSON.stringify({ token: 'x'.repeat(2 << 20) }))),
        status: 3,
        words: ['could not get a token for HOST', 'too large', 'at most 1.05 MB'],
      },
      'whose token does not do': {
        fault: service((call) => send(call, 200, 'application/json', '{"token":"tOken-of-this-test"}')),
        flags: ['-D'],
        status: 4,
        words: ['HOST wants credentials (401)', 'those of --creds do not do'],
        absent: /tOken-of/,
      },
      'of another scheme': {
        fault: realm('file:///etc/passwd'),
        status: 3,
        words: ['HOST names the token service "file:///etc/passwd", which is no http URL: it is not asked'],
      },
      'that is plain http': () => ({
        host: '0.0.0.0',
        authority,
        env: { SSL_CERT_FILE: authority.ca },
        fault: realm('http://auth.example/token'),
        status: 3,
        words: [
          'names the token service "http://auth.example/token", which is plain http: it is not asked',
          'hint: --insecure-registry HOST',
        ],
      }),
      ...(elsewhere === undefined
        ? {}
        : {
            'on the machine of the client': {
              host: elsewhere,
              flags: ['--tls-verify=false'],
              fault: realm('http://169.254.169.254/latest'),
              status: 3,
              words: ['names the token service "http://169.254.169.254/latest", which is an address of a private network'],
            },
          }),
    },
    ['pull'],
  );
});

describe('names and flags', () => {
  table(
    lab,
    {
      'a name with capitals': {
        path: '/Team/app:1',
        status: 2,
        words: ['invalid image name', '"Team" has upper-case letters', 'hint: write HOST/team/app:1'],
      },
      'a digest that is none': { path: '/team/app@sha256:12', status: 2, words: ['invalid image name', '"sha256:12" is no digest'] },
    },
    ALL,
  );
  table(
    lab,
    {
      'an authfile that is not there': {
        fault: no(401, 'UNAUTHORIZED', BASIC),
        isNobody: true,
        flags: ['--authfile', '/nonexistent/auth.json'],
        status: 2,
        words: ['/nonexistent/auth.json'],
      },
      'no patience': { flags: ['--timeout', '0'], status: 2, words: ['--timeout'] },
    },
    ['pull', 'push'],
  );
});
