import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missingProgram, startTsbuild, tsbuild, type CliResult } from '../helpers/cli.js';
import { BUSYBOX_BASE, run } from '../helpers/image-tools.js';
import { lastingLeftovers, processesOf } from '../helpers/leftovers.js';
import { Workshop } from '../helpers/workshop.js';

const missing = process.getuid?.() === 0 ? missingProgram('runc', 'busybox', 'ssh-agent', 'ssh-keygen', 'tar') : 'needs root';
if (missing !== undefined) process.stderr.write(`skipped: test/e2e/secrets.test.ts: ${missing}\n`);

describe.skipIf(missing !== undefined)('secrets', () => {
  const shop = new Workshop();
  const file = randomBytes(24).toString('hex');
  const variable = randomBytes(24).toString('hex');
  const password = randomBytes(24).toString('hex');
  let context = '';
  let key = '';
  let values: readonly string[] = [];
  let given: readonly string[] = [];
  const env = { SECRET_OF_TEST: variable };
  let builds = 0;

  beforeAll(() => {
    context = shop.busyboxContext('');
    mkdirSync(shop.at('given'));
    writeFileSync(shop.at('given', 'file'), `${file}\n`);
    key = shop.at('given', 'key');
    run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
    // What only the private half has.
    const body = readFileSync(key, 'utf8').split('\n').slice(3, -2);
    values = [file, variable, password, ...body];
    const secrets = [`id=file,src=${shop.at('given', 'file')}`, 'id=variable,env=SECRET_OF_TEST'].flatMap((spec) => ['--secret', spec]);
    given = [...secrets, '--ssh', `default=${key}`, '--build-arg', `HTTPS_PROXY=http://someone:${password}@127.0.0.1:9`];
  });
  afterAll(() => shop[Symbol.dispose]());

  function dockerfile(lines: readonly string[]): string {
    const path = shop.at(`Dockerfile.${builds++}`);
    writeFileSync(path, `${BUSYBOX_BASE}${lines.join('\n')}\n`);
    return path;
  }

  function build(lines: readonly string[], args: readonly string[] = []): CliResult {
    const names = ['--root', shop.store, '--progress', 'plain', '-f', dockerfile(lines)];
    return tsbuild([...names, ...args, context], { env });
  }

  /** Files below the paths in which a value stands: as it is, in base64, or in what is packed there. */
  function leaks(paths: readonly string[]): string[] {
    const words = values.flatMap((value) => [value, Buffer.from(value).toString('base64').replace(/=*$/, '')]);
    return paths.flatMap(filesBelow).filter((path) => contents(path).some((bytes) => words.some((word) => bytes.includes(word))));
  }

  const MOUNTS = '--mount=type=secret,id=file,required=true --mount=type=secret,id=variable,env=TOKEN --mount=type=ssh,required=true';
  /** Shows that the step has what nothing may keep. */
  const proof = (): string =>
    [
      `[ "$(md5sum < /run/secrets/file)" = "${md5(`${file}\n`)}  -" ]`,
      `[ "$(echo -n "$TOKEN" | md5sum)" = "${md5(variable)}  -" ]`,
      '[ -S "$SSH_AUTH_SOCK" ] && [ -n "$https_proxy" ]',
    ].join(' && ');

  it('are in no blob, record, history, log, output or metadata file', () => {
    const trees = ['type=oci,dest=oci.tar', 'type=docker,dest=docker.tar', 'type=local,dest=local', 'type=tar,dest=root.tar'];
    const outputs = trees.flatMap((spec) => ['-o', spec.replace('dest=', `dest=${shop.dir}/`)]);
    const names = ['-t', 'app:1', '--load', '--oci-layout', `${shop.at('layout')}:1`];
    const records = ['--metadata-file', shop.at('metadata.json'), '--iidfile', shop.at('iid'), '--debug'];
    const lines = [
      `RUN ${MOUNTS} ${proof()} && echo done > /done`,
      `RUN ${MOUNTS} mkdir -p /run/secrets && touch /made && env | sort | grep -v -e TOKEN -e proxy -e PROXY > /env`,
      'FROM scratch',
      'COPY --from=0 / /',
    ];
    const { status, stdout, stderr } = build(lines, [...names, ...outputs, ...records, ...given]);
    expect(status, stderr).toBe(0);
    expect(readdirSync(shop.at('local'))).toEqual(expect.arrayContaining(['done', 'made']));
    // A search that finds nothing has to be one that could find something.
    writeFileSync(shop.at('local', 'planted'), file);
    expect(leaks([shop.at('local')])).toEqual([shop.at('local', 'planted')]);
    writeFileSync(shop.at('local', 'planted'), '');
    writeFileSync(shop.at('log'), stdout + stderr);
    const kept = ['store', 'layout', 'oci.tar', 'docker.tar', 'local', 'root.tar', 'metadata.json', 'iid', 'log'].map((name) =>
      shop.at(name),
    );
    for (const path of kept) expect(filesBelow(path).length, path).toBeGreaterThan(0);
    expect(leaks(kept)).toEqual([]);
    writeFileSync(shop.at('history'), shop.run(['history', '--json', 'app:1']) + shop.run(['inspect', 'app:1']));
    expect(leaks([shop.at('history')])).toEqual([]);
  });

  it('are in no error', () => {
    for (const failing of ['exit 3', '/none/such']) {
      const { status, stdout, stderr } = build([`RUN ${MOUNTS} ${failing}`], ['--debug', ...given]);
      expect(status).toBe(1);
      writeFileSync(shop.at('log'), stdout + stderr);
      expect(leaks([shop.at('log'), shop.store])).toEqual([]);
    }
    const { stderr } = build(['RUN true'], ['--secret', `id=a,value=${file}`]);
    expect(stderr).toBe('ERROR: invalid --secret: unexpected key "value"\nhint: want id=ID,src=FILE or id=ID,env=VARIABLE\n');
  });

  it('are nowhere after kill -9, and nothing else is left but a temporary directory', async () => {
    const lines = [`RUN ${MOUNTS} ${proof()} && echo up && sleep 60; : ${shop.dir}`];
    const child = startTsbuild(['--root', shop.store, '--progress', 'plain', '-f', dockerfile(lines), ...given, context], { env });
    let text = '';
    child.stdout?.resume();
    child.stderr?.on('data', (chunk: Buffer) => (text += chunk.toString()));
    const exited = once(child, 'exit');
    while (!/ up$/m.test(text)) {
      if (child.exitCode !== null) throw new Error(`the build ended: ${text}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(processesOf(`/proc/${child.pid}/fd/`)).toHaveLength(1);
    expect(leaks([shop.store])).toEqual([]);
    child.kill('SIGKILL');
    await exited;
    expect(await lastingLeftovers(shop.dir, child.pid ?? 0)).toEqual([]);
    expect(await lastingLeftovers(`/proc/${child.pid}/fd/`, child.pid ?? 0)).toEqual([]);
    expect(readdirSync(join(shop.store, 'tmp'))).not.toEqual([]);
    expect(leaks([shop.store])).toEqual([]);
    expect(build(['RUN true']).status).toBe(0);
    expect(readdirSync(join(shop.store, 'tmp'))).toEqual([]);
  });

  it('127: one that a step requires and nobody gave stops the build before anything runs', () => {
    const { status, stderr } = build(['RUN echo ran', 'RUN --mount=type=secret,id=mysecret,required=true \\', '  true']);
    expect(status).toBe(1);
    expect(stderr).toBe(
      [
        `ERROR: ${nameOf(stderr)}:5:1: secret mysecret: not found`,
        '    3 | RUN ["/bin/busybox", "--install", "-s", "/bin"]',
        '    4 | RUN echo ran',
        '>>> 5 | RUN --mount=type=secret,id=mysecret,required=true \\',
        '>>> 6 |   true',
        'hint: Give it: --secret id=mysecret,src=FILE or --secret id=mysecret,env=VARIABLE.',
        '',
      ].join('\n'),
    );
  });

  it('127: one whose file or variable is missing is missed', () => {
    const missingFile = build(['RUN true'], ['--secret', 'id=a,src=/none/such']);
    expect([missingFile.status, missingFile.stderr]).toEqual([
      1,
      'ERROR: secret a: cannot read "/none/such": no such file or directory (ENOENT)\nhint: Name a file that is there, or a variable: --secret id=a,src=FILE or --secret id=a,env=NAME.\n',
    ]);
    const lines = ['RUN --mount=type=secret,id=a,env=A,required=true true'];
    expect(build(lines, ['--secret', 'id=a,env=NOT_SET_ANYWHERE']).stderr).toContain('secret a: not found');
    expect(build(lines, ['--secret', 'id=a,env=SECRET_OF_TEST']).status).toBe(0);
  });

  it('127: one that is not required need not be given', () => {
    expect(build(['RUN --mount=type=secret,id=a --mount=type=secret,id=b,env=B test ! -e /run && test -z "${B+x}"']).status).toBe(0);
  });

  it('127: one that was not given is named when the step that asked for it fails', () => {
    const { status, stderr } = build(['RUN --mount=type=secret,id=a --mount=type=ssh,id=b cat /run/secrets/a']);
    expect(status).toBe(1);
    expect(stderr).toContain("cat: can't open '/run/secrets/a': No such file or directory");
    expect(stderr).toMatch(/hint: The step asks for what was not given: --secret id=a,src=FILE, --ssh b\.\n$/);
  });

  it('128: env= makes a variable, and a file only with a target', () => {
    const lines = [
      `RUN --mount=type=secret,id=variable,env=FOO [ "$(echo -n "$FOO" | md5sum)" = "${md5(variable)}  -" ] && test ! -e /run/secrets`,
      'RUN --mount=type=secret,id=variable,env=FOO,target=/foo [ "$(cat /foo)" = "$FOO" ] && test -n "$FOO"',
    ];
    const result = build(lines, given);
    expect(result.status, result.stderr).toBe(0);
  });

  it('129: mode, uid and gid are those asked for, 0400 of root otherwise', () => {
    const lines = [
      'RUN --mount=type=secret,id=file --mount=type=secret,id=file,target=/b,mode=0444,uid=100,gid=200 stat -c "%a %u:%g" /run/secrets/file /b > /out',
      'FROM scratch',
      'COPY --from=0 /out /',
    ];
    const result = build(lines, [...given, '-o', `type=local,dest=${shop.at('modes')}`]);
    expect(result.status, result.stderr).toBe(0);
    expect(readFileSync(shop.at('modes', 'out'), 'utf8')).toBe('400 0:0\n444 100:200\n');
  });

  it('129: a user who may not read it does not', () => {
    const result = build(['USER 1000', 'RUN --mount=type=secret,id=file ! cat /run/secrets/file'], given);
    expect(result.status, result.stderr).toBe(0);
  });

  it('come into a cache mount and a bind mount as well, and stay in neither', () => {
    const lines = [
      'RUN --mount=type=cache,target=/c --mount=type=secret,id=file,target=/c/dir/token test -s /c/dir/token && touch /c/kept',
      'RUN --mount=type=cache,target=/c test -e /c/kept && test ! -s /c/dir/token',
    ];
    const result = build(lines, given);
    expect(result.status, result.stderr).toBe(0);
    expect(leaks([shop.store])).toEqual([]);
  });
});

function md5(text: string): string {
  return spawnSync('md5sum', { input: text, encoding: 'utf8' }).stdout.slice(0, 32);
}

/** How the error names the Dockerfile. */
function nameOf(stderr: string): string {
  return /^ERROR: (\S+?):\d+:/.exec(stderr)?.[1] ?? '';
}

/** Regular files; those of a temporary directory can be pipes. */
function filesBelow(path: string): string[] {
  const entries = spawnSync('find', [path, '-type', 'f', '-print0'], { encoding: 'utf8', maxBuffer: 1 << 26 });
  return entries.stdout.split('\0').filter((name) => name !== '');
}

/** The bytes of a file and, where it is packed, what is packed. */
function contents(path: string): Buffer[] {
  const bytes = readFileSync(path);
  const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
  const plain = isGzip ? gunzipSync(bytes) : bytes;
  // An archive of layers: each begins with gzip's magic numbers, at the beginning of a block.
  const inner: Buffer[] = [];
  for (let at = 512; path.endsWith('.tar') && at < plain.length; at += 512) {
    if (plain[at] !== 0x1f || plain[at + 1] !== 0x8b) continue;
    try {
      inner.push(gunzipSync(plain.subarray(at), { finishFlush: 2 }));
    } catch {
      // Something else, or followed by the next member of the archive.
    }
  }
  return [plain, ...inner];
}
