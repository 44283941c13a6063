import type { Ulimit } from '../options.js';
import { SANDBOX_HOSTNAME } from './network-files.js';
import { seccompProfile } from './seccomp.js';
import type { UserIds } from './users.js';

/** What is particular to one container; everything else of its config.json is the same for all. */
export interface ContainerSetup {
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
  readonly shmSizeBytes: number;
  readonly ulimits: readonly Ulimit[];
  /** Device nodes of this machine's /dev that the container gets. */
  readonly devices: readonly string[];
  readonly hooks?: { readonly createContainer: readonly Hook[] };
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
    hostname: SANDBOX_HOSTNAME,
    mounts: mounts(setup),
    ...(setup.hooks === undefined ? {} : { hooks: setup.hooks }),
    linux: {
      namespaces: ['pid', 'ipc', 'uts', 'mount', ...(setup.network === 'none' ? ['network'] : [])].map((type) => ({ type })),
      // What a device cgroup does where the runtime makes one: no device but those of its own /dev.
      resources: { devices: [{ allow: false, access: 'rwm' }] },
      seccomp: seccompProfile(process.arch),
      maskedPaths: MASKED_PATHS,
      readonlyPaths: READONLY_PATHS,
    },
  };
}

function processSpec({ args, env, cwd, user, ulimits }: ContainerSetup): object {
  const own = user.uid === 0 ? CAPABILITIES : [];
  return {
    terminal: false,
    user: { uid: user.uid, gid: user.gid, additionalGids: [...new Set([user.gid, ...user.groups])] },
    args,
    env,
    cwd,
    capabilities: { bounding: CAPABILITIES, effective: own, permitted: own, inheritable: [], ambient: [] },
    rlimits: ulimits.map(({ name, soft, hard }) => ({ type: `RLIMIT_${name.toUpperCase()}`, soft, hard })),
    // As docker has it: sudo works.
    noNewPrivileges: false,
  };
}

/**
 * No device node works but those bound into /dev: every file system is `nodev`. A device cgroup would do the same and costs a directory in every
 * cgroup hierarchy for each step; and nodes can come with an image as well as from mknod. The devices are bound read-only, which concerns
 * their metadata alone: chmod would change the host's.
 */
function mounts({ files, shmSizeBytes, devices }: ContainerSetup): object[] {
  const confined = ['nosuid', 'noexec', 'nodev'];
  return [
    { destination: '/proc', type: 'proc', source: 'proc', options: confined },
    { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'nodev', 'strictatime', 'mode=755', 'size=65536k'] },
    ...devices.map((name) => ({
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
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...confined, 'ro'] },
    ...files.map(({ source, target }) => ({
      destination: target,
      type: 'bind',
      source,
      options: ['bind', 'ro', 'nosuid', 'noexec', 'nodev'],
    })),
  ];
}
