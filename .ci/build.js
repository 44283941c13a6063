// Bundles src into dist. Does nothing when dist is newer than everything it is made from; `--types` adds the declarations for the package.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const ENTRIES = ['src/main.ts', 'src/index.ts', 'src/worker.ts'];
/** Loaded on demand: execa starts programs, the others explain a missing source. */
const VENDORED = ['execa', 'fast-glob', 'ignore'];
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
    outdir: temporary,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    // Less to parse at start-up; --debug reads stack traces through the source maps.
    minify: true,
    // Has native code beside its JavaScript, and finds it by its own place.
    external: ['koffi'],
    // Some dependencies are CommonJS and call require for modules of Node.
    banner: { js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);" },
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
      onResolve({ filter }, ({ path, kind }) => (kind === 'entry-point' ? undefined : { path: `./vendor/${path}.js`, external: true }));
    },
  };
  // One file for each entry: with shared chunks a build would read three dozen small files, at a millisecond each. What few builds need, and is large,
  // stands apart.
  const entries = ENTRIES.map((entry) => build({ ...options, entryPoints: [entry], plugins: [vendored] }));
  entries.push(build({ ...options, entryPoints: VENDORED, outdir: join(temporary, 'vendor'), sourcemap: false }));
  await Promise.all(entries).catch(() => {
    rmSync(join(ROOT, temporary), { recursive: true, force: true });
    process.exit(1);
  });
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
  return ENTRIES.map((entry) => join(ROOT, entry.replace('src/', 'dist/').replace('.ts', '.js')));
}
