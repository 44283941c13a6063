import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { writeThousand } from '../bench/thousand.js';
import { scratchDir } from '../helpers/cli.js';
import { lint } from './helpers.js';

/** The aim is 150 ms; other tests run beside this one. */
const MAX_MS = 450;

test('a thousand instructions are parsed and checked in no time', () => {
  using dir = scratchDir();
  writeThousand(dir.path);
  const text = readFileSync(join(dir.path, 'Dockerfile'), 'utf8');
  const times = Array.from({ length: 5 }, () => {
    const startedAt = performance.now();
    expect(lint({ text, ignore: '*.log\n!keep.log' }).warnings).toEqual([]);
    return performance.now() - startedAt;
  });
  expect(Math.min(...times)).toBeLessThan(MAX_MS);
});

test('so is a file in which everything is doubtful', () => {
  const text = `FROM scratch as B\n${Array.from({ length: 1000 }, (_, index) => `env key_${index} $nothing_${index}`).join('\n')}`;
  const startedAt = performance.now();
  expect(lint({ text }).warnings.length).toBeGreaterThan(3000);
  expect(performance.now() - startedAt).toBeLessThan(4 * MAX_MS);
});
