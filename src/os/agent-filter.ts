/** Requests of the agent protocol (draft-ietf-sshm-ssh-agent, section 6) that only use keys: list them, sign with one. */
const ALLOWED = new Set([11, 13]);

/** A request is its length, 4 bytes, big-endian, then its type, then the rest. */
const HEADER_BYTES = 5;

/**
 * A request that no agent knows. It stands in for those that are not let through, so that the agent itself answers SSH_AGENT_FAILURE, in its
 * turn.
 */
const UNKNOWN_REQUEST = Buffer.from([0, 0, 0, 1, 0]);

/**
 * What of a client's requests may reach an agent. A step that may sign with its user's keys must not add any, remove them or lock the agent, as
 * with BuildKit.
 */
export class AgentFilter {
  #header = Buffer.alloc(0);
  /** Bytes still to come of the request under way. */
  #bodyBytes = 0;
  #passes = false;

  /** @returns what to hand on of a piece of the stream; `undefined` when it is none of this protocol */
  push(chunk: Buffer): Buffer | undefined {
    const passed: Buffer[] = [];
    for (let rest = chunk; rest.length > 0;) {
      const piece = rest.subarray(0, this.#bodyBytes > 0 ? this.#bodyBytes : HEADER_BYTES - this.#header.length);
      rest = rest.subarray(piece.length);
      const handed = this.#bodyBytes > 0 ? this.#takeBody(piece) : this.#takeHeader(piece);
      if (handed === undefined) return undefined;
      passed.push(handed);
    }
    return Buffer.concat(passed);
  }

  #takeBody(piece: Buffer): Buffer {
    this.#bodyBytes -= piece.length;
    return this.#passes ? piece : Buffer.alloc(0);
  }

  #takeHeader(piece: Buffer): Buffer | undefined {
    const header = Buffer.concat([this.#header, piece]);
    this.#header = header.length < HEADER_BYTES ? header : Buffer.alloc(0);
    if (header.length < HEADER_BYTES) return this.#header.subarray(0, 0);
    if (header.readUInt32BE() === 0) return undefined;
    this.#bodyBytes = header.readUInt32BE() - 1;
    this.#passes = ALLOWED.has(header[HEADER_BYTES - 1] ?? 0);
    return this.#passes ? header : UNKNOWN_REQUEST;
  }
}
