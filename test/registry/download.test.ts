import { getEventListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BuildError } from '../../src/base/errors.js';
import type { Descriptor } from '../../src/oci/types.js';
import { parseContentRange, parseUploadRange } from '../../src/registry/content-range.js';
import { downloadBlob, downloadFrom } from '../../src/registry/download.js';
import { FakeRegistry, breakAfter, noise, sendHeaders, serveRightly, refusal, toDescriptor, wanted, type Fault } from './fake-registry.js';
import { openExchange } from './test-exchange.js';

const BLOB = noise(300_000);
const SIZE = BLOB.length;

/** Sends a whole blob in chunked encoding, cut or grown. */
function chunked(change: (bytes: Buffer) => Buffer): Fault {
  return ({ response, ...call }) => {
    const { blob, start } = wanted({ response, ...call });
    response.writeHead(start > 0 ? 206 : 200, start > 0 ? { 'content-range': `bytes ${start}-${SIZE - 1}/${SIZE}` } : {});
    response.write(change(blob.subarray(start)));
    response.end();
  };
}

const wholeInSpiteOfRange: Fault = (call) => {
  call.response.writeHead(200, { 'content-length': SIZE });
  call.response.end(wanted(call).blob);
};

/** A 206 that says this of itself, and sends the whole blob. */
function ranged(contentRange: string | undefined): Fault {
  return (call) => {
    call.response.writeHead(206, contentRange === undefined ? {} : { 'content-range': contentRange });
    call.response.end(wanted(call).blob);
  };
}

/** So many bytes, then silence. */
function hangAfter(sizeBytes: number): Fault {
  return (call) => {
    const asked = wanted(call);
    sendHeaders(call, asked);
    call.response.write(asked.blob.subarray(asked.start, asked.start + sizeBytes));
  };
}

/** In good order, but not all of it: what a cache kept of a connection that broke. */
const shorter: Fault = (call) => {
  call.response.writeHead(200, { 'content-length': 1000 });
  call.response.end(wanted(call).blob.subarray(0, 1000));
};

const garbage: Fault = ({ response }) => {
  response.socket?.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnot a number\r\n');
};

/** A 206 of the first so many bytes after those that are asked for. */
function partOf(sizeBytes: number): Fault {
  return (call) => {
    const { blob, start } = wanted(call);
    call.response.writeHead(206, { 'content-range': `bytes ${start}-${start + sizeBytes - 1}/${SIZE}`, 'content-length': sizeBytes });
    call.response.end(blob.subarray(start, start + sizeBytes));
  };
}

interface Outcome {
  readonly bytes: Buffer;
  readonly error: unknown;
  readonly log: readonly string[];
  readonly waits: readonly number[];
  readonly wireBytes: number;
}

async function run(
  faults: readonly Fault[],
  { blob = BLOB, descriptor = toDescriptor(blob), retries = 3, timeoutMs = 30_000 } = {},
): Promise<Outcome> {
  await using registry = await FakeRegistry.start();
  await using line = openExchange(registry.origin, { retries, timeoutMs });
  registry.add(blob);
  registry.blobs.set(descriptor.digest, blob);
  registry.fail('GET', ...faults);
  const chunks: Buffer[] = [];
  let wireBytes = 0;
  let error: unknown;
  try {
    const onBytes = (count: number): void => void (wireBytes += count);
    for await (const chunk of downloadBlob(line.exchange, 'app', { descriptor, onBytes })) chunks.push(chunk);
  } catch (thrown) {
    error = thrown;
  }
  return { bytes: Buffer.concat(chunks), error, log: registry.log, waits: line.waits, wireBytes };
}

describe('a blob arrives whole', () => {
  test.each<[title: string, faults: readonly Fault[], log: readonly string[]]>([
    ['from a registry without faults', [], ['GET']],
    ['after a break', [breakAfter(100_000)], ['GET', 'GET bytes=100000-']],
    ['after a break before the first byte', [breakAfter(0)], ['GET', 'GET']],
    [
      'after more breaks than attempts, each with new bytes',
      Array.from({ length: 8 }, () => breakAfter(20_000)),
      ['GET', ...Array.from({ length: 8 }, (_, index) => `GET bytes=${(index + 1) * 20_000}-`)],
    ],
    ['when a chunked body ends early', [chunked((bytes) => bytes.subarray(0, 70_000))], ['GET', 'GET bytes=70000-']],
    ['from a registry without ranges', [breakAfter(100_000), wholeInSpiteOfRange], ['GET', 'GET bytes=100000-']],
    ['when a range begins elsewhere', [breakAfter(9), ranged(`bytes 0-${SIZE - 1}/${SIZE}`)], ['GET', 'GET bytes=9-', 'GET']],
    ['when a 206 does not say what it is', [breakAfter(9), ranged(undefined)], ['GET', 'GET bytes=9-', 'GET']],
    ['when a 206 says nonsense', [breakAfter(9), ranged('lines 1-2')], ['GET', 'GET bytes=9-', 'GET']],
    ['when a range is refused', [breakAfter(9), refusal(416)], ['GET', 'GET bytes=9-', 'GET']],
    ['when a range is answered in part', [breakAfter(9), partOf(1000)], ['GET', 'GET bytes=9-', 'GET bytes=1009-']],
    ['after a shorter one', [shorter], ['GET', 'GET']],
    ['after a 503', [refusal(503)], ['GET', 'GET']],
    ['after a 429 to a range', [breakAfter(9), refusal(429)], ['GET', 'GET bytes=9-', 'GET bytes=9-']],
  ])('%s', async (_title, faults, log) => {
    const outcome = await run(faults);
    expect(outcome.error).toBeUndefined();
    expect(outcome.bytes.equals(BLOB)).toBe(true);
    expect(outcome.log).toEqual(log);
  });

  test('when silence comes in its middle', async () => {
    const outcome = await run([hangAfter(50_000)], { timeoutMs: 500 });
    expect(outcome).toMatchObject({ error: undefined, log: ['GET', 'GET bytes=50000-'] });
    expect(outcome.bytes.equals(BLOB)).toBe(true);
  });

  test('of no bytes', async () => {
    const outcome = await run([], { blob: Buffer.alloc(0) });
    expect(outcome).toMatchObject({ error: undefined, log: ['GET'] });
  });

  test('and the bytes of the wire are counted, twice where they came twice', async () => {
    const outcome = await run([breakAfter(100_000), wholeInSpiteOfRange]);
    expect(outcome.wireBytes).toBe(SIZE + 100_000);
  });

  test('and its attempts begin anew with every byte', async () => {
    const outcome = await run([breakAfter(1), refusal(503), refusal(503), breakAfter(1), refusal(503), refusal(503)]);
    expect(outcome.error).toBeUndefined();
    expect(outcome.waits).toEqual([1, 2, 3, 1, 2, 3]);
  });
});

describe('a blob is not to be had', () => {
  const truncated = BLOB.subarray(0, 1000);
  test.each<[title: string, faults: readonly Fault[], blob: Buffer, message: RegExp, requests: number]>([
    ['too long at once', [], Buffer.concat([BLOB, BLOB]), /got 600000 bytes, want 300000$/, 1],
    ['too short', [], truncated, /got 1000 bytes, want 300000 \(after 4 attempts\)$/, 4],
    ['too long in the end', [chunked((bytes) => Buffer.concat([bytes, Buffer.from('x')]))], BLOB, /got more than 300000 bytes$/, 1],
    ['of another size, by its range', [breakAfter(9), ranged('bytes 9-999999/1000000')], BLOB, /got 1000000 bytes, want 300000$/, 2],
    ['other bytes', [], Buffer.from(BLOB).fill(0, 5, 6), /have digest sha256:[0-9a-f]{64}, want sha256:[0-9a-f]{64}$/, 1],
    ['other bytes after a break', [breakAfter(9), ranged(`bytes 9-${SIZE - 1}/${SIZE}`)], BLOB, /got more than 300000 bytes$/, 2],
    ['404', [refusal(404, 'BLOB_UNKNOWN')], BLOB, /could not read blob sha256:.* of 127\.0\.0\.1:\d+\/app: .*\(404\): BLOB_UNKNOWN/, 1],
    ['404 to a range', [breakAfter(9), refusal(404, 'BLOB_UNKNOWN')], BLOB, /404/, 2],
    ['503 to the end', Array.from({ length: 9 }, () => refusal(503)), BLOB, /503/, 4],
    [
      'breaks without a byte',
      Array.from({ length: 9 }, () => breakAfter(0)),
      BLOB,
      /broke .* after 0 of 300000 bytes \(after 4 attempts\)$/,
      4,
    ],
    ['garbage', [garbage], BLOB, /does not answer in HTTP .*chunk size.* after 0 of 300000 bytes/i, 1],
    ['a range of no use', [breakAfter(9), ...Array.from({ length: 9 }, () => refusal(416))], BLOB, /416/, 3],
  ])('%s', async (_title, faults, blob, message, requests) => {
    const { error, log } = await run(faults, { blob, descriptor: toDescriptor(BLOB) });
    expect(error).toBeInstanceOf(BuildError);
    expect(error).toMatchObject({ message: expect.stringMatching(message) as string });
    expect(log).toHaveLength(requests);
  });

  test('and a web page is called one', async () => {
    const page: Fault = ({ response }) => response.writeHead(200, { 'content-type': 'text/html', 'content-length': '4' }).end('<p/>');
    const { error } = await run([page]);
    expect(error).toMatchObject({
      kind: 'registry',
      message: expect.stringMatching(/got 4 bytes of a web page \(text\/html\), want/) as string,
    });
  });

  test('nor compressed on the way without being asked', async () => {
    await using registry = await FakeRegistry.start();
    await using line = openExchange(registry.origin);
    const { exchange } = line;
    const descriptor = registry.add(BLOB);
    let encodings: string | undefined;
    registry.fail('GET', (call) => {
      encodings = call.request.headers['accept-encoding'];
      return serveRightly(call);
    });
    for await (const chunk of downloadBlob(exchange, 'app', { descriptor })) expect(chunk.length).toBeGreaterThan(0);
    expect(encodings).toBe('identity');
  });
});

describe('an abort', () => {
  test.each<[title: string, fault: Fault]>([
    ['in the middle of a body', hangAfter(1000)],
    ['before the answer', () => undefined],
  ])('%s ends it at once, with its reason', async (_title, fault) => {
    await using registry = await FakeRegistry.start();
    await using line = openExchange(registry.origin);
    const { exchange } = line;
    const descriptor = registry.add(BLOB);
    registry.fail('GET', fault);
    const controller = new AbortController();
    const reason = new BuildError('cancelled', 'the build was cancelled');
    setTimeout(() => controller.abort(reason), 50);
    const reading = (async () => {
      for await (const chunk of downloadBlob(exchange, 'app', { descriptor, signal: controller.signal })) expect(chunk.length).toBe(1000);
    })();
    await expect(reading).rejects.toBe(reason);
  });

  test('leaves no listener behind, whether blobs end well, badly or early', async () => {
    await using registry = await FakeRegistry.start();
    await using line = openExchange(registry.origin);
    const { exchange } = line;
    const descriptor = registry.add(BLOB);
    const { signal } = new AbortController();
    const read = async (ending: string): Promise<void> => {
      for await (const chunk of downloadBlob(exchange, 'app', { descriptor, signal })) {
        expect(getEventListeners(signal, 'abort').length).toBeGreaterThan(0);
        if (ending === 'early' && chunk.length > 0) break;
      }
    };
    await read('well');
    await read('early');
    registry.fail('GET', breakAfter(9), refusal(404));
    await expect(read('badly')).rejects.toThrow('404');
    registry.fail('GET', breakAfter(9));
    await read('after a break');
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });
});

test('who stops reading early ends the connection', async () => {
  await using registry = await FakeRegistry.start();
  await using line = openExchange(registry.origin);
  const { exchange } = line;
  const descriptor = registry.add(BLOB);
  const closed = new Promise((resolve) => {
    registry.fail('GET', (call) => {
      call.response.on('close', resolve);
      return hangAfter(5000)(call);
    });
  });
  for await (const chunk of downloadBlob(exchange, 'app', { descriptor })) {
    expect(chunk.length).toBe(5000);
    break;
  }
  await closed;
});

test('a slow reader is not sent more than it can take, nor given up', async () => {
  const big = Buffer.alloc(60_000_000, 'tsbuild');
  await using registry = await FakeRegistry.start();
  await using line = openExchange(registry.origin, { timeoutMs: 400 });
  const descriptor = registry.add(big);
  let sentBytes = (): number => 0;
  registry.fail('GET', (call) => {
    const { socket } = call.response;
    // Node counts what waits in this process as written.
    sentBytes = () => (socket?.bytesWritten ?? 0) - (socket?.writableLength ?? 0);
    return serveRightly(call);
  });
  let [sizeBytes, sentEarly] = [0, 0];
  for await (const chunk of downloadBlob(line.exchange, 'app', { descriptor })) {
    if (sizeBytes === 0) {
      await sleep(1200);
      sentEarly = sentBytes();
    }
    sizeBytes += chunk.length;
  }
  expect(sizeBytes).toBe(big.length);
  expect(sentEarly).toBeLessThan(big.length / 2);
  expect(registry.log).toEqual(['GET']);
});

describe('of several places', () => {
  async function fromTwo(
    first: readonly Fault[],
    blob = BLOB,
    failed: string[] = [],
  ): Promise<{ readonly bytes: Buffer; readonly logs: string[][]; failed: string[] }> {
    await using mirror = await FakeRegistry.start();
    await using origin = await FakeRegistry.start();
    await using mirrorLine = openExchange(mirror.origin);
    await using originLine = openExchange(origin.origin);
    const descriptor: Descriptor = origin.add(BLOB);
    mirror.blobs.set(descriptor.digest, blob);
    mirror.fail('GET', ...first);
    const places = [
      { exchange: mirrorLine.exchange, repositoryPath: 'cached/app' },
      { exchange: originLine.exchange, repositoryPath: 'app' },
    ];
    const chunks: Buffer[] = [];
    const onPlaceFailed = (_place: unknown, error: unknown): void => void failed.push((error as Error).message);
    for await (const chunk of downloadFrom(places, { descriptor, onPlaceFailed })) chunks.push(chunk);
    return { bytes: Buffer.concat(chunks), logs: [mirror.log, origin.log], failed };
  }

  test.each<[title: string, faults: readonly Fault[], logs: string[][], failure: RegExp]>([
    ['not there', [refusal(404)], [['GET'], ['GET']], /404/],
    ['forbidden', [refusal(403)], [['GET'], ['GET']], /403/],
    [
      'breaking',
      [breakAfter(77), ...Array.from({ length: 9 }, () => breakAfter(0))],
      [['GET', ...Array<string>(3).fill('GET bytes=77-')], ['GET bytes=77-']],
      /broke .* after 77/,
    ],
  ])('the next one goes on where the first is %s', async (_title, faults, logs, failure) => {
    const outcome = await fromTwo(faults);
    expect(outcome.bytes.equals(BLOB)).toBe(true);
    expect(outcome.logs).toEqual(logs);
    expect(outcome.failed).toEqual([expect.stringMatching(failure)]);
  });

  test('one that was wrong in the end is told of', async () => {
    const wrong = Buffer.from(BLOB).fill(0, 7, 8);
    const failed: string[] = [];
    await expect(fromTwo([], wrong, failed)).rejects.toMatchObject({
      message: expect.stringContaining('its bytes have digest') as string,
      isOfMirror: true,
    });
    expect(failed).toEqual([expect.stringMatching(/cached\/app: its bytes have digest/)]);
  });

  test('one that was wrong before it broke is told of, too', async () => {
    const failed: string[] = [];
    const breaks = [breakAfter(77), ...Array.from({ length: 9 }, () => breakAfter(0))];
    const wrong = Buffer.from(BLOB).fill(0, 7, 8);
    await expect(fromTwo(breaks, wrong, failed)).rejects.toMatchObject({ isOfMirror: true });
    expect(failed).toEqual([expect.stringMatching(/broke .* after 77/), expect.stringMatching(/its bytes have digest/)]);
  });

  test('one with a blob of another size is passed over', async () => {
    const outcome = await fromTwo([], BLOB.subarray(1));
    expect(outcome.bytes.equals(BLOB)).toBe(true);
  });
});

test('breaks at any bytes, with or without ranges, never cost or double one', async () => {
  await using registry = await FakeRegistry.start();
  await using line = openExchange(registry.origin, { retries: 50 });
  const { exchange } = line;
  const blob = noise(5000);
  const descriptor = registry.add(blob);
  const fault = fc.oneof(
    fc.integer({ min: 0, max: 2000 }).map(breakAfter),
    fc.integer({ min: 0, max: 2000 }).map((size): Fault => (call) => {
      // As a server without ranges that breaks.
      delete call.request.headers.range;
      return breakAfter(size)(call);
    }),
    fc.constantFrom<Fault>(refusal(503), refusal(416)),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fault, { maxLength: 6 }), async (faults) => {
      // What an earlier run left over comes first, and is as good a fault as any.
      registry.fail('GET', ...faults);
      const chunks: Buffer[] = [];
      try {
        for await (const chunk of downloadBlob(exchange, 'app', { descriptor })) chunks.push(chunk);
      } catch (error) {
        // A range refused to one who asked for none is a no.
        expect((error as Error).message).toMatch(/416/);
      }
      const bytes = Buffer.concat(chunks);
      expect(bytes.equals(blob.subarray(0, bytes.length))).toBe(true);
    }),
    { numRuns: 60 },
  );
});

describe('ranges are read', () => {
  test.each([
    ['bytes 5-9/10', { start: 5, end: 9, totalBytes: 10 }],
    ['bytes 5-9/*', { start: 5, end: 9 }],
    ['bytes */10', { totalBytes: 10 }],
    ['bytes=5-9/10', undefined],
    ['bytes 5-/10', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('of a body: %s', (text, want) => {
    expect(parseContentRange(text)).toEqual(want);
  });

  test.each([
    ['0-9', 10],
    ['bytes=0-9', 10],
    ['0-0', undefined],
    ['5-9', undefined],
    ['nine', undefined],
    [undefined, undefined],
  ])('of an upload: %s', (text, want) => {
    expect(parseUploadRange(text)).toBe(want);
  });
});
