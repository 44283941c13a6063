import { openCacheDir, type CacheDirRequest } from '../../src/store/cache-dirs.js';

/** A process that holds a cache directory until its standard input ends: `ROOT KEY SHARING`. Prints the path when it has it. */
const [root = '', key = '', sharing = 'shared'] = process.argv.slice(2);

const dir = await openCacheDir(root, {
  key,
  sharing: sharing as CacheDirRequest['sharing'],
  fill: () => Promise.resolve(),
  onWait: () => process.stdout.write('waiting\n'),
  signal: new AbortController().signal,
});
process.stdout.write(`${dir.path}\n`);
process.stdin.resume().once('end', () => {
  dir[Symbol.dispose]();
  process.stdout.write('done\n');
});
