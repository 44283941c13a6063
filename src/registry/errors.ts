import { BuildError, type BuildErrorDetails } from '../base/errors.js';

export interface RegistryErrorDetails extends BuildErrorDetails {
  /** The default is `registry`. */
  readonly kind?: 'registry' | 'credentials';
  /** Of the answer; absent when there was none. */
  readonly status?: number;
  /** Codes of the registry's errors: `MANIFEST_UNKNOWN` (distribution-spec, "Error codes"). */
  readonly codes?: readonly string[];
  /** The same may do when it is tried again. */
  readonly isPassing?: boolean;
  /** As the server asks. */
  readonly retryAfterMs?: number;
}

/** A registry, or what is on the way to it, does not do what was asked. */
export class RegistryError extends BuildError {
  readonly status: number | undefined;
  readonly codes: readonly string[];
  readonly isPassing: boolean;
  readonly retryAfterMs: number | undefined;
  readonly #details: RegistryErrorDetails;

  constructor(message: string, details: RegistryErrorDetails = {}) {
    super(details.kind ?? 'registry', message, details);
    this.status = details.status;
    this.codes = details.codes ?? [];
    this.isPassing = details.isPassing ?? false;
    this.retryAfterMs = details.retryAfterMs;
    this.#details = details;
  }

  /** The same, with the count of attempts that it took to give up. */
  after(attempts: number): RegistryError {
    return attempts < 2 ? this : this.reworded(`${this.message} (after ${attempts} attempts)`);
  }

  /** The same failure in other words: of the same status, and as passing. */
  reworded(message: string, details: BuildErrorDetails = {}): RegistryError {
    return new RegistryError(message, { ...this.#details, ...details });
  }
}

/** What arrives is not what its descriptor says. Some of it may be handed on already, so nobody else can be asked for the rest. */
export class WrongBytes extends RegistryError {
  /** Some of them came from a mirror, which is passed by from now on: whoever begins anew gets others. */
  isOfMirror = false;
}
