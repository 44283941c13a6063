import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { BASIC, BrokenRegistry, either, hang, no, on, page, part, type Fault } from '../helpers/broken-registry.js';
import { missingProgram } from '../helpers/cli.js';
import { missingRegistry, startRegistry } from '../helpers/registry.js';
import { member, tarOf } from '../helpers/tar-builder.js';
import { PASSWORD, READING, WRITING, type Reading } from './broken-lab.js';
import { expectWords, table, useBrokenLab } from './broken-rows.js';

const cannotMount = process.getuid?.() === 0 ? missingProgram('mount') : 'needs root';
if (cannotMount !== undefined) console.warn(`SKIPPED: stores that cannot be written: ${cannotMount}`);
const missing = missingRegistry('htpasswd');
if (missing !== undefined) console.warn(`SKIPPED: what a real registry refuses: ${missing}`);
const ZEROS = `sha256:${'0'.repeat(64)}`;
const lab = useBrokenLab();

describe('a registry that does not take an image', () => {
  const quota = 'own words about';
  table(
    lab,
    {
      'upload: 403': { fault: on('POST upload', no(403, 'DENIED')), status: 4, words: ['(403)', `${quota} DENIED`] },
      'upload: 413': {
        fault: on('PUT upload', no(413, 'DENIED')),
        status: 3,
        words: ['answered 413', `${quota} DENIED`, 'hint: ', 'limits the size of requests'],
      },
      'upload: 429': { fault: on('PUT upload', no(429, 'TOOMANYREQUESTS')), status: 3, words: ['(429)', `${quota} TOOMANYREQUESTS`] },
      'manifest: 403': {
        fault: on('PUT manifest', no(403, 'DENIED')),
        status: 4,
        words: ['could not write the manifest of HOST/team/app', '(403)', `${quota} DENIED`],
      },
      'manifest: 400': {
        fault: on('PUT manifest', no(400, 'MANIFEST_INVALID')),
        status: 3,
        words: ['answered 400', `${quota} MANIFEST_INVALID`],
      },
    },
    ['push', 'build --push'],
  );
  table(
    lab,
    {
      'an upload without a place': {
        fault: on('POST upload', ({ response }) => response.writeHead(202).end()),
        status: 3,
        words: ['could not upload blob sha256:', 'HOST', 'without a usable Location'],
      },
      'an upload to a file': {
        fault: on('POST upload', ({ response }) => response.writeHead(202, { location: 'file:///tmp/x' }).end()),
        status: 3,
        words: ['without a usable Location'],
      },
      'an upload that is stored otherwise': {
        fault: on('PUT upload', ({ request, response }) =>
          request.resume().on('end', () => response.writeHead(201, { 'docker-content-digest': ZEROS }).end()),
        ),
        status: 3,
        words: ['the registry stored it as', ZEROS, 'want sha256:'],
      },
      'a manifest that is stored otherwise': {
        fault: on('PUT manifest', ({ request, response }) =>
          request.resume().on('end', () => response.writeHead(201, { 'docker-content-digest': ZEROS }).end()),
        ),
        status: 3,
        words: ['the registry stored it as', ZEROS, 'want sha256:', 'hint: '],
      },
      'a manifest that leads to a web page': {
        fault: on('PUT manifest', page(200)),
        status: 3,
        words: ['could not write the manifest of HOST/team/app', 'web page', 'hint: is HOST a registry?'],
      },
      'an upload that comes to a halt': {
        fault: on('PUT upload', hang),
        flags: ['--timeout', '3s'],
        status: 3,
        words: ['HOST was silent for 3 s', '--timeout'],
      },
    },
    ['push'],
  );
});

it('does not tell the credentials to the host that takes the uploads of a registry', async () => {
  await using storage = await BrokenRegistry.start();
  const toStorage = on('POST upload', ({ response, request }) => {
    request.resume();
    response.writeHead(202, { location: `http://127.0.0.1:${storage.port}/upload?signature=s3cret` }).end();
  });
  const authorized = either(
    (call) => (call.request.headers.authorization === undefined ? no(401, 'UNAUTHORIZED', BASIC)(call) : false),
    toStorage,
  );
  const [outcome] = await lab().try({ commands: ['push'], fault: authorized });
  expect(outcome).toMatchObject({ status: 0 });
  expect(outcome?.registry.authorizations.length).toBeGreaterThan(3);
  expect(storage.asked).toHaveLength(3);
  expect(storage.authorizations).toEqual([]);
});

describe('a command that is interrupted', () => {
  table(
    lab,
    {
      'while it asks': { fault: on('manifest', (call) => call.registry.interrupt()), status: 130, words: [] },
      'while it reads': { fault: on('GET blob', (call) => part(call, () => call.registry.interrupt())), status: 130, words: [] },
    },
    READING,
  );
  const unavailable: Fault = (call) => {
    no(503, 'UNAVAILABLE')(call);
    setTimeout(() => call.registry.interrupt(), 200);
  };
  table(
    lab,
    { 'while it waits to try again': { fault: unavailable, flags: ['--retry', '3', '--retry-delay', '60s'], status: 130, words: [] } },
    ['pull', 'push'],
  );
  table(
    lab,
    {
      'while it writes': { fault: on('PUT upload', (call) => call.registry.interrupt()), status: 130, words: [] },
      'before the tag': { fault: on('PUT manifest', (call) => call.registry.interrupt()), status: 130, words: [] },
    },
    WRITING,
  );
});

describe.skipIf(cannotMount !== undefined)('a store that cannot be written', () => {
  const noise = { layers: [tarOf(member({ path: 'large', text: randomBytes(3_000_000).toString('latin1') }))] };

  it.each<Reading>(['pull', 'build'])('since the disk is full: %s', async (command) => {
    await onDisk(['size=1m', 'mode=700'], async (store) => {
      const [outcome] = await lab().try({ commands: [command], raw: noise, store });
      if (outcome !== undefined) expectWords(outcome, { status: 1, words: ['no space left on device', 'hint: free some space'] });
    });
  });

  it.each<Reading>(['pull', 'build'])('since it is read-only: %s', async (command) => {
    await onDisk(['size=1m', 'mode=700', 'ro'], async (store) => {
      const [outcome] = await lab().try({ commands: [command], raw: noise, store });
      if (outcome !== undefined) expectWords(outcome, { status: 1, words: [store, 'read-only file system', 'hint: '] });
    });
  });
});

async function onDisk(options: readonly string[], use: (dir: string) => Promise<void>): Promise<void> {
  const dir = lab().place();
  mkdirSync(dir);
  expect(spawnSync('mount', ['-t', 'tmpfs', '-o', options.join(','), 'tmpfs', dir]).status).toBe(0);
  try {
    await use(dir);
  } finally {
    spawnSync('umount', ['-l', dir]);
  }
}

describe.skipIf(missing !== undefined)('a real registry', () => {
  it('that wants a password', async () => {
    await using registry = await startRegistry({ htpasswd: { username: 'robot', password: PASSWORD } });
    const refused = await lab().try({ commands: ['pull', 'push'], host: registry.host, isNobody: true });
    for (const outcome of refused)
      expectWords(outcome, {
        host: registry.host,
        status: 4,
        words: ['HOST wants credentials (401)', 'none were found', 'tsbuild login HOST'],
      });
    const [unknown] = await lab().try({ commands: ['pull'], host: registry.host });
    if (unknown !== undefined)
      expectWords(unknown, {
        host: registry.host,
        status: 3,
        words: ['HOST has no such thing (404): MANIFEST_UNKNOWN', 'hint: check the name'],
      });
  });

  it.skipIf(missingProgram('nginx') !== undefined)('behind a proxy that takes no large requests', async () => {
    await using registry = await startRegistry({ nginxPrefix: 'team', nginxMaxBodyBytes: 50 });
    const [outcome] = await lab().try({ commands: ['push'], host: registry.host });
    if (outcome !== undefined)
      expectWords(outcome, { host: registry.host, status: 3, words: ['HOST answered 413: a web page', 'hint: ', 'client_max_body_size'] });
  });
});
