import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';

const MODULE_PARAMETERS = '/sys/module/overlay/parameters';

interface OverlayPaths {
  /** Topmost first. */
  readonly lowers: readonly string[];
  /** Without it the overlay is read-only, and has two lower directories at least. */
  readonly scratch?: { readonly upper: string; readonly work: string };
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
export function nameOverlay({ dir, lowers, scratch }: OverlayPaths & { readonly dir: string }): NamedOverlay {
  const paths = [...lowers, ...(scratch === undefined ? [] : [scratch.upper, scratch.work])];
  const base = commonParent(paths);
  const names = paths.map((path) => path.slice(base.length + 1));
  const options = overlayOptions(names, lowers.length);
  if (options.length <= MAX_OPTIONS_BYTES && names.every((name) => /^[\w./-]+$/.test(name))) {
    return { base: base === '' ? '/' : base, options };
  }
  mkdirSync(dir);
  const links = paths.map((_, index) => String(index));
  for (const [index, path] of paths.entries()) symlinkSync(path, `${dir}/${index}`);
  return { base: dir, options: overlayOptions(links, lowers.length) };
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
function overlayOptions(paths: readonly string[], lowerCount: number): string {
  const known = ['redirect_dir', 'metacopy', 'index'].filter(isKnown).map((option) => `${option}=off`);
  const lowers = `lowerdir=${paths.slice(0, lowerCount).join(':')}`;
  const [upper, work] = paths.slice(lowerCount);
  if (upper === undefined || work === undefined) return ['ro', 'nodev', lowers, ...known].join(',');
  const options = ['nodev', lowers, `upperdir=${upper}`, `workdir=${work}`, ...known];
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
