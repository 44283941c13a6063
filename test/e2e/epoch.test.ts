import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { finished, missingProgram, startTsbuild } from '../helpers/cli.js';
import { COMMIT_SECONDS, gitBackend, makeRepository } from '../helpers/git-server.js';
import { readConfig, run } from '../helpers/image-tools.js';
import { serve, type WebServer } from '../helpers/web.js';
import { Workshop } from '../helpers/workshop.js';

const missing = missingProgram('git', 'tar');
if (missing !== undefined) process.stderr.write(`skipped: test/e2e/epoch.test.ts: ${missing}\n`);

const MODIFIED_SECONDS = 1_400_000_000;
const NEWEST_SECONDS = 1_300_000_000;

describe.skipIf(missing !== undefined)('SOURCE_DATE_EPOCH of', () => {
  const shop = new Workshop();
  let web: WebServer;
  let count = 0;

  beforeAll(async () => {
    const root = shop.at('repositories');
    mkdirSync(root, { recursive: true });
    makeRepository(join(root, 'app.git'), { Dockerfile: 'FROM scratch\nCOPY Dockerfile /\n' });
    const archive = shop.context({ Dockerfile: 'FROM scratch\nCOPY old /\n', old: 'x' });
    run('touch', ['-d', '@1200000000', join(archive, 'old')]);
    run('touch', ['-d', `@${NEWEST_SECONDS}`, join(archive, 'Dockerfile')]);
    run('tar', ['-czf', shop.at('context.tar.gz'), '-C', archive, '.']);
    const backend = gitBackend(root);
    web = await serve((request, response) => {
      if (request.url?.startsWith('/app.git') === true) return backend(request, response);
      if (request.url === '/context.tar.gz') return response.end(readFileSync(shop.at('context.tar.gz')));
      response.setHeader('last-modified', new Date(MODIFIED_SECONDS * 1000).toUTCString());
      return response.end('text');
    });
  });
  afterAll(async () => {
    await web?.[Symbol.asyncDispose]();
    shop[Symbol.dispose]();
  });

  /** @returns the second in which the image says it was made; `undefined` for one of today */
  async function createdBy(context: string, args: readonly string[]): Promise<number | undefined> {
    const layout = shop.at(`layout-${count++}`);
    const child = startTsbuild(['--oci-layout', layout, ...args, context], { env: { TSBUILD_ROOT: shop.store } });
    const { status, stderr } = await finished(child);
    expect(status, stderr).toBe(0);
    const seconds = Date.parse(readConfig(layout).created ?? '') / 1000;
    return Math.abs(seconds - Date.now() / 1000) < 600 ? undefined : seconds;
  }

  const CONTEXT = ['--build-arg', 'SOURCE_DATE_EPOCH=context'];

  it('a context from git is the time of the commit', async () => {
    expect(await createdBy(`${web.origin}/app.git`, CONTEXT)).toBe(COMMIT_SECONDS);
  });

  it('an archive from the web is that of its newest file', async () => {
    expect(await createdBy(`${web.origin}/context.tar.gz`, CONTEXT)).toBe(NEWEST_SECONDS);
  });

  it('a directory is unset', async () => {
    expect(await createdBy(shop.context({ Dockerfile: 'FROM scratch\nCOPY Dockerfile /\n' }), CONTEXT)).toBeUndefined();
  });

  it('a named context is that context’s, also when a global ARG names it', async () => {
    const context = shop.context({ Dockerfile: 'ARG SOURCE_DATE_EPOCH=src\nFROM scratch\nCOPY Dockerfile /\n' });
    expect(await createdBy(context, ['--build-context', `src=${web.origin}/app.git`])).toBe(COMMIT_SECONDS);
  });

  it('a stage is that of what it adds', async () => {
    const lines = ['FROM scratch AS file', `ADD ${web.origin}/file /`, 'FROM scratch AS git', `ADD ${web.origin}/app.git /`];
    const context = shop.context({ Dockerfile: [...lines, 'FROM scratch', 'COPY Dockerfile /'].join('\n') });
    expect(await createdBy(context, ['--build-arg', 'SOURCE_DATE_EPOCH=file'])).toBe(MODIFIED_SECONDS);
    expect(await createdBy(context, ['--build-arg', 'SOURCE_DATE_EPOCH=git'])).toBe(COMMIT_SECONDS);
  });
});
