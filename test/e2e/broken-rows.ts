import { afterAll, beforeAll, expect, it } from 'vitest';
import { BrokenLab, hostOf, type Command, type Outcome, type Trial } from './broken-lab.js';

/** A trial, and what each of its commands says: these words in this order, where HOST is the registry. */
export interface Row extends Omit<Trial, 'commands'> {
  readonly commands?: readonly Command[];
  readonly status: number;
  readonly words: readonly string[];
  readonly absent?: RegExp;
}

/** Titles to rows; what is not known before the tests begin comes from a function. */
export type Rows = Readonly<Record<string, Row | (() => Row)>>;

const MAX_WAIT_MS = 8000;

/** A lab for the tests of one file. */
export function useBrokenLab(): () => BrokenLab {
  let lab: BrokenLab | undefined;
  beforeAll(() => {
    lab = new BrokenLab();
  });
  afterAll(() => lab?.[Symbol.dispose]());
  return () => {
    if (lab === undefined) throw new Error('there is no lab yet');
    return lab;
  };
}

/** One test for each row, which tries all its commands; those of the row, or these. */
export function table(lab: () => BrokenLab, rows: Rows, commands: readonly Command[]): void {
  it.concurrent.each(Object.entries(rows))('%s', async (_, given) => {
    const row = typeof given === 'function' ? given() : given;
    for (const outcome of await lab().try({ commands, ...row })) expectWords(outcome, row);
  });
}

export function expectWords({ command, registry, status, stderr, waitedMs }: Outcome, row: Row): void {
  const message = stderr.slice(stderr.search(/^ERROR: /m));
  expect(status, `${command}: ${stderr}`).toBe(row.status);
  let from = 0;
  for (const word of row.words) {
    const wanted = word.replaceAll('HOST', hostOf(registry, row));
    const found = message.indexOf(wanted, from);
    expect(found, `${command}: ${JSON.stringify(wanted)} in\n${message}`).toBeGreaterThanOrEqual(from);
    from = found + wanted.length;
  }
  if (!Number.isNaN(waitedMs)) expect(waitedMs).toBeLessThan(MAX_WAIT_MS);
  if (row.absent !== undefined) expect(message).not.toMatch(row.absent);
}
