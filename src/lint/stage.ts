import { atRange } from '../base/errors.js';
import type { IgnoreMatcher } from '../context/dockerignore.js';
import type { ContainerConfig } from '../oci/types.js';
import type {
  ArgInstruction,
  CmdInstruction,
  CopyInstruction,
  EnvInstruction,
  ExposeInstruction,
  HealthcheckInstruction,
  Instruction,
  LabelInstruction,
  NameValue,
} from '../parse/instruction.js';
import { parseMount, type MountFields } from '../parse/mount.js';
import { expandWords, type WordOptions } from '../parse/words.js';
import { parsePorts } from '../plan/ports.js';
import { lintIgnored } from './ignored.js';
import type { Linter, Place } from './linter.js';
import { DETAILS, RULES } from './rules.js';
import { writtenKeyword } from './syntax.js';
import { Variables } from './variables.js';
import { expandTracked, type Expanded } from './words.js';

/** At `_` or at the ends of a name. */
const SECRET = /(?:^|_)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)/i;
const NO_SECRET = /(?:^|_)(?:public|file|version)(?:_|$)/i;

/** What the rules need to know beyond the stage. */
export interface StageSettings {
  readonly buildArgs: ReadonlyMap<string, string>;
  /** What an ARG without a default takes over. */
  readonly globals: ReadonlyMap<string, string>;
  readonly escape: '\\' | '`';
  readonly ignore?: IgnoreMatcher;
  readonly linter: Linter;
}

/** Told of what `--call=outline` lists. */
export interface StageListener {
  onArg?(
    instruction: ArgInstruction,
    arg: { readonly name: string; readonly value: string | undefined; readonly isInherited: boolean },
  ): void;
  onMount?(instruction: Instruction, mount: MountFields): void;
}

/** Goes through the instructions of one stage, in their order, and keeps what the rules need to remember. */
export class StageWalk {
  readonly variables: Variables;
  readonly #settings: StageSettings;
  readonly #listener: StageListener;
  readonly #used = new Map<string, Place>();
  #hasShell: boolean;
  /** A WORKDIR of this Dockerfile, whatever it said. */
  #hasWorkdir: boolean;

  /** @param below the stage that this one begins with, or the config of its image; `undefined` for one that is not at hand */
  constructor(below: StageWalk | ContainerConfig | undefined, settings: StageSettings, listener: StageListener = {}) {
    this.#settings = settings;
    this.#listener = listener;
    this.variables = new Variables(below instanceof StageWalk ? below.variables : below);
    this.#hasShell = below instanceof StageWalk ? below.#hasShell : (below?.Shell ?? []).length > 0;
    this.#hasWorkdir = below instanceof StageWalk && below.#hasWorkdir;
  }

  /** @throws BuildError `dockerfile` for a word that cannot be expanded: BuildKit looks no further then */
  take(instruction: Instruction): void {
    try {
      this.#take(instruction);
    } catch (error) {
      throw atRange(error, instruction.range);
    }
  }

  #take(instruction: Instruction): void {
    switch (instruction.kind) {
      case 'arg':
        return this.#arg(instruction);
      case 'env':
        return this.#env(instruction);
      case 'label':
        return this.#label(instruction);
      case 'copy':
        return this.#copy(instruction);
      case 'run':
        for (const text of instruction.mounts) {
          const mount = parseMount(text, (value) => this.#expand(value, instruction));
          this.#listener.onMount?.(instruction, mount);
        }
        return undefined;
      case 'cmd':
      case 'entrypoint':
        return this.#command(instruction);
      case 'healthcheck':
        return this.#useOnce(instruction);
      case 'expose':
        return this.#expose(instruction);
      case 'workdir':
        return this.#workdir(this.#expand(instruction.value, instruction), instruction);
      case 'user':
      case 'stopsignal':
        this.#expand(instruction.value, instruction);
        return undefined;
      case 'volume':
        for (const path of instruction.paths) this.#expand(path, instruction);
        return undefined;
      case 'shell':
        this.#hasShell = instruction.shell.length > 0;
        return undefined;
      default:
        return undefined;
    }
  }

  /** Every word of its own: a name that two words use is told twice. */
  #expand(word: string, place: Place, options: WordOptions = this.#settings): string {
    const expanded = expandTracked(word, this.variables.lookup, options);
    this.#warnUndefined(expanded, place);
    if (expanded.error !== undefined) throw expanded.error;
    return expanded.text;
  }

  #warnUndefined({ unmatched }: Expanded, place: Place): void {
    for (const name of unmatched) {
      if (!this.variables.isUndefined(name)) continue;
      this.#settings.linter.warn(RULES.undefinedVar, place, DETAILS.undefinedVar(name, this.variables.similarTo(name)));
    }
  }

  #expandPairs({ pairs, ...place }: Place & { readonly pairs: readonly NameValue[] }): NameValue[] {
    return pairs.map(({ name, value }) => ({ name: this.#expand(name, place), value: this.#expand(value, place) }));
  }

  #arg(instruction: ArgInstruction): void {
    const { buildArgs, globals } = this.#settings;
    for (const { name, value } of instruction.args) {
      this.#warnSecret('ARG', name, instruction);
      const isInherited = value === undefined && !buildArgs.has(name) && globals.has(name);
      const given = buildArgs.get(name) ?? (value === undefined ? globals.get(name) : this.#expand(value, instruction));
      this.variables.declare(name, given);
      this.#listener.onArg?.(instruction, { name, value: given, isInherited });
    }
  }

  #env(instruction: EnvInstruction): void {
    for (const { name, value } of this.#expandPairs(instruction)) {
      if (instruction.legacy) this.#warnLegacy(instruction);
      this.#warnSecret('ENV', name, instruction);
      this.variables.set(name, value);
    }
  }

  #label(instruction: LabelInstruction): void {
    this.#expandPairs(instruction);
    if (instruction.legacy) this.#warnLegacy(instruction);
  }

  #warnLegacy(instruction: Instruction): void {
    this.#settings.linter.warn(RULES.legacyKeyValueFormat, instruction, DETAILS.legacyKeyValueFormat(writtenKeyword(instruction)));
  }

  #warnSecret(keyword: 'ARG' | 'ENV', name: string, place: Place): void {
    if (!SECRET.test(name) || NO_SECRET.test(name)) return;
    this.#settings.linter.warn(RULES.secretsUsedInArgOrEnv, place, DETAILS.secretsUsedInArgOrEnv(keyword, name));
  }

  #copy(instruction: CopyInstruction): void {
    const { ignore, linter } = this.#settings;
    for (const flag of [instruction.chown, instruction.chmod, instruction.checksum])
      if (flag !== undefined) this.#expand(flag, instruction);
    const sources = instruction.sources.map((source) => this.#expand(source, instruction));
    this.#expand(instruction.dest, instruction);
    for (const { expand, body } of instruction.heredocs) {
      if (expand) this.#expand(body, instruction, { quotes: 'keep' });
    }
    if (ignore !== undefined) lintIgnored(sources, instruction, { ignore, linter });
  }

  #workdir(path: string, place: Place): void {
    if (!this.#hasWorkdir && !path.startsWith('/')) {
      this.#settings.linter.warn(RULES.workdirRelativePath, place, DETAILS.workdirRelativePath(path));
    }
    this.#hasWorkdir = true;
  }

  #command(instruction: CmdInstruction): void {
    this.#useOnce(instruction);
    if (instruction.command.form !== 'shell' || this.#hasShell) return;
    this.#settings.linter.warn(RULES.jsonArgsRecommended, instruction, DETAILS.jsonArgsRecommended(writtenKeyword(instruction)));
  }

  /** Points to the earlier one, which has no effect; the comments that can switch it off are those of the later. */
  #useOnce(instruction: CmdInstruction | HealthcheckInstruction): void {
    const earlier = this.#used.get(instruction.kind);
    this.#used.set(instruction.kind, instruction);
    if (earlier === undefined) return;
    const place = { range: earlier.range, comments: instruction.comments };
    const detail = DETAILS.multipleInstructionsDisallowed(writtenKeyword(instruction));
    this.#settings.linter.warn(RULES.multipleInstructionsDisallowed, place, detail);
  }

  /** Undefined variables in ports are told by no rule. */
  #expose(instruction: ExposeInstruction): void {
    const { linter, escape } = this.#settings;
    for (const port of instruction.ports) {
      for (const word of expandWords(port, this.variables.lookup, { escape })) {
        // What is no port is an error, and no warning beside it.
        parsePorts(word);
        const protocol = word.slice(word.lastIndexOf(':') + 1).split('/', 2)[1] ?? '';
        if (protocol !== protocol.toLowerCase()) linter.warn(RULES.exposeProtoCasing, instruction, DETAILS.exposeProtoCasing(word));
        if (/[^:]:/.test(word)) linter.warn(RULES.exposeInvalidFormat, instruction, DETAILS.exposeInvalidFormat(word));
      }
    }
  }
}
