import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const SRC = fileURLToPath(new URL('../../src', import.meta.url));

/**
 * Who may import whom, by folder. A name alone may be imported for its values; `type:` in front means that only `import type` is allowed.
 * Files directly in src compose the folders and may import all of them, but no folder may import them unless it is named here.
 */
const ALLOWED: Record<string, readonly string[]> = {
  base: [],
  oci: ['base'],
  tar: ['base', 'os'],
  os: ['base', 'type:tar'],
  store: ['base', 'oci', 'os'],
  context: ['base', 'os', 'type:tar', 'type:snapshot'],
  parse: ['base'],
  plan: ['base', 'oci', 'parse'],
  lint: ['base', 'oci', 'parse', 'plan', 'type:context'],
  remote: ['base', 'oci', 'os', 'tar'],
  registry: ['base', 'oci', 'os', 'remote'],
  execute: ['base', 'oci', 'tar', 'context', 'os', 'type:plan', 'type:snapshot', 'type:options'],
  snapshot: ['base', 'oci', 'tar', 'os'],
  image: ['base', 'oci', 'tar', 'store', 'os', 'type:plan'],
  output: ['base', 'oci', 'tar', 'store', 'image', 'type:snapshot'],
  pull: ['base', 'oci', 'tar', 'store', 'registry', 'image', 'snapshot', 'type:plan', 'type:options', 'type:pool', 'type:transfers'],
  transport: [
    'base',
    'oci',
    'store',
    'image',
    'output',
    'pull',
    'credential-hosts',
    'pool',
    'progress',
    'push',
    'transfers',
    'type:registry',
    'type:events',
  ],
  cli: ['base', 'oci', 'store', 'output', 'image', 'lint', 'type:parse', 'type:events', 'type:options', 'type:transport', 'os', 'registry'],
  events: ['type:base', 'type:lint', 'type:oci'],
  options: ['type:base', 'type:events', 'type:image', 'type:lint', 'type:oci', 'type:output', 'type:registry'],
};

const PACKAGE_HOMES: Record<string, readonly string[]> = {
  koffi: ['os/native.ts'],
  execa: ['os'],
  'tar-stream': ['tar/archive.ts'],
  'dockerfile-ast': ['parse'],
  commander: ['cli', 'main'],
  'fast-glob': ['context'],
  ignore: ['context'],
  undici: ['registry'],
  'smol-toml': ['registry'],
};

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

function sourceFiles(): string[] {
  return readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(SRC, file), 'utf8');
  const found: Import[] = [];
  for (const match of text.matchAll(/(?:^|\n)(?:import|export)\s+(type\s)?[^'";]*?from\s+'([^']+)'/g)) {
    found.push({ from: file, to: match[2] ?? '', typeOnly: match[1] !== undefined });
  }
  for (const match of text.matchAll(/\b(?:import|require)\(\s*'([^']+)'\s*\)/g))
    found.push({ from: file, to: match[1] ?? '', typeOnly: false });
  return found;
}

/** `tar/entry.ts` → `tar`, `pipeline.ts` → `pipeline`. */
function folderOf(file: string): string {
  return file.includes('/') ? file.slice(0, file.indexOf('/')) : file.replace(/\.ts$/, '');
}

function describeBreach({ from, to, typeOnly }: Import): string | undefined {
  const home = folderOf(from);
  if (to.startsWith('node:')) return undefined;
  if (!to.startsWith('.')) {
    const homes = PACKAGE_HOMES[to];
    if (homes === undefined) return `${from}: package "${to}" has no home in PACKAGE_HOMES`;
    return homes.some((allowed) => from === allowed || home === allowed)
      ? undefined
      : `${from}: package "${to}" belongs to ${homes.join(', ')}`;
  }
  const target = folderOf(normalize(join(dirname(from), to)).replace(/\.js$/, '.ts'));
  const allowed = ALLOWED[home];
  if (target === home || allowed === undefined) return undefined;
  if (allowed.includes(target) || (typeOnly && allowed.includes(`type:${target}`))) return undefined;
  return `${from}: imports ${typeOnly ? 'types' : 'values'} of ${target}`;
}

describe('import arrows', () => {
  const files = sourceFiles();
  const imports = files.flatMap(importsOf);

  it('sees the files and their imports', () => {
    expect(files.length).toBeGreaterThan(50);
    expect(imports.length).toBeGreaterThan(files.length);
    for (const folder of Object.keys(ALLOWED))
      expect(
        files.some((file) => folderOf(file) === folder),
        folder,
      ).toBe(true);
  });

  it('point only where they may', () => {
    expect(imports.map(describeBreach).filter((breach) => breach !== undefined)).toEqual([]);
  });

  it('would catch a breach', () => {
    expect(describeBreach({ from: 'base/errors.ts', to: '../oci/types.js', typeOnly: true })).toBeDefined();
    expect(describeBreach({ from: 'execute/run.ts', to: '../plan/plan.js', typeOnly: false })).toBeDefined();
    expect(describeBreach({ from: 'execute/run.ts', to: 'koffi', typeOnly: false })).toBeDefined();
  });
});
