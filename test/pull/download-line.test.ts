import { describe, expect, it } from 'vitest';
import { DownloadLine } from '../../src/pull/download-line.js';

const forever = new AbortController().signal;

/** All that has been settled by now is told. */
async function settled(): Promise<void> {
  await new Promise(setImmediate);
}

describe('a line', () => {
  it('lets in as many as there are slots, those in a hurry first', async () => {
    const line = new DownloadLine(2);
    const order: string[] = [];
    const tickets = ['a', 'b', 'c', 'd', 'e'].map((name) => {
      const ticket = line.ticket(forever);
      void ticket.ready.then(() => order.push(name));
      return ticket;
    });
    tickets[3]?.hurry();
    tickets[4]?.hurry();
    await settled();
    expect(order).toEqual(['d', 'e']);
    tickets[3]?.[Symbol.dispose]();
    tickets[3]?.[Symbol.dispose]();
    await settled();
    expect(order).toEqual(['d', 'e', 'a']);
    tickets[2]?.hurry();
    tickets[4]?.[Symbol.dispose]();
    await settled();
    expect(order).toEqual(['d', 'e', 'a', 'c']);
  });

  it('forgets those who leave it', async () => {
    const line = new DownloadLine(1);
    const [first, second, third] = [line.ticket(forever), line.ticket(forever), line.ticket(forever)];
    await first.ready;
    second[Symbol.dispose]();
    first[Symbol.dispose]();
    await third.ready;
    third[Symbol.dispose]();
    await line.ticket(forever).ready;
  });

  it('ends with the signal', async () => {
    const line = new DownloadLine(1);
    const stop = new AbortController();
    const [first, second] = [line.ticket(stop.signal), line.ticket(stop.signal)];
    await first.ready;
    const reason = new Error('stop');
    stop.abort(reason);
    await expect(second.ready).rejects.toBe(reason);
    second[Symbol.dispose]();
    await expect(line.ticket(stop.signal).ready).rejects.toBe(reason);
  });
});
