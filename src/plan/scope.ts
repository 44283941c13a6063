import { atRange } from '../base/errors.js';
import { formatPlatform } from '../oci/platform.js';
import type { Platform } from '../oci/types.js';
import type { ArgInstruction } from '../parse/instruction.js';
import { expandWord, type Lookup } from '../parse/words.js';

/** Arguments that steer an SBOM scan: they are declared like others and never reach the environment. */
const NOT_ENVIRONMENT = new Set(['BUILDKIT_SBOM_SCAN_CONTEXT', 'BUILDKIT_SBOM_SCAN_STAGE']);

const PROXY_NAMES = ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY'];

export type Expand = (word: string) => string;

export interface GlobalScopeInput {
  readonly buildArgs: ReadonlyMap<string, string>;
  readonly buildPlatform: Platform;
  readonly targetPlatform: Platform;
  /** Value of TARGETSTAGE. */
  readonly targetName: string;
  readonly escape: '\\' | '`';
}

/**
 * What FROM lines see, and what a stage takes over by an ARG without a default: the arguments of the platforms and those declared before the
 * first FROM. A build argument of the same name goes first; the default that it replaces is not even expanded.
 */
export function globalScope(instructions: readonly ArgInstruction[], input: GlobalScopeInput): ReadonlyMap<string, string> {
  const scope = predefinedArgs(input);
  for (const { args, range } of instructions) {
    for (const { name, value } of args) {
      try {
        const given = input.buildArgs.get(name) ?? (value === undefined ? undefined : expandWord(value, (key) => scope.get(key), input));
        if (given !== undefined) scope.set(name, given);
      } catch (error) {
        throw atRange(error, range);
      }
    }
  }
  return scope;
}

function predefinedArgs({ buildArgs, buildPlatform, targetPlatform, targetName }: GlobalScopeInput): Map<string, string> {
  const scope = new Map<string, string>();
  const sides = { BUILD: buildPlatform, TARGET: targetPlatform };
  for (const [side, platform] of Object.entries(sides)) {
    scope.set(`${side}PLATFORM`, formatPlatform(platform));
    scope.set(`${side}OS`, platform.os);
    scope.set(`${side}OSVERSION`, platform['os.version'] ?? '');
    scope.set(`${side}ARCH`, platform.architecture);
    scope.set(`${side}VARIANT`, platform.variant ?? '');
  }
  scope.set('TARGETSTAGE', targetName);
  for (const name of scope.keys()) scope.set(name, buildArgs.get(name) ?? scope.get(name) ?? '');
  return scope;
}

/** The variables of one stage at one of its instructions: what words expand to and what RUN gets. Whoever came last wins, ENV or ARG. */
export class StageScope {
  readonly #values: Map<string, string>;
  /** In the order of their first declarations; the value is that of the latest. */
  readonly #args: Map<string, string | undefined>;
  readonly #envNames: Set<string>;

  constructor(parent?: StageScope) {
    this.#values = new Map(parent === undefined ? [] : parent.#values);
    this.#args = new Map(parent === undefined ? [] : parent.#args);
    this.#envNames = new Set(parent === undefined ? [] : parent.#envNames);
  }

  readonly lookup: Lookup = (name) => this.#values.get(name);

  setEnv(name: string, value: string): void {
    this.#values.set(name, value);
    this.#envNames.add(name);
  }

  /** An ARG with its value, if it has one. Says whether it hides another value that ENV set. */
  declareArg(name: string, value: string | undefined): { readonly hidesEnv: boolean } {
    this.#args.set(name, value);
    if (value === undefined || NOT_ENVIRONMENT.has(name)) return { hidesEnv: false };
    const hidesEnv = this.#envNames.has(name) && this.#values.get(name) !== value;
    this.#values.set(name, value);
    return { hidesEnv };
  }

  /** `K=V`, for a process. An image can bring a nameless one, which no process could be given. */
  environment(): string[] {
    return [...this.#values].filter(([name]) => name !== '').map(([name, value]) => `${name}=${value}`);
  }

  /** `K=V` of every declared argument, an unset one `K=`: what the history of RUN shows. */
  declaredArgs(): string[] {
    return [...this.#args].map(([name, value]) => `${name}=${this.#values.get(name) ?? value ?? ''}`);
  }

  /** The proxy arguments that neither ARG nor ENV names: both spellings of each that was given. */
  proxyEnvironment(buildArgs: ReadonlyMap<string, string>): string[] {
    const found: string[] = [];
    for (const upper of PROXY_NAMES) {
      const lower = upper.toLowerCase();
      for (const [name, twin] of [[upper, lower] as const, [lower, upper] as const]) {
        const value = buildArgs.get(name) ?? buildArgs.get(twin);
        if (value !== undefined && !this.#values.has(name)) found.push(`${name}=${value}`);
      }
    }
    return found;
  }
}
