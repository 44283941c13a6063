import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { finished, type CliResult } from './cli.js';
import { member, tarOf } from './tar-builder.js';
import { writeRawLayout, type RawLayout } from './raw-layout.js';

/** Runs another client beside the test: the servers in this process go on answering. It sees neither this machine's credentials nor proxies. */
export function runClient(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CliResult> {
  return finished(
    spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent', LC_ALL: 'C', ...env },
    }),
  );
}

/** skopeo, which has to succeed. @returns its standard output */
export async function skopeo(...args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await runClient('skopeo', ['--insecure-policy', ...args]);
  if (status !== 0) throw new Error(`skopeo ${args.join(' ')}: status ${status}\n${stderr}`);
  return stdout;
}

/** An image of one layer per text, with a file `0`, `1`, ... in each. @returns the layout, which has no other image */
export function smallLayout(dir: string, texts: readonly string[], raw: RawLayout = {}): string {
  mkdirSync(dir, { recursive: true });
  const layers = texts.map((text, index) => tarOf(member({ path: `file-${index}`, text })));
  return writeRawLayout(join(dir), { layers, ...raw });
}
