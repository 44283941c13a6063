import { readFileSync } from 'node:fs';

/** Put in by the bundler. */
declare const TSBUILD_VERSION: string | undefined;

export function tsbuildVersion(): string {
  if (typeof TSBUILD_VERSION === 'string') return TSBUILD_VERSION;
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
