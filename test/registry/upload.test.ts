import { getEventListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import * as fc from 'fast-check';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { BuildError } from '../../src/base/errors.js';
import type { Exchange, RegistryRequest } from '../../src/registry/exchange.js';
import type { BlobUpload } from '../../src/registry/repository.js';
import { uploadBlob } from '../../src/registry/upload.js';
import { scratchDir } from '../helpers/cli.js';
import { makeAuthority } from '../helpers/web.js';
import { FakeRegistry, noise, refuse, resetAfter, serveRightly, refusal, toDescriptor, type Call, type Fault } from './fake-registry.js';
import { openExchange } from './test-exchange.js';

const MIB = 1024 * 1024;
const SMALL = noise(100_000);
const LARGE = noise(2 * MIB);

/** Sources that were begun and not ended. */
let openCount = 0;
afterEach(async () => {
  await vi.waitFor(() => expect(openCount).toBe(0));
});

/** A blob's bytes as a store hands them out. */
function opener(bytes: Buffer, chunkBytes = 65_536): (offset: number) => AsyncGenerator<Buffer> {
  return async function* (offset) {
    openCount++;
    try {
      for (let at = offset; at < bytes.length; at += chunkBytes) yield await Promise.resolve(bytes.subarray(at, at + chunkBytes));
    } finally {
      openCount--;
    }
  };
}

interface Setting {
  readonly faults?: Readonly<Record<string, readonly Fault[]>>;
  readonly mountFrom?: readonly string[];
  readonly prepare?: (registry: FakeRegistry) => void;
  readonly upload?: Partial<Parameters<typeof uploadBlob>[2]>;
}

interface Outcome {
  readonly result: unknown;
  readonly log: readonly string[];
  readonly requests: readonly RegistryRequest[];
  readonly stored: Buffer | undefined;
  readonly sessions: number;
  readonly wireBytes: number;
}

async function run(bytes: Buffer, { faults = {}, mountFrom = [], prepare, upload = {} }: Setting = {}): Promise<Outcome> {
  await using registry = await FakeRegistry.start();
  await using line = openExchange(registry.origin);
  for (const [method, list] of Object.entries(faults)) registry.fail(method, ...list);
  prepare?.(registry);
  const requests: RegistryRequest[] = [];
  const exchange: Exchange = {
    host: line.exchange.host,
    send: (request) => {
      requests.push(request);
      return line.exchange.send(request);
    },
    isPassing: (error) => line.exchange.isPassing(error),
    backOff: (attempt, error, signal) => line.exchange.backOff(attempt, error, signal),
  };
  let wireBytes = 0;
  const onBytes = (count: number): void => void (wireBytes += count);
  const descriptor = toDescriptor(bytes);
  const result = await uploadBlob(exchange, 'app', { descriptor, open: opener(bytes), mountFrom, onBytes, ...upload }).catch(
    (error: unknown) => error,
  );
  const { log, blobs, uploads } = registry;
  return { result, log, requests, stored: blobs.get(descriptor.digest), sessions: uploads.size, wireBytes };
}

/** Takes a whole request, keeps so many of its bytes, and says so. */
function keepOnly(sizeBytes: number): Fault {
  return async ({ request, response, url, registry }) => {
    const id = url.pathname.split('/').at(-1) ?? '';
    const upload = registry.uploads.get(id);
    const bytes = Buffer.concat((await request.toArray()) as Buffer[]);
    if (upload === undefined) return;
    upload.bytes = Buffer.concat([upload.bytes, bytes.subarray(0, sizeBytes)]);
    upload.turn++;
    response.writeHead(202, { location: registry.location(id), range: `0-${upload.bytes.length - 1}` }).end();
  };
}

describe('a registry that keeps less than it is sent', () => {
  test('gets the rest, and nothing is counted twice', async () => {
    const outcome = await run(LARGE, { faults: { PATCH: [keepOnly(1000), keepOnly(5000)] } });
    expect(outcome.result).toBe('uploaded');
    expect(outcome.stored?.equals(LARGE)).toBe(true);
    expect(outcome.log.filter((line) => line.startsWith('PATCH'))).toEqual([
      'PATCH',
      `PATCH 1000-${LARGE.length - 1}`,
      `PATCH 6000-${LARGE.length - 1}`,
    ]);
    expect(outcome.wireBytes).toBe(LARGE.length);
  });

  test('and never more is given up in the end', async () => {
    const outcome = await run(LARGE, { faults: { PATCH: [keepOnly(1000), ...Array.from({ length: 9 }, () => keepOnly(0))] } });
    expect(String(outcome.result)).toContain(`the registry kept 1000 of ${LARGE.length} bytes (after 4 attempts)`);
    expect(outcome.sessions).toBe(0);
  });

  test('in words alone is believed by what it says when it is asked', async () => {
    const lie: Fault = async ({ request, response, url, registry }) => {
      const id = url.pathname.split('/').at(-1) ?? '';
      const upload = registry.uploads.get(id);
      const bytes = Buffer.concat((await request.toArray()) as Buffer[]);
      if (upload === undefined) return;
      Object.assign(upload, { bytes, turn: upload.turn + 1 });
      response.writeHead(202, { location: registry.location(id), range: '0-9' }).end();
    };
    const outcome = await run(LARGE, { faults: { PATCH: [lie] } });
    expect([outcome.result, outcome.log]).toEqual(['uploaded', ['HEAD', 'POST', 'PATCH', 'GET', 'PUT']]);
  });
});

describe('a blob is in the repository in the end', () => {
  test.each<[title: string, bytes: Buffer, setting: Setting, result: string, log: readonly string[]]>([
    ['when it was there', SMALL, { prepare: (registry) => registry.add(SMALL) }, 'exists', ['HEAD']],
    ['small', SMALL, {}, 'uploaded', ['HEAD', 'POST', 'PUT']],
    ['empty', Buffer.alloc(0), {}, 'uploaded', ['HEAD', 'POST', 'PUT']],
    ['large', LARGE, {}, 'uploaded', ['HEAD', 'POST', 'PATCH', 'PUT']],
    ['lent', LARGE, { mountFrom: ['base'], prepare: (registry) => (registry.lends = true) }, 'mounted', ['HEAD', 'POST from base']],
    ['not lent: the upload that is offered instead is used', SMALL, { mountFrom: ['base'] }, 'uploaded', ['HEAD', 'POST from base', 'PUT']],
    [
      'lent by the second of three',
      SMALL,
      { mountFrom: ['a', 'b', 'c'], faults: { POST: [refusal(404, 'NAME_UNKNOWN')] }, prepare: (registry) => (registry.lends = true) },
      'mounted',
      ['HEAD', 'POST from a', 'POST from b'],
    ],
    [
      'lent by none: the unused upload is taken back',
      SMALL,
      { mountFrom: ['a', 'b'] },
      'uploaded',
      ['HEAD', 'POST from a', 'POST from b', 'DELETE', 'PUT'],
    ],
    ['never from itself', SMALL, { mountFrom: ['app'] }, 'uploaded', ['HEAD', 'POST', 'PUT']],
    [
      'when the lender is forbidden',
      SMALL,
      { mountFrom: ['secret'], faults: { POST: [refusal(403, 'DENIED')] } },
      'uploaded',
      ['HEAD', 'POST from secret', 'POST', 'PUT'],
    ],
    [
      'when the lender wants other credentials',
      SMALL,
      { mountFrom: ['secret'], faults: { POST: [refusal(401)] } },
      'uploaded',
      ['HEAD', 'POST from secret', 'POST', 'PUT'],
    ],
    ['when the POST is answered with 201', SMALL, { faults: { POST: [has] } }, 'uploaded', ['HEAD', 'POST', 'HEAD']],
    [
      'when the token expires in the middle',
      LARGE,
      { faults: { PATCH: [refusal(401, 'UNAUTHORIZED', { 'www-authenticate': 'Basic realm="test"' })] } },
      'uploaded',
      ['HEAD', 'POST', 'PATCH', 'PATCH', 'PUT'],
    ],
    [
      'when the connection breaks in the middle: from there on',
      LARGE,
      { faults: { PATCH: [resetAfter(MIB, { keeps: true })] } },
      'uploaded',
      ['HEAD', 'POST', 'PATCH', 'GET', `PATCH ${MIB}-${2 * MIB - 1}`, 'PUT'],
    ],
    [
      'when nothing of it was kept: anew',
      LARGE,
      { faults: { PATCH: [resetAfter(MIB, { keeps: false })] } },
      'uploaded',
      ['HEAD', 'POST', 'PATCH', 'GET', 'DELETE', 'POST', 'PATCH', 'PUT'],
    ],
    [
      'when the session is lost: anew',
      LARGE,
      { faults: { PATCH: [loseSession] } },
      'uploaded',
      ['HEAD', 'POST', 'PATCH', 'GET', 'POST', 'PATCH', 'PUT'],
    ],
    [
      'when its place turned out to be out of date: anew',
      LARGE,
      { faults: { PATCH: [resetAfter(MIB, { keeps: true })], GET: [refusal(416, 'RANGE_INVALID')] } },
      'uploaded',
      ['HEAD', 'POST', 'PATCH', 'GET', 'DELETE', 'POST', 'PATCH', 'PUT'],
    ],
    [
      'after a 503 to the PATCH',
      LARGE,
      { faults: { PATCH: [refusal(503)] } },
      'uploaded',
      ['HEAD', 'POST', 'PATCH', 'GET', 'DELETE', 'POST', 'PATCH', 'PUT'],
    ],
    [
      'after a 503 to the PUT: only that again',
      LARGE,
      { faults: { PUT: [refusal(503)] } },
      'uploaded',
      ['HEAD', 'POST', 'PATCH', 'PUT', 'HEAD', 'GET', 'PUT'],
    ],
    ['when the answer to the PUT is lost', LARGE, { faults: { PUT: [putAndReset] } }, 'uploaded', ['HEAD', 'POST', 'PATCH', 'PUT', 'HEAD']],
    ['when the answer to a small PUT is lost', SMALL, { faults: { PUT: [putAndReset] } }, 'uploaded', ['HEAD', 'POST', 'PUT', 'HEAD']],
    [
      'when a small PUT breaks',
      SMALL,
      { faults: { PUT: [resetAfter(1, { keeps: true })] } },
      'uploaded',
      ['HEAD', 'POST', 'PUT', 'HEAD', 'DELETE', 'POST', 'PUT'],
    ],
    [
      'when a resumed upload was put together wrongly: anew',
      LARGE,
      { faults: { PATCH: [resetAfter(MIB, { keeps: true })], GET: [claims(MIB + 7)] } },
      'uploaded',
      ['HEAD', 'POST', 'PATCH', 'GET', `PATCH ${MIB + 7}-${2 * MIB - 1}`, 'GET', `PATCH ${MIB}-${2 * MIB - 1}`, 'PUT'],
    ],
    [
      'after a 503 to HEAD and POST',
      SMALL,
      { faults: { HEAD: [refusal(503)], POST: [refusal(503)] } },
      'uploaded',
      ['HEAD', 'HEAD', 'POST', 'POST', 'PUT'],
    ],
  ])('%s', async (_title, bytes, setting, result, log) => {
    const outcome = await run(bytes, setting);
    expect(outcome.result).toBe(result);
    expect(outcome.log).toEqual(log);
    if (result === 'uploaded' && !setting.faults?.['POST']?.includes(has)) expect(outcome.stored?.equals(bytes)).toBe(true);
    expect(outcome.sessions).toBe(0);
  });

  test.each<[title: string, toLocation: (path: string, registry: FakeRegistry) => string]>([
    ['absolute', (path, { origin }) => origin + path],
    ['relative to the host', (path) => path],
    ['relative to the path', (path) => path.replace('/v2/app/blobs/uploads/', './')],
    ['with a fragment', (path) => `${path}#here`],
  ])('with a Location that is %s', async (_title, toLocation) => {
    const prepare = (registry: FakeRegistry): void => {
      registry.toLocation = (path) => (path.includes('/u1?_state=0') ? toLocation(path, registry) : path);
    };
    expect(await run(SMALL, { prepare })).toMatchObject({ result: 'uploaded', log: ['HEAD', 'POST', 'PUT'] });
  });

  test('and the query of the Location is kept to the letter', async () => {
    const queries: string[] = [];
    const spy: Fault = (call) => {
      queries.push(call.request.url ?? '');
      return serveRightly(call);
    };
    const { result } = await run(LARGE, { faults: { PATCH: [spy], PUT: [spy] } });
    expect(result).toBe('uploaded');
    expect(queries).toEqual([
      '/v2/app/blobs/uploads/u1?_state=0%2F%3D',
      `/v2/app/blobs/uploads/u1?_state=1%2F%3D&digest=${encodeURIComponent(toDescriptor(LARGE).digest)}`,
    ]);
  });

  const sizes = { smallBytes: 1000, chunkBytes: 20_000 };

  test('in chunks no smaller than the registry wants', async () => {
    const prepare = (registry: FakeRegistry): void => void (registry.beginHeaders = { 'oci-chunk-min-length': '40000' });
    const { result, log, stored } = await run(SMALL, { prepare, faults: { PATCH: [refusal(413)] }, upload: { sizes } });
    expect(result).toBe('uploaded');
    expect(stored?.equals(SMALL)).toBe(true);
    const anew = ['GET', 'DELETE', 'POST'];
    expect(log).toEqual(['HEAD', 'POST', 'PATCH', ...anew, 'PATCH 0-39999', 'PATCH 40000-79999', 'PATCH 80000-99999', 'PUT']);
  });

  test('in chunks after a break, of which every one may break', async () => {
    const PATCH = [resetAfter(30_000, { keeps: true }), serveRightly, resetAfter(5000, { keeps: true })];
    const { result, log, stored } = await run(SMALL, { faults: { PATCH }, upload: { sizes } });
    expect(result).toBe('uploaded');
    expect(stored?.equals(SMALL)).toBe(true);
    const broken = ['PATCH', 'GET', 'PATCH 30000-49999', 'PATCH 50000-69999', 'GET'];
    expect(log).toEqual(['HEAD', 'POST', ...broken, 'PATCH 55000-74999', 'PATCH 75000-94999', 'PATCH 95000-99999', 'PUT']);
  });

  test('with the rights that each request needs, and the bytes of the wire counted', async () => {
    const { requests, wireBytes } = await run(SMALL, { mountFrom: ['base'] });
    const own = { type: 'repository', name: 'app', actions: ['pull', 'push'] };
    const lender = { type: 'repository', name: 'base', actions: ['pull'] };
    expect(requests.map(({ scopes }) => scopes)).toEqual([[own], [own, lender], [own]]);
    expect(wireBytes).toBe(SMALL.length);
  });

  test('and more breaks than attempts are no matter as long as bytes arrive', async () => {
    const faults = Array.from({ length: 8 }, () => resetAfter(200_000, { keeps: true }));
    expect(await run(LARGE, { faults: { PATCH: faults } })).toMatchObject({ result: 'uploaded', sessions: 0 });
  });
});

/** Says that it has the blob. */
function has({ request, response, registry }: Call): void {
  request.resume();
  registry.add(SMALL);
  response.writeHead(201).end();
}

function loseSession({ request, response, registry }: Call): void {
  registry.uploads.clear();
  request.resume();
  refuse(response, 404, 'BLOB_UPLOAD_UNKNOWN');
}

async function putAndReset(call: Call): Promise<void> {
  const silent = { writeHead: () => ({ end: () => call.response.socket?.resetAndDestroy() }) };
  await serveRightly({ ...call, response: silent as unknown as Call['response'] });
}

/** Says that so many bytes of the upload are there. */
function claims(sizeBytes: number): Fault {
  return ({ response, registry }) => response.writeHead(204, { location: registry.location('u1'), range: `0-${sizeBytes - 1}` }).end();
}

describe('a blob is refused', () => {
  const many = (fault: Fault): readonly Fault[] => Array.from({ length: 9 }, () => fault);
  test.each<[title: string, bytes: Buffer, setting: Setting, want: { kind: string; message: RegExp }, log: readonly string[]]>([
    [
      'by a quota, in the words of the registry',
      LARGE,
      { faults: { PUT: [refusal(507, 'QUOTA_EXCEEDED'), ...many(refusal(507, 'QUOTA_EXCEEDED'))] } },
      {
        kind: 'registry',
        message: /could not upload blob sha256:\w+ to .*\/app: .*507: QUOTA_EXCEEDED: quota exceeded \(after 4 attempts\)/,
      },
      ['HEAD', 'POST', 'PATCH', 'PUT', ...Array.from({ length: 3 }, () => ['HEAD', 'GET', 'PUT']).flat(), 'DELETE'],
    ],
    [
      'for its size',
      LARGE,
      { faults: { PATCH: [refusal(413, 'TOO_LARGE')] } },
      { kind: 'registry', message: /413/ },
      ['HEAD', 'POST', 'PATCH', 'DELETE'],
    ],
    [
      'for want of rights',
      SMALL,
      { faults: { POST: many(refusal(403, 'DENIED')) } },
      { kind: 'credentials', message: /DENIED/ },
      ['HEAD', 'POST'],
    ],
    ['before a byte', SMALL, { faults: { HEAD: many(refusal(401)) } }, { kind: 'credentials', message: /401/ }, ['HEAD']],
    [
      'for its digest',
      SMALL,
      { faults: { PUT: [refusal(400, 'DIGEST_INVALID')] } },
      { kind: 'registry', message: /DIGEST_INVALID/ },
      ['HEAD', 'POST', 'PUT', 'DELETE'],
    ],
    [
      'by a registry that stores something else',
      SMALL,
      {
        faults: {
          PUT: [
            ({ request, response }) =>
              request.resume().on('end', () => response.writeHead(201, { 'docker-content-digest': toDescriptor(LARGE).digest }).end()),
          ],
        },
      },
      { kind: 'registry', message: /stored it as sha256:\w{64}, want sha256:\w{64}/ },
      ['HEAD', 'POST', 'PUT', 'DELETE'],
    ],
    [
      'by a registry that does not say where to',
      SMALL,
      { faults: { POST: [({ request, response }) => request.resume().on('end', () => response.writeHead(202).end())] } },
      { kind: 'registry', message: /began an upload without a usable Location/ },
      ['HEAD', 'POST'],
    ],
    [
      'after breaks without end',
      SMALL,
      { faults: { PUT: many(resetAfter(1, { keeps: true })) } },
      { kind: 'registry', message: /the connection to 127.* broke .* \(after 4 attempts\)$/ },
      ['HEAD', 'POST', 'PUT', ...Array.from({ length: 3 }, () => ['HEAD', 'DELETE', 'POST', 'PUT']).flat(), 'DELETE'],
    ],
  ])('%s', async (_title, bytes, setting, { kind, message }, log) => {
    const outcome = await run(bytes, setting);
    expect(outcome.result).toMatchObject({ kind, message: expect.stringMatching(message) as string });
    expect(outcome.log).toEqual(log);
    expect(outcome.stored).toBeUndefined();
  });

  test.each<[title: string, open: BlobUpload['open'], message: RegExp]>([
    ['it is shorter than it says', opener(LARGE.subarray(1)), /it has less than 2097152 bytes$/],
    ['it is longer than it says', opener(Buffer.concat([LARGE, SMALL])), /it has more than 2097152 bytes$/],
    ['it cannot be read', failing, /^no such luck$/],
  ])('by nobody, when %s: it is not tried again', async (_title, open, message) => {
    const { result, log } = await run(LARGE, { upload: { open } });
    expect(result).toMatchObject({ message: expect.stringMatching(message) as string });
    // Which connection the registry reads first is a matter of chance.
    expect(log.toSorted()).toEqual(['DELETE', 'HEAD', 'PATCH', 'POST']);
  });
});

async function* failing(): AsyncGenerator<Buffer> {
  yield await Promise.resolve(SMALL);
  throw new Error('no such luck');
}

test.each<[title: string, method: string]>([
  ['of the bytes', 'PATCH'],
  ['of the end', 'PUT'],
])('an abort in the middle %s ends it with its reason, and what was sent is taken back', async (_title, method) => {
  const controller = new AbortController();
  const reason = new BuildError('cancelled', 'the build was cancelled');
  const stop: Fault = () => setTimeout(() => controller.abort(reason), 20);
  const { result, log, sessions } = await run(LARGE, { faults: { [method]: [stop] }, upload: { signal: controller.signal } });
  expect(result).toBe(reason);
  expect(log.at(-1)).toBe('DELETE');
  expect(sessions).toBe(0);
});

test('an abort of the whole client takes back what was sent, too', async () => {
  await using registry = await FakeRegistry.start();
  const controller = new AbortController();
  const { signal } = controller;
  await using line = openExchange(registry.origin, { signal });
  const reason = new BuildError('cancelled', 'the build was cancelled');
  registry.fail('PATCH', () => setTimeout(() => controller.abort(reason), 20));
  await expect(uploadBlob(line.exchange, 'app', { descriptor: toDescriptor(LARGE), open: opener(LARGE), signal })).rejects.toBe(reason);
  expect(registry.log.at(-1)).toBe('DELETE');
  expect(getEventListeners(signal, 'abort')).toHaveLength(0);
});

test('a registry that reads slowly is not given up, nor sent more than it can take', async () => {
  await using registry = await FakeRegistry.start();
  await using line = openExchange(registry.origin, { timeoutMs: 400 });
  const bytes = Buffer.alloc(40 * MIB, 'tsbuild');
  let [sentBytes, sentEarly] = [0, 0];
  registry.fail('PATCH', async ({ request, response }) => {
    await sleep(200);
    sentEarly = sentBytes;
    // 40 MiB in 1.2 s
    for await (const chunk of request) await sleep((chunk as Buffer).length / (32 * 1024));
    response.writeHead(202, { location: registry.location('u1') }).end();
  });
  registry.fail('PUT', ({ response }) => response.writeHead(201).end());
  const onBytes = (count: number): void => void (sentBytes += count);
  expect(await uploadBlob(line.exchange, 'app', { descriptor: toDescriptor(bytes), open: opener(bytes), onBytes })).toBe('uploaded');
  expect(sentEarly).toBeLessThan(bytes.length / 2);
  expect(registry.log).toEqual(['HEAD', 'POST', 'PATCH', 'PUT']);
});

describe('over TLS', () => {
  const scratch = scratchDir('tsbuild-upload-');
  afterAll(() => scratch[Symbol.dispose]());
  const authority = makeAuthority(scratch.path);

  test.each<[title: string, change: (url: URL) => void, want: unknown]>([
    ['one that its proxy does not tell about TLS goes on over TLS', () => undefined, 'uploaded'],
    ['with the port of plain http, too', (url) => (url.port = ''), 'uploaded'],
    [
      'elsewhere, nothing is sent without TLS',
      (url) => (url.hostname = 'localhost'),
      expect.objectContaining({ message: expect.stringMatching(/began an upload without a usable Location$/) as string }),
    ],
  ])('a Location of plain http: %s', async (_title, change, want) => {
    await using registry = await FakeRegistry.start(authority);
    await using line = openExchange(registry.origin);
    registry.toLocation = (path) => {
      const url = new URL(path, registry.origin.replace('https:', 'http:'));
      change(url);
      return url.href;
    };
    const upload = uploadBlob(line.exchange, 'app', { descriptor: toDescriptor(SMALL), open: opener(SMALL) });
    expect(await upload.catch((error: unknown) => error)).toEqual(want);
  });
});

test('breaks at any bytes never cost or double one', async () => {
  const fault = fc.oneof(
    fc.record({ at: fc.integer({ min: 1, max: MIB }), keeps: fc.boolean() }).map(({ at, keeps }) => resetAfter(at, { keeps })),
    fc.constantFrom<Fault>(refusal(503), loseSession),
  );
  const faults = fc.record({
    PATCH: fc.array(fault, { maxLength: 3 }),
    PUT: fc.array(fc.constantFrom<Fault>(refusal(503), putAndReset), { maxLength: 1 }),
  });
  await fc.assert(
    fc.asyncProperty(faults, async ({ PATCH, PUT }) => {
      const { result, stored, sessions } = await run(LARGE, { faults: { PATCH, PUT } });
      // Nothing is promised but that no wrong byte is stored, and that three failures and one are within four attempts.
      if (PATCH.length + PUT.length < 4) expect(result).toBe('uploaded');
      if (result === 'uploaded') expect(stored?.equals(LARGE)).toBe(true);
      expect(sessions).toBe(0);
    }),
    { numRuns: 25 },
  );
});
