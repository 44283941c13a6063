import { existsSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';

const MODULE_PARAMETERS = '/sys/module/overlay/parameters';

export interface OverlayPaths {
  /** Topmost first. */
  readonly lowers: readonly string[];
  readonly upper: string;
  readonly work: string;
}

/**
 * Mount options of an overlay; the paths must be free of `:`, `,` and `\`.
 *
 * - `nodev`: nodes that come with an image, or that a step makes, open nothing
 * - `volatile`: without it the end of the last mount writes out the whole file system that `upper` is on, for 100 ms to seconds
 * - the others: a layer must not depend on the defaults of the machine's kernel; they are named only where it knows them
 */
export function overlayOptions({ lowers, upper, work }: OverlayPaths): string {
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
