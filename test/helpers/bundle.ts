import { existsSync, symlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

/** Makes a program of a TypeScript file, for tests that need a process of their own. @returns its path, in `dir` */
export function bundleProgram(entry: URL, dir: string): string {
  const outfile = join(dir, `${basename(entry.pathname, '.ts')}.mjs`);
  buildSync({
    entryPoints: [fileURLToPath(entry)],
    outfile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
  });
  // Where the packages are looked up.
  if (!existsSync(join(dir, 'node_modules')))
    symlinkSync(fileURLToPath(new URL('../../node_modules', import.meta.url)), join(dir, 'node_modules'));
  return outfile;
}
