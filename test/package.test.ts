import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { scratchDir, tsbuild, writeFiles } from './helpers/cli.js';
import { readManifest } from './helpers/image-tools.js';

const CHECKOUT = fileURLToPath(new URL('..', import.meta.url));
/** What `npm publish` may unpack to, in bytes. */
const MAX_BYTES = 3_000_000;

interface Packed {
  readonly filename: string;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string }[];
}

const scratch = scratchDir('tsbuild-package-');
afterAll(() => scratch[Symbol.dispose]());
const project = join(scratch.path, 'project');
const installed = join(project, 'node_modules/tsbuild');
let packed: Packed;

/** Standard output of a program of the project's. */
function node(type: 'module' | 'commonjs', text: string): unknown {
  return JSON.parse(execFileSync(process.execPath, [`--input-type=${type}`, '-e', text], { cwd: project, encoding: 'utf8' }));
}

describe.skipIf(!existsSync(join(CHECKOUT, 'dist/main.cjs')))('the package, installed', () => {
  beforeAll(() => {
    const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', scratch.path];
    const [answer] = JSON.parse(execFileSync('npm', args, { cwd: CHECKOUT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })) as [
      Packed,
    ];
    packed = answer;
    mkdirSync(installed, { recursive: true });
    execFileSync('tar', ['-xf', join(scratch.path, packed.filename), '--strip-components=1', '-C', installed]);
    // Dependencies stand beside a package; npm would fetch them.
    for (const name of ['koffi', 'dockerfile-ast']) symlinkSync(join(CHECKOUT, 'node_modules', name), join(project, 'node_modules', name));
    writeFiles(join(project, 'context'), { Dockerfile: 'FROM scratch\nCOPY Dockerfile /\n' });
  });

  test('is small', () => {
    expect(packed.unpackedSize).toBeLessThan(MAX_BYTES);
  });

  test('has source maps for the bundles that --debug prints stack traces of, and no bytecode', () => {
    const names = packed.files.map(({ path }) => path).filter((path) => /^dist\/[^/]+$/.test(path));
    expect(names.toSorted()).toEqual(['dist/index.js', 'dist/main.cjs', 'dist/main.cjs.map', 'dist/worker.js', 'dist/worker.js.map']);
  });

  test.each([
    ['import', 'module', "import * as library from 'tsbuild';"],
    ['require', 'commonjs', "const library = require('tsbuild');"],
  ] as const)('gives the library to %s', (_title, type, load) => {
    const text = `${load} console.log(JSON.stringify({
      names: Object.keys(library),
      keywords: library.parseDockerfile('FROM scratch\\nCOPY a b').instructions.map(({ keyword }) => keyword),
    }));`;
    expect(node(type, text)).toEqual({
      names: expect.arrayContaining(['BuildError', 'build', 'checkDockerfile', 'parseDockerfile']),
      keywords: ['FROM', 'COPY'],
    });
  });

  test('builds by its library, and throws the errors that it exports', () => {
    const outputs = JSON.stringify([{ type: 'oci', tar: false, dest: join(project, 'layout'), names: [], annotations: {} }]);
    const told = node(
      'module',
      `import { build, BuildError } from 'tsbuild';
      const options = { context: 'context', root: 'store' };
      const { image } = await build({ ...options, outputs: ${outputs} });
      const error = await build({ ...options, target: 'nothing' }).catch((reason) => reason);
      console.log(JSON.stringify({ layers: image.manifest.layers.length, isBuildError: error instanceof BuildError, kind: error.kind }));`,
    );
    expect(told).toEqual({ layers: 1, isBuildError: true, kind: 'usage' });
    expect(readManifest(join(project, 'layout')).layers).toHaveLength(1);
  });

  test('says with --debug where in the source something broke', () => {
    const load = "require('./node_modules/tsbuild/bin/load-bundle.js').loadBundle({ debug: true }).exports.library()";
    const stack = node('commonjs', `try { ${load}.parseDockerfile(5); } catch (error) { console.log(JSON.stringify(error.stack)); }`);
    expect(stack).toMatch(/\n +at readSource \(.*\/src\/parse\/source\.ts:\d+:\d+\)\n.*\/src\/parse\/parser\.ts:\d+/);
  });

  test('builds by its command', () => {
    const program = join(installed, 'bin/tsbuild.js');
    expect(tsbuild(['--version'], { program })).toMatchObject({ status: 0, stderr: '' });
    for (const flag of ['-q', '-qD']) {
      expect(tsbuild([flag, '--root', 'store', 'context'], { program, cwd: project })).toMatchObject({ status: 0, stderr: '' });
    }
  });
});
