// Bundles src into dist. Does nothing when dist is newer than everything it is made from; `--types` adds the declarations for the package.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** The command line is CommonJS, for which bin/load-bundle.js can keep bytecode; the threads are an ES module. */
const BUNDLES = ['dist/main.cjs', 'dist/worker.js'];
/** The library is the same code as the command line, and takes it from there: it need not be in the package twice. */
const LIBRARY = 'dist/index.js';
/** `library` is a function, so that the command line evaluates nothing that it does not use itself. */
const MAIN = "export { main } from './src/main.ts'; export const library = () => require('./src/index.ts');";
/**
 * Loaded on demand: execa starts programs, fast-glob and ignore explain a missing source, undici serves registries. By what is bundled
 * for each; of undici only a part.
 */
const VENDORED = { execa: 'execa', 'fast-glob': 'fast-glob', ignore: 'ignore', undici: './.ci/vendor/undici.js' };
const withTypes = process.argv.includes('--types');

if (!isFresh()) await bundle();
if (withTypes) writeTypes();

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
      const filter = new RegExp(`^(${Object.keys(VENDORED).join('|')})$`);
      onResolve({ filter }, ({ path, kind }) => (kind === 'entry-point' ? undefined : { path: `./vendor/${path}.cjs`, external: true }));
    },
  };
  // Our connections never agree on HTTP/2, and node:http2 takes 8 ms to load.
  const withoutHttp2 = {
    name: 'without-http2',
    setup({ onLoad }) {
      const contents = "module.exports = () => { throw new Error('HTTP/2 is left out'); };";
      onLoad({ filter: /[/]undici[/]lib[/]dispatcher[/]client-h2[.]js$/ }, () => ({ contents }));
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
  const plugins = [vendored, lazyChildProcess];
  const stdin = { contents: MAIN, resolveDir: ROOT, sourcefile: 'main.js' };
  const entries = [
    build({ ...commonJs, stdin, outfile: join(temporary, 'main.cjs'), plugins }),
    build({ ...esm, entryPoints: ['src/worker.ts'], outfile: join(temporary, 'worker.js'), plugins }),
    writeLibrary(build, join(temporary, 'index.js')),
  ];
  const outdir = join(temporary, 'vendor');
  const vendor = { entryPoints: VENDORED, outdir, outExtension: { '.js': '.cjs' }, plugins: [withoutHttp2] };
  entries.push(build({ ...options, format: 'cjs', ...vendor, sourcemap: false }));
  await Promise.all(entries).catch(() => {
    rmSync(join(ROOT, temporary), { recursive: true, force: true });
    process.exit(1);
  });
  prependDigest(join(ROOT, temporary, 'main.cjs'));
  rmSync(join(ROOT, 'dist'), { recursive: true, force: true });
  renameSync(join(ROOT, temporary), join(ROOT, 'dist'));
  // A source that is changed while its bundle is made is newer than the bundle.
  for (const path of built()) utimesSync(path, startedAt, startedAt);
}

/** An ES module that has the names of src/index.ts, and their values from main.cjs. */
async function writeLibrary(build, path) {
  const options = { absWorkingDir: ROOT, entryPoints: ['src/index.ts'], outfile: path, format: 'esm', write: false, metafile: true };
  const { metafile } = await build(options);
  const names = Object.values(metafile.outputs).flatMap((output) => output.exports);
  mkdirSync(join(ROOT, path, '..'), { recursive: true });
  writeFileSync(
    join(ROOT, path),
    `import { createRequire } from 'node:module';\nexport const { ${names.join(', ')} } = createRequire(import.meta.url)('./main.cjs').library();\n`,
  );
}

/** The declarations that index.d.ts leads to: no other is a part of what the package exports. */
function writeTypes() {
  const dir = join(ROOT, 'dist/types');
  execFileSync(join(ROOT, 'node_modules/.bin/tsc'), ['-p', ROOT], { stdio: 'inherit' });
  const reached = new Set();
  const visit = (path) => {
    if (reached.has(path)) return;
    reached.add(path);
    const text = readFileSync(path, 'utf8');
    for (const [, name] of text.matchAll(/\b(?:from|import) ?\(?['"](\.[^'"]+)\.js['"]/g)) visit(join(path, '..', `${name}.d.ts`));
  };
  visit(join(dir, 'index.d.ts'));
  for (const name of readdirSync(dir, { recursive: true })) {
    if (name.endsWith('.d.ts') && !reached.has(join(dir, name))) rmSync(join(dir, name));
  }
}

function isFresh() {
  const paths = built();
  if (!paths.every((path) => existsSync(path))) return false;
  const builtAt = Math.min(...paths.map((path) => statSync(path).mtimeMs));
  const sources = readdirSync(join(ROOT, 'src'), { recursive: true }).map((name) => join(ROOT, 'src', name));
  const others = ['package.json', 'package-lock.json', 'tsconfig.json', '.ci/build.js'].map((name) => join(ROOT, name));
  return [...sources, ...others].every((path) => statSync(path).mtimeMs <= builtAt);
}

function built() {
  return [...BUNDLES, LIBRARY].map((path) => join(ROOT, path));
}

/** Bytecode belongs to one text: bin/load-bundle.js finds it by the digest in the first line. The source map has a line more then, too. */
function prependDigest(path) {
  const text = readFileSync(path, 'utf8');
  writeFileSync(path, `//${createHash('sha256').update(text).digest('hex').slice(0, 16)}\n${text}`);
  const map = JSON.parse(readFileSync(`${path}.map`, 'utf8'));
  writeFileSync(`${path}.map`, JSON.stringify({ ...map, mappings: `;${map.mappings}` }));
}
