import { randomFrom, seedOf } from './random.js';
import type { RequestSubject } from './registry-traffic.js';

/** How much of what goes wrong; rates are shares of the requests where it can happen. */
export interface FaultRates {
  /** The connection is reset: before the request is read, in the middle of its body, after the registry did what was asked, or in the middle of the answer. */
  readonly reset?: number;
  readonly status503?: number;
  readonly tooMany?: { readonly rate: number; readonly retryAfterSeconds: number };
  /** Of answers with a body: the end of it is missing. */
  readonly truncate?: number;
  /** A token is good for so many requests and has expired then. */
  readonly unauthorizedAfter?: number;
  /** Before the registry hears of it. */
  readonly delayMs?: { readonly rate: number; readonly ms: number };
}

export type Fault =
  | { readonly kind: 'reset-before' | 'lost-answer' | 'unauthorized' }
  | { readonly kind: '503' }
  | { readonly kind: '429'; readonly retryAfterSeconds: number }
  | { readonly kind: 'reset-request'; readonly afterBytes: number }
  /**
   * `part` of the body arrives, in [0, 1). `truncate-length` ends the connection in order before `content-length` is reached,
   * `truncate-chunked` before the last chunk, and `truncate-short` looks like a whole answer.
   */
  | { readonly kind: 'reset-response' | 'truncate-length' | 'truncate-chunked' | 'truncate-short'; readonly part: number };

export interface RequestFacts {
  /** `undefined` when it is not said. */
  readonly bodyBytes: number | undefined;
  /** The header. */
  readonly authorization: string | undefined;
}

const CUTS = ['truncate-length', 'truncate-chunked', 'truncate-short'] as const;

/**
 * Says what goes wrong with each request. It depends on the seed, on what is asked and on how often that was asked: not on the order
 * of requests that are under way side by side.
 */
export class FaultPlan {
  rates: FaultRates;
  readonly #seed: number;
  readonly #asked = new Map<string, number>();
  readonly #uses = new Map<string, number>();

  constructor(seed: number, rates: FaultRates) {
    this.#seed = seed;
    this.rates = rates;
  }

  next(method: string, subject: RequestSubject, facts: RequestFacts): { readonly fault: Fault | undefined; readonly delayMs: number } {
    const times = this.#asked.get(subject.label) ?? 0;
    this.#asked.set(subject.label, times + 1);
    const draw = randomFrom(seedOf(`${this.#seed} ${subject.label} ${times}`));
    const { delayMs } = this.rates;
    const delay = draw() < (delayMs?.rate ?? 0) ? (delayMs?.ms ?? 0) : 0;
    if (this.#hasExpired(facts)) return { fault: { kind: 'unauthorized' }, delayMs: delay };
    return { fault: this.#draw(draw, method, facts), delayMs: delay };
  }

  #hasExpired({ authorization }: RequestFacts): boolean {
    if (authorization === undefined) return false;
    const uses = (this.#uses.get(authorization) ?? 0) + 1;
    this.#uses.set(authorization, uses);
    return uses > (this.rates.unauthorizedAfter ?? Infinity);
  }

  #draw(draw: () => number, method: string, facts: RequestFacts): Fault | undefined {
    const { reset = 0, status503 = 0, tooMany = { rate: 0, retryAfterSeconds: 0 }, truncate = 0 } = this.rates;
    const isRead = method === 'GET';
    let drawn = draw();
    if (drawn < reset) return toReset(draw, isRead, facts);
    drawn -= reset;
    if (drawn < status503) return { kind: '503' };
    drawn -= status503;
    if (drawn < tooMany.rate) return { kind: '429', retryAfterSeconds: tooMany.retryAfterSeconds };
    drawn -= tooMany.rate;
    if (isRead && drawn < truncate) return { kind: CUTS[Math.floor(draw() * CUTS.length)] ?? 'truncate-length', part: draw() };
    return undefined;
  }
}

function toReset(draw: () => number, isRead: boolean, { bodyBytes }: RequestFacts): Fault {
  const place = draw();
  if (place < 1 / 3) return { kind: 'reset-before' };
  if (isRead) return { kind: 'reset-response', part: draw() };
  // A body whose size nobody says is longer than that, most often.
  if (place < 2 / 3 && bodyBytes !== 0) return { kind: 'reset-request', afterBytes: Math.floor(draw() * (bodyBytes ?? 4096)) };
  return { kind: 'lost-answer' };
}
