import { describe, expect, it } from 'vitest';
import { Slots } from '../../src/base/slots.js';

describe('Slots', () => {
  it('lets in by turns, forgets those who leave the queue, and gives a place back once', async () => {
    const slots = new Slots(1);
    const stop = new AbortController();
    const leave = await slots.enter();
    const order: string[] = [];
    const gone = slots.enter(stop.signal);
    const next = slots.enter().then((done) => (order.push('next'), done));
    const last = slots.enter().then((done) => (order.push('last'), done));
    stop.abort(new Error('enough'));
    await expect(gone).rejects.toThrow('enough');
    leave();
    leave();
    (await next)();
    (await last)();
    expect(order).toEqual(['next', 'last']);
    await expect(slots.enter(stop.signal)).rejects.toThrow('enough');
    (await slots.enter())();
  });

  it('runs so many tasks at once, also after one has failed', async () => {
    const slots = new Slots(2);
    let [now, most] = [0, 0];
    const results = await Promise.allSettled(
      [1, 2, 3, 4, 5].map((number) =>
        slots.run(async () => {
          most = Math.max(most, ++now);
          await Promise.resolve();
          now--;
          if (number < 3) throw new Error(String(number));
          return number;
        }),
      ),
    );
    expect(most).toBe(2);
    expect(results.map((result) => (result.status === 'fulfilled' ? result.value : 0))).toEqual([0, 0, 3, 4, 5]);
  });
});
