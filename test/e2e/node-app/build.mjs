// Minifies src into dist.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { minify } from 'terser';

mkdirSync('dist', { recursive: true });
for (const name of readdirSync('src')) {
  const { code } = await minify(readFileSync(`src/${name}`, 'utf8'), { module: true });
  writeFileSync(`dist/${name}`, code);
}
