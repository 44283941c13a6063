import { describe, expect, it } from 'vitest';
import type { BuildEvent } from '../src/events.js';
import type { Untimed } from '../src/progress.js';
import { Transfers } from '../src/transfers.js';

const LAYER = { direction: 'pull', what: 'layer sha256:0123456789ab', reference: 'registry.example/app:1', totalBytes: 1000 } as const;

/** Transfers on a clock that the test sets, and what they told. */
function lab() {
  const events: Untimed<BuildEvent>[] = [];
  const clock = { ms: 5000 };
  const transfers = new Transfers(
    (event) => events.push(event),
    () => clock.ms,
  );
  return { events, clock, transfers };
}

describe('transfers', () => {
  it('tell the beginning and the end with all bytes', () => {
    const { events, clock, transfers } = lab();
    const transfer = transfers.start(LAYER);
    transfer.onBytes(400);
    clock.ms += 50;
    transfer.onBytes(600);
    transfer.finish('done');
    expect(events).toEqual([
      { type: 'transfer-started', transfer: { ...LAYER, id: 'transfer-1' } },
      { type: 'transfer-finished', transferId: 'transfer-1', outcome: 'done', bytes: 1000, durationMs: 50 },
    ]);
  });

  it('tell how far each is at most ten times a second', () => {
    const { events, clock, transfers } = lab();
    const [first, second] = [transfers.start(LAYER), transfers.start({ ...LAYER, what: 'config' })];
    for (let index = 0; index < 1000; index++) {
      clock.ms += 1;
      first.onBytes(1);
      if (index < 250) second.onBytes(2);
    }
    const told = (id: string): number[] =>
      events.flatMap((event) => (event.type === 'transfer-progress' && event.transferId === id ? [event.bytes] : []));
    expect(told('transfer-1')).toEqual([100, 200, 300, 400, 500, 600, 700, 800, 900, 1000]);
    expect(told('transfer-2')).toEqual([200, 400]);
  });

  it('have an id each', () => {
    const { events, transfers } = lab();
    for (let index = 0; index < 20; index++) transfers.start(LAYER).finish('exists');
    const ids = events.flatMap((event) => (event.type === 'transfer-started' ? [event.transfer.id] : []));
    expect(new Set(ids).size).toBe(20);
  });

  it('say nothing after the end', () => {
    const { events, clock, transfers } = lab();
    const transfer = transfers.start(LAYER);
    transfer.finish('failed');
    clock.ms += 1000;
    transfer.onBytes(10);
    transfer.finish('done');
    expect(events.slice(1)).toEqual([{ type: 'transfer-finished', transferId: 'transfer-1', outcome: 'failed', bytes: 0, durationMs: 0 }]);
  });
});
