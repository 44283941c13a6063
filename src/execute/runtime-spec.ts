import type { Ulimit } from '../options.js';
import type { Privileges } from './insecure.js';
import { seccompProfile } from './seccomp.js';
import type { UserIds } from './users.js';

/** What is particular to one container; everything else of its config.json is the same for all. */
export interface ContainerSetup {
  readonly hostname: string;
  readonly args: readonly string[];
  readonly env: readonly string[];
  /** Exists in the root. */
  readonly cwd: string;
  readonly user: UserIds;
  /** Absolute path of the mounted root. */
  readonly rootfs: string;
  readonly network: 'host' | 'none';
  /** Files of the host that stand read-only in the container. The targets exist and are regular files, no component is a symlink. */
  readonly files: readonly { readonly source: string; readonly target: string }[];
  /** Those of the step, in their order; the targets exist as those of `files` do. */
  readonly mounts: readonly SpecMount[];
  readonly shmSizeBytes: number;
  readonly ulimits: readonly Ulimit[];
  /** Device nodes of this machine's /dev that the container gets. */
  readonly devices: readonly string[];
  /** The step is not shut in: it may do this, and whatever the system calls allow. */
  readonly privileges?: Privileges;
  readonly hooks?: { readonly createContainer: readonly Hook[] };
}

/** As config.json has it. */
export interface SpecMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

interface Hook {
  readonly path: string;
  readonly args: readonly string[];
}

/** docker's default. Nothing is inheritable or ambient (CVE-2022-24769), and nobody but root has any. */
const CAPABILITIES = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FSETID',
  'CAP_FOWNER',
  'CAP_MKNOD',
  'CAP_NET_RAW',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETFCAP',
  'CAP_SETPCAP',
  'CAP_NET_BIND_SERVICE',
  'CAP_SYS_CHROOT',
  'CAP_KILL',
  'CAP_AUDIT_WRITE',
];

const MASKED_PATHS = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
];

const READONLY_PATHS = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/** RLIM_INFINITY, which no double holds. */
const UNLIMITED = '18446744073709551615';

/** The text of config.json (runtime-spec 1.0). */
export function runtimeSpecJson(setup: ContainerSetup): string {
  // Inside a string the quotes would be escaped: nothing but a number of an rlimit can match.
  return JSON.stringify(runtimeSpec(setup)).replace(/"(soft|hard)":-1\b/g, `"$1":${UNLIMITED}`);
}

function runtimeSpec(setup: ContainerSetup): object {
  return {
    ociVersion: '1.0.2',
    process: processSpec(setup),
    root: { path: setup.rootfs, readonly: false },
    hostname: setup.hostname,
    mounts: mounts(setup),
    ...(setup.hooks === undefined ? {} : { hooks: setup.hooks }),
    linux: {
      namespaces: ['pid', 'ipc', 'uts', 'mount', ...(setup.network === 'none' ? ['network'] : [])].map((type) => ({ type })),
      // What a device cgroup does where the runtime makes one: no device but those of its own /dev.
      resources: { devices: [{ allow: setup.privileges !== undefined, access: 'rwm' }] },
      ...(setup.privileges === undefined
        ? { seccomp: seccompProfile(process.arch), maskedPaths: MASKED_PATHS, readonlyPaths: READONLY_PATHS }
        : {}),
    },
  };
}

function processSpec({ args, env, cwd, user, ulimits, privileges }: ContainerSetup): object {
  return {
    terminal: false,
    user: { uid: user.uid, gid: user.gid, additionalGids: [...new Set([user.gid, ...user.groups])] },
    args,
    env,
    cwd,
    capabilities: privileges === undefined ? sandboxCapabilities(user) : allCapabilities(privileges),
    rlimits: ulimits.map(({ name, soft, hard }) => ({ type: `RLIMIT_${name.toUpperCase()}`, soft, hard })),
    // As docker has it: sudo works.
    noNewPrivileges: false,
  };
}

function sandboxCapabilities(user: UserIds): object {
  const own = user.uid === 0 ? CAPABILITIES : [];
  return { bounding: CAPABILITIES, effective: own, permitted: own, inheritable: [], ambient: [] };
}

/** As BuildKit has it: every user has them. */
function allCapabilities({ capabilities: all }: Privileges): object {
  return { bounding: all, effective: all, permitted: all, inheritable: all, ambient: all };
}

/**
 * No device node works but those bound into /dev: every file system is `nodev`. A device cgroup would do the same and costs a directory in every
 * cgroup hierarchy for each step; and nodes can come with an image as well as from mknod. The devices are bound read-only, which concerns
 * their metadata alone: chmod would change the host's. A step that is not shut in has all of them, and can make more in /dev.
 */
function mounts({ files, mounts: ofStep, shmSizeBytes, devices, privileges }: ContainerSetup): SpecMount[] {
  const confined = ['nosuid', 'noexec', 'nodev'];
  return [
    { destination: '/proc', type: 'proc', source: 'proc', options: confined },
    {
      destination: '/dev',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', ...(privileges === undefined ? ['nodev'] : []), 'strictatime', 'mode=755', 'size=65536k'],
    },
    ...(privileges?.devices ?? devices).map((name) => ({
      destination: `/dev/${name}`,
      type: 'bind',
      source: `/dev/${name}`,
      options: ['bind', 'ro', 'nosuid', 'noexec'],
    })),
    {
      destination: '/dev/pts',
      type: 'devpts',
      source: 'devpts',
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
    },
    { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: [...confined, 'mode=1777', `size=${shmSizeBytes}`] },
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: confined },
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...confined, privileges === undefined ? 'ro' : 'rw'] },
    ...files.map(({ source, target }) => ({
      destination: target,
      type: 'bind',
      source,
      options: ['bind', 'ro', 'nosuid', 'noexec', 'nodev'],
    })),
    ...ofStep,
  ];
}
