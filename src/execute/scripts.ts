import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunStep } from '../plan/plan.js';
import type { PreparedMount } from './mounts.js';

/** Where the heredocs of a step that are programs are found. */
const TARGET = '/dev/pipes';

/**
 * Writes the heredocs of a step that are programs.
 * @param dir the step's own
 * @returns what mounts them, read-only; it leaves nothing behind, as /dev is the container's own
 */
export function writeScripts(scripts: RunStep['scripts'], dir: string): readonly PreparedMount[] {
  if (scripts.length === 0) return [];
  const source = join(dir, 'pipes');
  mkdirSync(source);
  chmodSync(source, 0o755);
  for (const { name, text } of scripts) {
    writeFileSync(join(source, name), text);
    chmodSync(join(source, name), 0o755);
  }
  return [{ target: TARGET, type: 'bind', source, isFile: false, options: ['bind', 'ro', 'nosuid', 'nodev'] }];
}
