import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { measure, shell, type Measured } from './measure.js';
import { mountJournaled, writeStorageConf } from './place.js';
import { writeThousand } from './thousand.js';
import { TransferBench } from './transfers.js';
import type { Workload } from './workload.js';

/**
 * `npm run bench [-- WORKLOAD…]`: tsbuild beside its peers and beside the bare shell pipeline that does the same, in turn, on one machine.
 * Exit status 1 when a limit is missed.
 *
 * What would spoil the figures is kept away: the state of every tool lies on a journaled file system of its own (on ext4 without a journal the
 * creation of files is slow for minutes after many were deleted), NODE_EXTRA_CA_CERTS is unset (Node 20 reads that file at start-up), and
 * buildah is told to use runc like tsbuild (it prefers crun where it is installed).
 */
const RUNS = Number(process.env['BENCH_RUNS'] ?? 5);
const TSBUILD = resolve('bin/tsbuild.js');

const environment: Record<string, string> = { TSBUILD_ROOT: '', CONTAINERS_STORAGE_CONF: '', TMPDIR: '', LC_ALL: 'C' };
const MAX_PEAK_BYTES = 300e6;

function main(): void {
  delete process.env['NODE_EXTRA_CA_CERTS'];
  using place = mountJournaled(process.env['BENCH_DIR'] ?? '/var/tmp');
  const B = place.path;
  for (const name of ['tmp', 'out', 'trivial', 'tree', 'steps', 'thousand']) mkdirSync(join(B, name), { recursive: true });
  Object.assign(environment, { B, TSBUILD_ROOT: join(B, 'store'), TMPDIR: join(B, 'tmp'), CONTAINERS_STORAGE_CONF: writeStorageConf(B) });
  using transfers = new TransferBench(B, `node ${TSBUILD}`, environment);
  const wanted = process.argv.slice(2);
  let failed = false;
  for (const [name, workload] of Object.entries({ ...WORKLOADS, ...transfers.workloads })) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    process.stderr.write(`== ${name}: ${workload.title}\n`);
    workload.prepare();
    if (!report(name, workload, measure(workload.candidates(), RUNS, environment))) failed = true;
  }
  process.exitCode = failed ? 1 : 0;
}

const TS = `node ${TSBUILD} build -q`;
const BUD = 'buildah bud -q --isolation oci --runtime runc --network host --layers=false';
const CLEAN_OUT = 'rm -rf $B/out; mkdir -p $B/out';
/** Both start without anything of the image in their stores. */
const COLD = `${CLEAN_OUT}; rm -rf $B/store; buildah rmi -a -f >/dev/null 2>&1 || true`;

const WORKLOADS: Readonly<Record<string, Workload>> = {
  trivial: {
    title: 'FROM scratch + COPY of one file to an OCI layout',
    prepare: () => {
      writeFileSync(path('trivial/hello.txt'), 'hello\n');
      writeFileSync(path('trivial/Dockerfile'), 'FROM scratch\nCOPY hello.txt /hello.txt\n');
    },
    candidates: () => [
      { name: 'tsbuild', prepare: COLD, command: `${TS} --oci-layout $B/out/oci:w $B/trivial` },
      { name: 'buildah', prepare: COLD, command: `${BUD} -t oci:$B/out/oci:w $B/trivial` },
    ],
    limits: { buildah: 0.6 },
  },
  tree: {
    title: 'COPY of a node_modules tree to a gzip OCI layout',
    prepare: prepareTree,
    candidates: () => [
      { name: 'tsbuild', prepare: COLD, command: `${TS} --oci-layout $B/out/oci:w $B/tree` },
      { name: 'buildah', prepare: COLD, command: `${BUD} -t oci:$B/out/oci:w $B/tree` },
      {
        name: 'tar | pigz -6 + sums',
        prepare: CLEAN_OUT,
        command:
          'tar -C $B/tree -c app | tee >(openssl sha256 -r >$B/out/diffid) | pigz -6 | tee $B/out/blob | openssl sha256 -r >$B/out/digest; wait',
      },
    ],
    limits: { buildah: 0.28, 'tar | pigz -6 + sums': 0.9 },
  },
  steps: {
    title: '20 RUN steps of one small file each on a Debian base',
    prepare: prepareSteps,
    candidates: () => [
      { name: 'tsbuild', prepare: CLEAN_OUT, command: `${TS} --oci-layout $B/out/oci:w $B/steps` },
      { name: 'buildah', prepare: CLEAN_OUT, command: `${BUD} -t oci:$B/out/oci:w $B/steps` },
      { name: 'shell loop', prepare: `${CLEAN_OUT}; rm -rf $B/loop/u* $B/loop/work`, command: SHELL_LOOP },
    ],
    limits: { buildah: 0.35, 'shell loop': 1.2 },
  },
  thousand: {
    title: '1,000 instructions without RUN: the image, and their check',
    prepare: () => writeThousand(path('thousand')),
    candidates: () => [
      { name: 'tsbuild', prepare: `${CLEAN_OUT}; rm -rf $B/store`, command: `${TS} --oci-layout $B/out/oci:w $B/thousand` },
      { name: 'tsbuild --check', command: `node ${TSBUILD} build --check $B/thousand` },
    ],
    limits: {},
    limitsSeconds: { tsbuild: 2, 'tsbuild --check': 0.15 },
  },
};

function path(name: string): string {
  return join(environment['B'] ?? '', name);
}

/** A real tree of at least 50,000 files and 400 MB, installed once by npm. */
function prepareTree(): void {
  const packages =
    'next@14 @angular/cli@17 webpack@5 typescript@5.4 aws-sdk@2 eslint@8 jest@29 react@18 react-dom@18 lodash@4 date-fns@3 rxjs@7 core-js@3 @mui/material@5 @mui/icons-material@5 storybook@8 vite@5 prettier@3';
  const kept = process.env['BENCH_TREE'];
  if (kept !== undefined && existsSync(kept)) shell(`cp -a ${kept} $B/tree/app`, environment);
  else {
    shell(
      `mkdir -p $B/tree/app; cd $B/tree/app; echo '{"name":"w","private":true,"version":"1.0.0"}' > package.json; npm i -s --no-audit --no-fund --ignore-scripts --legacy-peer-deps ${packages}`,
      environment,
    );
  }
  writeFileSync(path('tree/Dockerfile'), 'FROM scratch\nCOPY app /app\n');
  const [files, bytes] = shell("find $B/tree/app -type f -printf '%s\\n' | awk '{ n++; s += $1 } END { print n, s }'", environment)
    .trim()
    .split(' ')
    .map(Number);
  process.stderr.write(`tree: ${files} files, ${bytes} bytes\n`);
  if ((files ?? 0) < 50_000 || (bytes ?? 0) < 400e6) throw new Error('the tree is too small to be compared');
}

/** The base lies unpacked in the stores of both builders and beside the shell loop. */
function prepareSteps(): void {
  const rows = Array.from({ length: 20 }, (_, index) => `RUN echo ${index + 1} > /f${index + 1}`);
  writeFileSync(path('steps/Dockerfile'), `FROM debian\n${rows.join('\n')}\n`);
  shell('mkdir -p $B/base; mmdebstrap --quiet --variant=minbase --mode=root bookworm $B/base/rootfs.tar', environment);
  writeFileSync(path('base/Dockerfile'), 'FROM scratch\nADD rootfs.tar /\nCMD ["/bin/sh"]\n');
  shell(`rm -rf $B/store; ${TS} -t debian --oci-layout $B/base/oci:latest -o type=image $B/base`, environment);
  shell('skopeo copy -q oci:$B/base/oci:latest containers-storage:docker.io/library/debian:latest', environment);
  shell('mkdir -p $B/loop/base; tar -C $B/loop/base -xf $B/base/rootfs.tar', environment);
  writeFileSync(path('loop/spec.json'), JSON.stringify(LOOP_CONFIG));
  // Unpacks the base in tsbuild's store, as it is in buildah's.
  shell(`printf 'FROM debian\\nRUN true\\n' > $B/base/Warm; ${TS} -f $B/base/Warm $B/base`, environment);
}

const LOOP_CONFIG = {
  ociVersion: '1.0.2',
  root: { path: 'merged' },
  hostname: 'loop',
  process: {
    cwd: '/',
    args: ['/bin/sh', '-c', 'CMD'],
    env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
    user: { uid: 0, gid: 0 },
    capabilities: Object.fromEntries(
      ['bounding', 'effective', 'permitted'].map((set) => [
        set,
        ['CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_FOWNER', 'CAP_SETGID', 'CAP_SETUID'],
      ]),
    ),
  },
  linux: { namespaces: ['pid', 'ipc', 'uts', 'mount'].map((type) => ({ type })) },
  mounts: [
    { destination: '/proc', type: 'proc', source: 'proc' },
    { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['mode=755'] },
    { destination: '/dev/pts', type: 'devpts', source: 'devpts' },
  ],
};

/** Mount, run, tar, compress, both sums, unmount: the least that 20 steps can be. */
const SHELL_LOOP = `cd $B/loop; mkdir -p merged
lower=base
for i in $(seq 20); do
  mkdir -p u$i work
  sed "s,CMD,echo $i > /f$i," spec.json > config.json
  mount -t overlay overlay -o lowerdir=$lower,upperdir=u$i,workdir=work merged
  runc run loop$i </dev/null
  tar -C u$i -c . | tee >(sha256sum >$B/out/d$i) | gzip | tee $B/out/l$i | sha256sum >$B/out/z$i
  umount merged
  rm -rf work
  lower=u$i:$lower
done`;

/** Prints the rows of one workload; false when a limit is missed. */
function report(name: string, workload: Workload, rows: readonly Measured[]): boolean {
  const own = rows.find((row) => row.name === 'tsbuild');
  if (own === undefined) return false;
  const { maxPeakBytes = MAX_PEAK_BYTES } = workload;
  let isWithin = own.peakBytes <= maxPeakBytes;
  console.log(`\n### ${name}: ${workload.title}\n\n| | median s | min–max s | peak MB | tsbuild / it | limit |\n|---|---|---|---|---|---|`);
  for (const row of rows) {
    const ratio = own.medianSeconds / row.medianSeconds;
    const limit = workload.limits[row.name];
    const limitSeconds = workload.limitsSeconds?.[row.name];
    if (ratio > (limit ?? Infinity) || row.medianSeconds > (limitSeconds ?? Infinity)) isWithin = false;
    const times = `${row.medianSeconds.toFixed(3)} | ${row.minSeconds.toFixed(3)}–${row.maxSeconds.toFixed(3)} | ${(row.peakBytes / 1e6).toFixed(0)}`;
    const limits = [...(limit === undefined ? [] : [`<= ${limit}`]), ...(limitSeconds === undefined ? [] : [`<= ${limitSeconds} s`])];
    console.log(`| ${row.name} | ${times} | ${row === own ? '' : ratio.toFixed(2)} | ${limits.join(', ')} |`);
  }
  if (own.peakBytes > maxPeakBytes) console.log(`\ntsbuild's peak memory is above ${maxPeakBytes / 1e6} MB`);
  rmSync(path('out'), { recursive: true, force: true });
  return isWithin;
}

main();
