import { cleanPath, joinPath } from '../base/paths.js';

/**
 * What WORKDIR makes of the config's WorkingDir: a relative path goes on from the one before, an absolute one is stored as it was written.
 * Nothing at all (a variable that is not set) changes nothing.
 */
export function nextWorkdir(current: string, requested: string): string {
  return requested.startsWith('/') ? requested : joinPath('/', current, requested);
}

/** Where COPY and ADD put things: absolute and clean, with a trailing slash when the destination is said to be a directory. */
export function copyDestination(workdir: string, dest: string): string {
  const absolute = cleanPath(dest.startsWith('/') ? dest : joinPath('/', workdir, dest));
  const isDirectory = dest === '' || dest === '.' || dest.endsWith('/') || dest.endsWith('/.');
  return isDirectory && absolute !== '/' ? `${absolute}/` : absolute;
}
