import { mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { shell } from './measure.js';

const IMAGE_GIB = 20;

/** A directory on a journaled ext4 of its own, in a sparse file; gone when disposed or when the process ends. */
export function mountJournaled(parent: string): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(parent, 'tsbuild-bench-'));
  const image = `${path}.img`;
  shell(`truncate -s ${IMAGE_GIB}G ${image}; mkfs.ext4 -q -F ${image}; mount -o loop ${image} ${path}`, {});
  const dispose = (): void => {
    process.off('exit', dispose);
    shell(`umount -R ${path} || umount -l ${path}`, {});
    rmdirSync(path);
    rmSync(image);
  };
  process.once('exit', dispose);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
  return { path, [Symbol.dispose]: dispose };
}

/** buildah and skopeo keep what they have here too. @returns the path of the file */
export function writeStorageConf(dir: string): string {
  const path = join(dir, 'storage.conf');
  writeFileSync(
    path,
    `[storage]\ndriver = "overlay"\ngraphroot = "${join(dir, 'containers')}"\nrunroot = "${join(dir, 'containers-run')}"\n`,
  );
  return path;
}
