import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { finished, scratchDir, startTsbuild, writeFiles, type CliResult } from '../helpers/cli.js';
import { missingRegistry, startRegistry, type TestRegistry } from '../helpers/registry.js';

const MIRROR_USER = { username: 'mirror', password: 'mirror-pw:1' };
const ORIGIN_USER = { username: 'origin', password: 'origin-pw:2' };
const SECRETS = [MIRROR_USER, ORIGIN_USER].flatMap(({ username, password }) => [password, encode(username, password)]);

/** The same image has the same digest in both. */
const EPOCH = ['--source-date-epoch', '1'];

const missing = missingRegistry('htpasswd');
if (missing !== undefined) console.warn(`tests of mirrors skipped: ${missing}`);

function encode(username: string, password: string): string {
  return Buffer.from(`${username}:${password}`).toString('base64');
}

describe.skipIf(missing !== undefined)('a registry with a mirror', () => {
  let dir: ReturnType<typeof scratchDir>;
  let mirror: TestRegistry;
  let origin: TestRegistry;
  let authfile: string;

  /** What the program says never has a password, at any verbosity. */
  async function run(args: readonly string[]): Promise<CliResult> {
    const env = { HOME: dir.path, CONTAINERS_REGISTRIES_CONF: '', DOCKER_CONFIG: '', REGISTRY_AUTH_FILE: '', XDG_RUNTIME_DIR: dir.path };
    const result = await finished(startTsbuild(args, { env }));
    for (const secret of SECRETS) expect(result.stdout + result.stderr).not.toContain(secret);
    return result;
  }

  /** Pushes an image with one file. */
  async function publish(name: string, text: string): Promise<void> {
    const context = writeFiles(join(dir.path, `context-${text}`), { Dockerfile: 'FROM scratch\nCOPY text /\n', text });
    const built = await run(['build', '--root', join(dir.path, 'other'), '--authfile', authfile, '-t', name, '--push', ...EPOCH, context]);
    expect(built.stderr).toContain('pushed');
    expect(built.status).toBe(0);
  }

  let stores = 0;
  /** `asked`: who gave a manifest. */
  async function pull(name: string, ...flags: string[]): Promise<CliResult & { readonly asked: string }> {
    const [mirrorBefore, originBefore] = [mirror.logs().length, origin.logs().length];
    const result = await run(['pull', '--root', join(dir.path, `store-${stores++}`), '--authfile', authfile, '-D', ...flags, name]);
    const asked = (registry: TestRegistry, before: number): boolean =>
      /"GET \/v2\/\S+\/manifests\/\S+ HTTP\/1\.1" 200 /.test(registry.logs().slice(before));
    const names = [asked(mirror, mirrorBefore) ? 'mirror' : '', asked(origin, originBefore) ? 'origin' : ''];
    return { ...result, asked: names.filter((each) => each !== '').join(' ') };
  }

  beforeAll(async () => {
    dir = scratchDir('tsbuild-mirrors-');
    [mirror, origin] = await Promise.all([startRegistry({ htpasswd: MIRROR_USER }), startRegistry({ htpasswd: ORIGIN_USER })]);
    authfile = join(dir.path, 'auth.json');
    const auths = {
      [mirror.host]: { auth: encode(MIRROR_USER.username, MIRROR_USER.password) },
      [origin.host]: { auth: encode(ORIGIN_USER.username, ORIGIN_USER.password) },
    };
    writeFileSync(authfile, JSON.stringify({ auths }), { mode: 0o600 });
    await publish(`${origin.host}/team/both:1`, 'both');
    await publish(`${mirror.host}/cache/team/both:1`, 'both');
    await publish(`${origin.host}/team/one:1`, 'one');
  });
  afterAll(async () => {
    await mirror?.[Symbol.asyncDispose]();
    await origin?.[Symbol.asyncDispose]();
    dir?.[Symbol.dispose]();
  });

  it('is read from the mirror, with its own credentials', async () => {
    const pulled = await pull(`${origin.host}/team/both:1`, '--registry-mirror', `${origin.host}=http://${mirror.host}/cache`);
    expect(pulled.stderr).toContain(`credentials for ${mirror.host}/cache/team/both: file ${authfile}`);
    expect(pulled).toMatchObject({ status: 0, asked: 'mirror' });
    expect(pulled.stdout).toContain(`${origin.host}/team/both:1@sha256:`);
  });

  it('is read itself for what the mirror does not have', async () => {
    const pulled = await pull(`${origin.host}/team/one:1`, '--registry-mirror', `${origin.host}=${mirror.host}/cache`);
    expect(pulled).toMatchObject({ status: 0, asked: 'origin' });
  });

  it('is read itself when the mirror is gone', async () => {
    const pulled = await pull(`${origin.host}/team/both:1`, '--registry-mirror', `${origin.host}=localhost:1`, '--retry=0');
    expect(pulled).toMatchObject({ status: 0, asked: 'origin' });
  });

  it('is found by a name that registries.conf rewrites, never by a blocked one', async () => {
    const conf = join(dir.path, 'registries.conf');
    const location = (place: string): string => `location = "${place}"\n`;
    writeFileSync(
      conf,
      `[[registry]]\nprefix = "prod.example"\n${location(`${origin.host}/team`)}[[registry.mirror]]\n${location(`${mirror.host}/cache/team`)}pull-from-mirror = "tag-only"\n` +
        `[[registry]]\nprefix = "bad.example"\nblocked = true\n`,
    );
    const both = await pull('prod.example/both:1', '--registries-conf', conf);
    expect(both).toMatchObject({ status: 0, asked: 'mirror' });
    const digest = /sha256:[0-9a-f]{64}/.exec(both.stdout)?.[0] ?? '';
    expect(await pull(`prod.example/both@${digest}`, '--registries-conf', conf)).toMatchObject({ status: 0, asked: 'origin' });
    expect(await pull('prod.example/one:1', '--registries-conf', conf)).toMatchObject({ status: 0, asked: 'origin' });
    const blocked = await pull('bad.example/app', '--registries-conf', conf);
    expect(blocked).toMatchObject({ status: 3, asked: '' });
    expect(blocked.stderr).toContain('registry "bad.example" is blocked');
  });
});
