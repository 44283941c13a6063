/** A registry, and perhaps where in it: `registry.example:5000/team`. */
export interface HostPath {
  readonly host: string;
  /** Empty, or `team/app`. */
  readonly path: string;
}

const DOCKER_HUB = 'docker.io';
const DOCKER_HUB_NAMES: ReadonlySet<string> = new Set([DOCKER_HUB, 'index.docker.io', 'registry-1.docker.io']);
/** Docker Hub's registry answers under this name only. */
const DOCKER_HUB_SERVER = 'registry-1.docker.io';
const LABEL = '[a-z0-9](?:[a-z0-9-]*[a-z0-9])?';
const HOST = new RegExp(String.raw`^(?:${LABEL}(?:[._]${LABEL})*\.?|\[[a-f0-9:.]+\])(?::[0-9]{1,5})?$`, 'i');
const PATH = /^[a-z0-9]+(?:(?:[._]|__|-+|\/)[a-z0-9]+)*$/;

/** A registry's one name, by which it is compared: lower case, and `docker.io` for all of Docker Hub's. */
export function canonicalHost(host: string): string {
  const lower = host.toLowerCase();
  return DOCKER_HUB_NAMES.has(lower) ? DOCKER_HUB : lower;
}

/** The host that is connected to. */
export function serverOf(host: string): string {
  const canonical = canonicalHost(host);
  return canonical === DOCKER_HUB ? DOCKER_HUB_SERVER : canonical;
}

export function isDockerHub(host: string): boolean {
  return canonicalHost(host) === DOCKER_HUB;
}

/** `HOST[:PORT][/PATH]`; `undefined` for anything else, URLs and names with tags included. */
export function parseHostPath(text: string): HostPath | undefined {
  const slash = text.indexOf('/');
  const host = slash === -1 ? text : text.slice(0, slash);
  const path = slash === -1 ? '' : text.slice(slash + 1).replace(/\/+$/, '');
  if (!HOST.test(host) || (path !== '' && !PATH.test(path))) return undefined;
  return { host: canonicalHost(host), path };
}

/** Docker's rule for plain http without being told: this machine itself. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/:\d+$/, '').toLowerCase();
  return name === 'localhost' || name === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(name);
}

/** What is left of a repository's path below a prefix; `undefined` when it is not below it. Both whole components. */
export function pathBelow(path: string, prefix: string): string | undefined {
  if (prefix === '') return path;
  if (path === prefix) return '';
  return path.startsWith(`${prefix}/`) ? path.slice(prefix.length + 1) : undefined;
}
