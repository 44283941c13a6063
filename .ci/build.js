// Bundles src into dist. Does nothing when dist is newer than everything it is made from; `--types` adds the declarations for the package.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** The command line is CommonJS, for which bin/load-bundle.js can keep bytecode; the library and the threads are ES modules. */
const ENTRIES = { 'dist/main.cjs': 'src/main.ts', 'dist/index.js': 'src/index.ts', 'dist/worker.js': 'src/worker.ts' };
/** Loaded on demand: execa starts programs, fast-glob and ignore explain a missing source, smol-toml and undici serve registries. */
const VENDORED = ['execa', 'fast-glob', 'ignore', 'smol-toml', 'undici'];
const withTypes = process.argv.includes('--types');

if (!isFresh()) await bundle();
if (withTypes) execFileSync(join(ROOT, 'node_modules/.bin/tsc'), ['-p', ROOT], { stdio: 'inherit' });

async function bundle() {
  const { build } = await import('esbuild');
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const temporary = `dist.tmp-${process.pid}`;
  const startedAt = new Date();
  const options = {
    absWorkingDir: ROOT,
    bundle: true,
    platform: 'node',
    target: 'node20.19',
    // Less to parse at start-up; --debug reads stack traces through the source maps.
    minify: true,
    // Has native code beside its JavaScript, and finds it by its own place.
    external: ['koffi'],
    define: { TSBUILD_VERSION: JSON.stringify(version) },
    legalComments: 'linked',
    sourcemap: 'linked',
    sourcesContent: false,
    logLevel: 'warning',
  };
  const vendored = {
    name: 'vendored',
    setup({ onResolve }) {
      const filter = new RegExp(`^(${VENDORED.join('|')})$`);
      onResolve({ filter }, ({ path, kind }) => (kind === 'entry-point' ? undefined : { path: `./vendor/${path}.cjs`, external: true }));
    },
  };
  // commander can run subcommands that are programs; ours are not, and the module takes 2 ms to load.
  const lazyChildProcess = {
    name: 'lazy-child-process',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^node:child_process$/ }, ({ importer }) =>
        /[/]commander[/]/.test(importer) ? { path: 'spawn', namespace: 'lazy' } : undefined,
      );
      onLoad({ filter: /./, namespace: 'lazy' }, () => ({
        contents: "exports.spawn = (...args) => require('node:child_process').spawn(...args);",
      }));
    },
  };
  const esm = {
    ...options,
    format: 'esm',
    // Some dependencies are CommonJS and call require for modules of Node.
    banner: { js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);" },
  };
  const commonJs = {
    ...options,
    format: 'cjs',
    define: { ...options.define, 'import.meta.url': '__bundleUrl' },
    banner: { js: "'use strict'; const __bundleUrl = require('node:url').pathToFileURL(__filename).href;" },
    // What is loaded on demand becomes require too: only an experimental option of Node's vm module has import.
    supported: { 'dynamic-import': false },
  };
  // One file for each entry: with shared chunks a build would read three dozen small files, at a millisecond each. What few builds need, and is large,
  // stands apart.
  const entries = Object.entries(ENTRIES).map(([out, entry]) =>
    build({
      ...(out.endsWith('.cjs') ? commonJs : esm),
      entryPoints: [entry],
      outfile: out.replace('dist', temporary),
      plugins: [vendored, lazyChildProcess],
    }),
  );
  const outdir = join(temporary, 'vendor');
  entries.push(build({ ...options, format: 'cjs', entryPoints: VENDORED, outdir, outExtension: { '.js': '.cjs' }, sourcemap: false }));
  await Promise.all(entries).catch(() => {
    rmSync(join(ROOT, temporary), { recursive: true, force: true });
    process.exit(1);
  });
  prependDigest(join(ROOT, temporary, 'main.cjs'));
  rmSync(join(ROOT, 'dist'), { recursive: true, force: true });
  renameSync(join(ROOT, temporary), join(ROOT, 'dist'));
  // A source that is changed while its bundle is made is newer than the bundle.
  for (const path of bundles()) utimesSync(path, startedAt, startedAt);
}

function isFresh() {
  const built = bundles();
  if (!built.every((path) => existsSync(path))) return false;
  const builtAt = Math.min(...built.map((path) => statSync(path).mtimeMs));
  const sources = readdirSync(join(ROOT, 'src'), { recursive: true }).map((name) => join(ROOT, 'src', name));
  const others = ['package.json', 'package-lock.json', 'tsconfig.json', '.ci/build.js'].map((name) => join(ROOT, name));
  return [...sources, ...others].every((path) => statSync(path).mtimeMs <= builtAt);
}

function bundles() {
  return Object.keys(ENTRIES).map((path) => join(ROOT, path));
}

/** Bytecode belongs to one text: bin/load-bundle.js finds it by the digest in the first line. */
function prependDigest(path) {
  const text = readFileSync(path, 'utf8');
  writeFileSync(path, `//${createHash('sha256').update(text).digest('hex').slice(0, 16)}\n${text}`);
}
