import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FileSpec } from '../helpers/cli.js';
import { unpackWithUmoci } from '../helpers/image-tools.js';
import type { Workshop } from '../helpers/workshop.js';

let count = 0;

export interface BuildInput {
  readonly files?: Readonly<Record<string, FileSpec>>;
  readonly args?: readonly string[];
}

/** Builds a Dockerfile on what the store of the workshop has. @returns the unpacked root of the image */
export function builtRoot(shop: Workshop, lines: readonly string[], { files = {}, args = [] }: BuildInput = {}): string {
  const name = `built-${count++}`;
  const layout = shop.at(`${name}-layout`);
  shop.run(['--oci-layout', `${layout}:1`, ...args, shop.context({ ...files, Dockerfile: `${lines.join('\n')}\n` })]);
  return unpackWithUmoci(layout, '1', shop.at(`${name}-root`));
}

/** The same, and the contents of files of it. */
export function builtFiles(shop: Workshop, lines: readonly string[], paths: readonly string[], input: BuildInput = {}): string[] {
  const root = builtRoot(shop, lines, input);
  return paths.map((path) => readFileSync(join(root, path), 'utf8'));
}
