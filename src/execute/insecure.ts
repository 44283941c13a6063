import { lstatSync, readdirSync, readFileSync } from 'node:fs';

/** capabilities(7), by bit. */
const CAPABILITIES = (
  'chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service net_broadcast net_admin net_raw ' +
  'ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice sys_resource sys_time sys_tty_config ' +
  'mknod lease audit_write audit_control setfcap mac_override mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore'
).split(' ');

/** What a step has that is not shut in. */
export interface Privileges {
  readonly capabilities: readonly string[];
  /** Names in /dev: character and block devices. */
  readonly devices: readonly string[];
}

/** All that this process has itself; nobody could hand on more. */
export function ownPrivileges(): Privileges {
  return { capabilities: capabilitiesOf(readFileSync('/proc/self/status', 'utf8')), devices: [...devicesIn(''), ...devicesIn('net/')] };
}

/** @param status text of /proc/self/status */
function capabilitiesOf(status: string): string[] {
  const bounding = BigInt(`0x${/^CapBnd:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  return CAPABILITIES.filter((_, bit) => ((bounding >> BigInt(bit)) & 1n) === 1n).map((name) => `CAP_${name.toUpperCase()}`);
}

/** Directories apart, and `ptmx` and `console`, of which a container has its own. */
function devicesIn(dir: '' | 'net/'): string[] {
  const names = readNames(`/dev/${dir}`).map((name) => dir + name);
  return names.filter((name) => name !== 'ptmx' && name !== 'console' && isDevice(`/dev/${name}`)).toSorted();
}

function readNames(dir: string): readonly string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}

function isDevice(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat !== undefined && (stat.isCharacterDevice() || stat.isBlockDevice());
}
