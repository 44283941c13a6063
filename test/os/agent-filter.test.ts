import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AgentFilter } from '../../src/os/agent-filter.js';

const UNKNOWN = Buffer.from([0, 0, 0, 1, 0]);
const LIST = 11;
const SIGN = 13;

function request(type: number, body: Uint8Array = new Uint8Array()): Buffer {
  const header = Buffer.alloc(5);
  header.writeUInt32BE(body.length + 1);
  header[4] = type;
  return Buffer.concat([header, body]);
}

describe('what of an agent’s requests is handed on', () => {
  it('lists and signatures are', () => {
    const text = Buffer.concat([request(LIST), request(SIGN, Buffer.from('blob and data'))]);
    expect(new AgentFilter().push(text)).toEqual(text);
  });

  it.each([
    ['REMOVE_IDENTITY', 18],
    ['ADD_IDENTITY', 17],
    ['REMOVE_ALL_IDENTITIES', 19],
    ['LOCK', 22],
    ['ADD_SMARTCARD_KEY', 20],
    ['EXTENSION', 27],
    ['what nobody knows', 250],
  ])('%s is not: the agent is asked something that it has to refuse', (_, type) => {
    expect(new AgentFilter().push(request(type, Buffer.from('body')))).toEqual(UNKNOWN);
  });

  it('is the same however the stream is cut', () => {
    const message = fc.record({ type: fc.constantFrom(LIST, SIGN, 17, 19, 27), body: fc.uint8Array({ maxLength: 40 }) });
    fc.assert(
      fc.property(fc.array(message, { maxLength: 6 }), fc.array(fc.integer({ min: 1, max: 12 })), (messages, cuts) => {
        const stream = Buffer.concat(messages.map(({ type, body }) => request(type, body)));
        const wanted = messages.map(({ type, body }) => (type === LIST || type === SIGN ? request(type, body) : UNKNOWN));
        const filter = new AgentFilter();
        const passed: Buffer[] = [];
        let at = 0;
        for (const length of [...cuts, stream.length]) {
          passed.push(filter.push(stream.subarray(at, at + length)) ?? Buffer.from('nothing'));
          at += length;
        }
        expect(Buffer.concat(passed)).toEqual(Buffer.concat(wanted));
      }),
    );
  });

  it('ends where a request has no type', () => {
    expect(new AgentFilter().push(Buffer.from([0, 0, 0, 0, LIST]))).toBeUndefined();
  });
});
