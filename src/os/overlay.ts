import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';

const MODULE_PARAMETERS = '/sys/module/overlay/parameters';

interface OverlayPaths {
  /** Topmost first. */
  readonly lowers: readonly string[];
  readonly upper: string;
  readonly work: string;
}

/** What mount(2) takes: one page, its terminating NUL included. */
const MAX_OPTIONS_BYTES = 4095;

/** Options of an overlay whose paths are relative to a directory. */
export interface NamedOverlay {
  readonly base: string;
  readonly options: string;
}

/**
 * Names the directories so that the options fit into the one page that mount(2) takes: relative to where all of them lie, which is short and
 * needs no escaping in a store; by numbered links in `dir`, made for that, when there are too many or one has a character that would need it.
 */
export function nameOverlay({ dir, ...paths }: OverlayPaths & { readonly dir: string }): NamedOverlay {
  const base = commonParent([...paths.lowers, paths.upper, paths.work]);
  const toName = (path: string): string => path.slice(base.length + 1);
  const names = { lowers: paths.lowers.map(toName), upper: toName(paths.upper), work: toName(paths.work) };
  const options = overlayOptions(names);
  if (options.length <= MAX_OPTIONS_BYTES && [...names.lowers, names.upper, names.work].every((name) => /^[\w./-]+$/.test(name))) {
    return { base: base === '' ? '/' : base, options };
  }
  mkdirSync(dir);
  for (const [index, lower] of paths.lowers.entries()) symlinkSync(lower, `${dir}/${index}`);
  symlinkSync(paths.upper, `${dir}/u`);
  symlinkSync(paths.work, `${dir}/w`);
  return { base: dir, options: overlayOptions({ lowers: [...paths.lowers.keys()].map(String), upper: 'u', work: 'w' }) };
}

/** The deepest directory that all paths are below; the paths are absolute and clean. */
function commonParent(paths: readonly string[]): string {
  const split = paths.map((path) => path.split('/').slice(0, -1));
  const [first = []] = split;
  const depth = first.findIndex((part, index) => !split.every((parts) => parts[index] === part));
  return first.slice(0, depth === -1 ? first.length : depth).join('/');
}

/**
 * Mount options of an overlay; the paths must be free of `:`, `,` and `\`.
 *
 * - `nodev`: nodes that come with an image, or that a step makes, open nothing
 * - `volatile`: without it the end of the last mount writes out the whole file system that `upper` is on, for 100 ms to seconds
 * - the others: a layer must not depend on the defaults of the machine's kernel; they are named only where it knows them
 */
function overlayOptions({ lowers, upper, work }: OverlayPaths): string {
  const known = ['redirect_dir', 'metacopy', 'index'].filter(isKnown).map((option) => `${option}=off`);
  const options = ['nodev', `lowerdir=${lowers.join(':')}`, `upperdir=${upper}`, `workdir=${work}`, ...known];
  return (kernelAtLeast(5, 10) ? [...options, 'volatile'] : options).join(',');
}

/** The module's parameters bear the names of the options. A module that is not loaded yet has none to show: then the kernel's age counts. */
function isKnown(option: string): boolean {
  return existsSync(MODULE_PARAMETERS) ? existsSync(join(MODULE_PARAMETERS, option)) : kernelAtLeast(4, 19);
}

function kernelAtLeast(major: number, minor: number): boolean {
  const [, kernelMajor = '0', kernelMinor = '0'] = /^(\d+)\.(\d+)/.exec(release()) ?? [];
  return Number(kernelMajor) > major || (Number(kernelMajor) === major && Number(kernelMinor) >= minor);
}
