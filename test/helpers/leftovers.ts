import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * What a build has left on the machine: processes with `marker` on their command line, mounts of such a path in any mount namespace, and
 * cgroups of the containers of the process `pid`. One line each.
 */
function leftoversOf(marker: string, pid: number): string[] {
  return [...processesOf(marker), ...mountsOf(marker), ...cgroupsOf(`tsbuild-${pid}-`)];
}

/** The same, once the kernel has had a moment: processes that were killed take one to be gone. */
export async function lastingLeftovers(marker: string, pid: number, waitMs = 2000): Promise<string[]> {
  const deadlineMs = Date.now() + waitMs;
  for (;;) {
    const found = leftoversOf(marker, pid);
    if (found.length === 0 || Date.now() > deadlineMs) return found;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export function processesOf(marker: string): string[] {
  return eachProcess('cmdline').flatMap(([pid, text]) => {
    const line = text.replaceAll('\0', ' ');
    return line.includes(marker) && pid !== String(process.pid) ? [`process ${pid}: ${line.slice(0, 200)}`] : [];
  });
}

function mountsOf(marker: string): string[] {
  return eachProcess('mountinfo').flatMap(([pid, text]) =>
    text.split('\n').flatMap((line) => (line.includes(marker) ? [`mount seen by ${pid}: ${line}`] : [])),
  );
}

function eachProcess(file: string): [pid: string, text: string][] {
  return readdirSync('/proc').flatMap((pid): [string, string][] => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      return [[pid, readFileSync(`/proc/${pid}/${file}`, 'utf8')]];
    } catch {
      // Gone in between.
      return [];
    }
  });
}

function cgroupsOf(prefix: string): string[] {
  const found: string[] = [];
  const visit = (dir: string): void => {
    let entries;
    try {
      entries = readdirSync(dir, { withFileTypes: true });
    } catch {
      return;
    }
    for (const entry of entries) {
      if (!entry.isDirectory()) continue;
      const path = join(dir, entry.name);
      if (entry.name.includes(prefix)) found.push(`cgroup ${path}`);
      else visit(path);
    }
  };
  visit('/sys/fs/cgroup');
  return found;
}

interface Node {
  readonly mediaType?: string;
  readonly digest: string;
  readonly size: number;
}

/** What is wrong with an OCI image layout, told without any code of tsbuild's. */
export function layoutFaults(dir: string): string[] {
  const faults: string[] = [];
  for (const name of readdirSync(join(dir, 'blobs/sha256'))) {
    if (isTemporary(name)) continue;
    const got = createHash('sha256')
      .update(readFileSync(join(dir, 'blobs/sha256', name)))
      .digest('hex');
    if (got !== name) faults.push(`blob ${name} has the digest ${got}`);
  }
  const visit = ({ digest, size }: Node, from: string): void => {
    const path = join(dir, 'blobs', digest.replace(':', '/'));
    if (!existsSync(path)) {
      faults.push(`${from} names ${digest}, which is not there`);
      return;
    }
    const bytes = readFileSync(path);
    if (bytes.length !== size) faults.push(`${from} says ${digest} has ${size} bytes, it has ${bytes.length}`);
    if (bytes[0] !== 0x7b) return;
    const { manifests = [], config, layers = [] } = JSON.parse(bytes.toString('utf8')) as Children;
    // A config has a field of that name as well: the container's.
    for (const child of [...manifests, ...layers, ...(config !== undefined && 'digest' in config ? [config] : [])]) visit(child, digest);
  };
  const index = JSON.parse(readFileSync(join(dir, 'index.json'), 'utf8')) as Children;
  for (const child of index.manifests ?? []) visit(child, 'index.json');
  return faults;
}

interface Children {
  readonly manifests?: readonly Node[];
  readonly config?: Node | object;
  readonly layers?: readonly Node[];
}

/** A file that a killed build was about to publish. */
function isTemporary(name: string): boolean {
  return name.startsWith('.tmp-');
}

/** Names of unfinished files and directories in a store: its `tmp`, and files beside their place. */
export function unfinished(root: string): string[] {
  const list = (path: string): string[] =>
    existsSync(join(root, path)) ? readdirSync(join(root, path)).map((name) => join(path, name)) : [];
  const beside = ['', 'blobs/sha256', 'layers'].flatMap(list).filter((path) => isTemporary(path.slice(path.lastIndexOf('/') + 1)));
  return [...list('tmp'), ...beside];
}
