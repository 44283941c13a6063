import { suggest } from '../base/suggest.js';
import type { ContainerConfig } from '../oci/types.js';
import type { Lookup } from '../parse/words.js';

/** Declared like others; they never reach the environment, and nobody needs to declare them. */
const NOT_ENVIRONMENT = new Set(['BUILDKIT_SBOM_SCAN_CONTEXT', 'BUILDKIT_SBOM_SCAN_STAGE']);
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The variables of a stage while its instructions are checked. */
export class Variables {
  readonly #values: Map<string, string>;
  readonly #declared: Set<string>;
  /** False when the image below is not at hand: any name could be one of its ENV. */
  readonly isComplete: boolean;

  /** @param from the stage below, or the config of an image; `undefined` when that is not known */
  constructor(from: Variables | ContainerConfig | undefined) {
    this.isComplete = from instanceof Variables ? from.isComplete : from !== undefined;
    this.#declared = new Set(from instanceof Variables ? from.#declared : []);
    this.#values = new Map(from instanceof Variables ? from.#values : (from?.Env ?? []).map(splitEnv));
    if (!this.#values.has('PATH')) this.#values.set('PATH', DEFAULT_PATH);
  }

  readonly lookup: Lookup = (name) => this.#values.get(name);

  set(name: string, value: string): void {
    this.#values.set(name, value);
  }

  /** An ARG, with its value if it has one. */
  declare(name: string, value: string | undefined): void {
    this.#declared.add(name);
    if (value !== undefined && !NOT_ENVIRONMENT.has(name)) this.#values.set(name, value);
  }

  /** Whether a name that has no value is one that nothing declares. */
  isUndefined(name: string): boolean {
    return this.isComplete && !this.#declared.has(name) && !NOT_ENVIRONMENT.has(name);
  }

  similarTo(name: string): string | undefined {
    return suggest(name, this.#values.keys(), { caseSensitive: true });
  }
}

function splitEnv(entry: string): [string, string] {
  const equals = entry.indexOf('=');
  return equals === -1 ? [entry, ''] : [entry.slice(0, equals), entry.slice(equals + 1)];
}
