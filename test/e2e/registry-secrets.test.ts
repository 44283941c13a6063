import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BLOB_SIGNATURE } from '../helpers/blob-storage.js';
import { finished, missingProgram, startTsbuild, writeFiles } from '../helpers/cli.js';
import { addBusybox, BUSYBOX_BASE } from '../helpers/image-tools.js';
import { skopeo, smallLayout } from '../helpers/registry-clients.js';
import { missingRegistry, startRegistry, type TestRegistry } from '../helpers/registry.js';
import { startScripted } from '../helpers/scripted-registry.js';
import { CREDENTIAL_SOURCES, type Given } from './credential-sources.js';
import { leaksInFiles, leaksInProcesses, leaksInText } from './leak-lab.js';
import { CREDS, guarded, SecretLab, STRANGER, USER } from './secret-lab.js';

const missing = missingRegistry('skopeo', 'htpasswd', 'openssl');
if (missing !== undefined) console.warn(`SKIPPED: credentials of registries: ${missing}`);
const cannotRun = process.getuid?.() === 0 ? missingProgram('runc', 'busybox') : 'needs root';
if (cannotRun !== undefined) console.warn(`SKIPPED: credentials of registries and RUN: ${cannotRun}`);

const EVERYTHING = ['build', 'pull', 'push', 'cp', 'ls', 'inspect'];

describe.skipIf(missing !== undefined)('credentials are found nowhere', () => {
  let lab: SecretLab;
  /** Both send those who want a blob to another host, with a signature. */
  let basic: TestRegistry;
  let token: TestRegistry;

  beforeAll(async () => {
    [basic, token] = await Promise.all([
      startRegistry({ htpasswd: USER, redirectBlobs: true }),
      startRegistry({ token: { users: [USER] }, redirectBlobs: true }),
    ]);
    // The same in all that the server signs.
    lab = new SecretLab({ token: token.tokens?.mint([]).slice(0, 60) ?? '' });
    const layout = smallLayout(lab.at('layout'), ['base', 'of builds']);
    for (const { host } of [basic, token]) {
      await skopeo(
        'copy',
        '-q',
        '--dest-tls-verify=false',
        `--dest-creds=${USER.username}:${USER.password}`,
        `oci:${layout}`,
        `docker://${host}/base:1`,
      );
    }
  });
  afterAll(async () => {
    await Promise.all([basic, token].map((registry) => registry?.[Symbol.asyncDispose]()));
    lab?.[Symbol.dispose]();
  });

  let contexts = 0;
  const contextOf = (base: string): string =>
    writeFiles(lab.at(`context-${++contexts}`), { Dockerfile: `FROM ${base}\nCOPY file /\n`, file: `file ${contexts}` });

  /** Each command once, in an order in which they work. @returns what all of them said */
  async function doEverything({ host }: TestRegistry, { flags, env }: Given, commands: readonly string[]): Promise<string> {
    const [app, store] = [`${host}/made/app`, lab.place()];
    const files = ['--metadata-file', lab.place(), '--iidfile', lab.place()];
    const calls: Readonly<Record<string, readonly string[]>> = {
      build: [
        '--root',
        store,
        '--push',
        '-t',
        `${app}:1`,
        ...files,
        '--progress',
        flags.includes('-D') ? 'plain' : 'tty',
        contextOf(`${host}/base:1`),
      ],
      pull: ['--root', store, `${app}:1`],
      push: ['--root', store, `${app}:1`, `${app}:2`],
      cp: ['--root', store, `docker://${app}:1`, `docker://${host}/made/copy:1`],
      ls: [app],
      inspect: ['--root', store, `docker://${app}:1`],
    };
    let text = '';
    for (const command of commands) text += await lab.expectTsbuild([command, ...flags, ...(calls[command] ?? [])], { env });
    return text;
  }

  describe.each(CREDENTIAL_SOURCES)('of $name', (origin) => {
    const { name, isForTokens } = origin;
    it('when they do', async () => {
      const given = (registry: TestRegistry): Given => origin.give(lab.at('credentials', `${++contexts}`), registry, USER);
      const check = async (registry: TestRegistry, commands: readonly string[]): Promise<void> => {
        const { flags, env, source } = given(registry);
        const text = await doEverything(registry, { flags: [...flags, '-D'], env, source }, commands);
        expect(text).toContain(`credentials for ${registry.host}/made/app: ${source}\n`);
        expect(text).toMatch(/GET http\S*\/blobs\/sha256:\S+ with .*: 200 from http:\/\/127\.0\.0\.1:\S+\?…/);
      };
      await Promise.all([
        check(token, EVERYTHING),
        ...(isForTokens === true ? [] : [check(basic, ['build'])]),
        ...(name === '--creds' ? [doEverything(basic, given(basic), EVERYTHING)] : []),
      ]);
    });
  });

  describe('of a login', () => {
    it('but in the file that it writes', async () => {
      const [dir, store] = [lab.at('credentials', 'login'), lab.place()];
      const env = { DOCKER_CONFIG: dir };
      for (const { host } of [basic, token]) {
        const login = ['login', '-D', '-u', USER.username, '--password-stdin', host];
        expect(await lab.expectTsbuild(login, { env, input: USER.password })).toContain('logged in');
        await lab.expectTsbuild(['pull', '-D', '--root', store, `${host}/base:1`], { env });
      }
      const config = JSON.parse(readFileSync(join(dir, 'config.json'), 'utf8')) as { auths: Record<string, unknown> };
      const auth = Buffer.from(`${USER.username}:${USER.password}`).toString('base64');
      expect(config).toEqual({ auths: { [basic.host]: { auth }, [token.host]: { auth } } });
      expect(leaksInFiles([dir], lab.needles).files).toBe(1);
    });

    it('and of a flag, in words that warn', async () => {
      const args = ['login', '-u', USER.username, '-p', USER.password, basic.host];
      expect(await lab.expectTsbuild(args, { env: { DOCKER_CONFIG: lab.at('credentials', 'flag') } })).toContain(
        'a password on the command line',
      );
    });
  });

  interface Failing {
    readonly host: string;
    readonly flags: readonly string[];
    readonly name?: string;
    readonly commands?: readonly string[];
    readonly status: number;
    readonly says: RegExp;
  }

  async function failEverything({ host, flags, name = 'base', commands, status, says }: Failing): Promise<void> {
    const image = `${host}/${name}:1`;
    const calls: Readonly<Record<string, () => { readonly args: readonly string[]; readonly input?: string }>> = {
      build: () => ({ args: ['--root', lab.place(), '--push', '-t', `${host}/made/${name}:1`, contextOf(image)] }),
      pull: () => ({ args: ['--root', lab.place(), image] }),
      cp: () => ({ args: ['--root', lab.place(), `oci:${lab.at('layout')}`, `docker://${host}/made/${name}:1`] }),
      'cp from': () => ({ args: ['--root', lab.place(), `docker://${image}`, `oci:${lab.place()}`] }),
      ls: () => ({ args: [`${host}/${name}`] }),
    };
    const wanted = commands ?? Object.keys(calls);
    await Promise.all(
      wanted.flatMap((command) =>
        // Without -D, what is said is less of the same.
        (command === 'pull' ? [['-D'], []] : [['-D']]).map(async (debug) => {
          const { args = [] } = calls[command]?.() ?? {};
          const all = [command.split(' ')[0] ?? '', '--retry', '1', '--retry-delay', '10ms', ...flags, ...debug, ...args];
          const result = await lab.tsbuild(all);
          expect(result.stderr, all.join(' ')).toMatch(says);
          expect(result.status, `${all.join(' ')}\n${result.stderr}`).toBe(status);
        }),
      ),
    );
  }

  describe('when they do not do:', () => {
    it('a wrong password', async () => {
      const flags = ['--creds', `${STRANGER.username}:${STRANGER.password}`];
      const [status, says] = [4, /401/];
      await Promise.all([
        failEverything({ host: basic.host, flags, status, says }),
        failEverything({ host: token.host, flags, status, says }),
      ]);
      const login = ['login', '-D', '-u', STRANGER.username, '--password-stdin'];
      for (const { host } of [basic, token]) expect((await lab.tsbuild([...login, host], { input: STRANGER.password })).status).toBe(4);
    });

    it('a repository that is not there', async () => {
      await failEverything({
        host: basic.host,
        flags: CREDS,
        name: 'nothing',
        commands: ['build', 'pull', 'cp from', 'ls'],
        status: 3,
        says: /404|no such/,
      });
    });

    it('a storage that refuses the signature, and repeats it', async () => {
      for (const { blobStorage } of [basic, token]) if (blobStorage !== undefined) blobStorage.refuse = true;
      const failing = { flags: CREDS, commands: ['build', 'pull', 'cp from'], status: 4, says: /403/ };
      await Promise.all([basic, token].map(({ host }) => failEverything({ ...failing, host })));
      for (const { blobStorage } of [basic, token]) if (blobStorage !== undefined) blobStorage.refuse = false;
    });

    it('a registry that repeats what it was told in confidence', async () => {
      await using registry = await startScripted(
        guarded(({ headers: { authorization = '' } }, response) => {
          const decoded = Buffer.from(authorization.replace(/^Basic /, ''), 'base64').toString();
          const address = `https://storage.example/blob?X-Amz-Expires=60&X-Amz-Signature=${BLOB_SIGNATURE}`;
          const message = `${authorization} is ${decoded}, and may not see ${address}`;
          response.writeHead(403, { 'content-type': 'application/json', warning: `299 - "${message.replaceAll(/["\\]/g, '\\$&')}"` });
          response.end(JSON.stringify({ errors: [{ code: 'DENIED', message, detail: decoded }] }));
        }),
      );
      await failEverything({ host: registry.host, flags: CREDS, status: 4, says: /403/ });
    });

    it('a registry that is silent once it knows them', async () => {
      await using registry = await startScripted(guarded(() => undefined));
      await failEverything({
        host: registry.host,
        flags: [...CREDS, '--timeout', '1s', '--retry', '0'],
        status: 3,
        says: /was silent for 1 s/,
      });
    });
  });

  describe.skipIf(cannotRun !== undefined)('by what runs in a build', () => {
    it('in environments and on command lines', async () => {
      const { host } = token;
      const LOOK = "for file in /proc/[0-9]*/environ /proc/[0-9]*/cmdline; do tr '\\0' '\\n' < $file; done; echo looked; sleep 1.25; env";
      const dir = writeFiles(lab.at('context-run'), {
        Dockerfile: `${BUSYBOX_BASE}RUN ${LOOK}\nRUN set > /set; cat /proc/self/environ > /environ\n`,
      });
      addBusybox(dir);
      const auth = Buffer.from(`${USER.username}:${USER.password}`).toString('base64');
      const env = {
        CI_REGISTRY: host,
        CI_REGISTRY_USER: USER.username,
        CI_REGISTRY_PASSWORD: USER.password,
        DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { [host]: { auth } } }),
        REGISTRY_AUTH_FILE: '',
      };
      const seen = { leaks: [] as string[], commands: new Set<string>() };
      const look = async (pid: number): Promise<void> => {
        for (
          const endMs = Date.now() + 20_000;
          Date.now() < endMs && ![...seen.commands].some((line) => line.includes('sleep 1.25'));
          await sleep(20)
        ) {
          const { leaks, commands } = leaksInProcesses(pid, lab.needles);
          // Between fork and exec a child is the same program still; and the machine is asked what it can before anything runs in a container.
          seen.leaks.push(...leaks.filter((leak) => !/^environment of (?:tsbuild|\S*runc --version): /.test(leak)));
          for (const command of commands) seen.commands.add(command);
        }
        // What was given with --creds is out of the way by then.
        seen.leaks.push(...leaksInText('command line', readFileSync(`/proc/${pid}/cmdline`), lab.needles));
      };
      const said = await lab.expectTsbuild(['build', '-D', ...CREDS, '--root', lab.place(), '--push', '-t', `${host}/made/run:1`, dir], {
        env,
        during: look,
      });
      expect(said).toContain('looked');
      expect(said).toMatch(/PATH=\//);
      expect([...seen.commands].filter((line) => line.includes('sleep 1.25'))).not.toEqual([]);
      expect(seen.leaks).toEqual([]);
    });
  });

  describe('in what is left:', () => {
    it('stores, temporary files, metadata, and what the registries have', () => {
      const { leaks, files } = leaksInFiles([lab.left, basic.storageDir, token.storageDir], lab.needles);
      expect(files).toBeGreaterThan(200);
      expect(leaks).toEqual([]);
    });

    it('though they would be found', async () => {
      await using registry = await startRegistry();
      const store = lab.at('planted');
      const all = [...lab.needles.values()].join('\n');
      const dir = writeFiles(lab.at('context-planted'), {
        Dockerfile: `FROM scratch\nCOPY file /${encodeURIComponent(STRANGER.password)}\nLABEL leak='${USER.identityToken}'\n`,
        file: all,
      });
      const child = startTsbuild(['build', '--root', store, '-o', `type=image,push=true,name=${registry.host}/app:1`, dir], {
        env: lab.env,
      });
      const { stderr, status } = await finished(child);
      expect(status, stderr).toBe(0);
      expect(leaksInText('build', stderr, lab.needles)).toContain('build: stranger: password in a URL');
      for (const root of [store, registry.storageDir]) {
        const { leaks } = leaksInFiles([root], lab.needles);
        const found = (pattern: RegExp): string[] => leaks.filter((leak) => pattern.test(leak)).map((leak) => leak.replace(/^.*?: /, ''));
        // The layer has all; the config, which is not packed, what the label says and the history repeats.
        expect(new Set(found(/ unpacked: /))).toEqual(new Set(lab.needles.keys()));
        expect(found(/^(?!.* unpacked: )/)).toContain('identity token');
      }
      const env = { PLANTED: Buffer.from(`x${USER.password}`).toString('base64') };
      const sleeper = startTsbuild(['login', 'localhost:1', '-u', 'x', '--password-stdin'], { env, input: '' });
      await once(sleeper, 'spawn');
      await expect
        .poll(() => leaksInProcesses(process.pid, lab.needles).leaks.join('\n'), { interval: 5 })
        .toContain('user: password in base64 (1)');
      await finished(sleeper);
    });
  });
});
