import { atRange, BuildError } from '../base/errors.js';
import { cleanPath } from '../base/paths.js';
import type { SourceRange } from '../base/source.js';
import type { ContainerConfig, Platform } from '../oci/types.js';
import type {
  ArgInstruction,
  CmdInstruction,
  CopyInstruction,
  EnvInstruction,
  ExposeInstruction,
  HealthcheckInstruction,
  Instruction,
  LabelInstruction,
  RunInstruction,
  ShellInstruction,
  VolumeInstruction,
} from '../parse/instruction.js';
import { expandWord, expandWords } from '../parse/words.js';
import { expandPairs, splitEnv, toHealthcheck, withCmd, withEntrypoint, withEnv, withKeys, withLabels, withShell } from './config.js';
import { overwritesItself, toCopyParts, wholeContext } from './copy-step.js';
import { configHistory, healthcheckText, layerHistory, listText, pairsText, quotedListText } from './history.js';
import { nextWorkdir } from './paths.js';
import type { ConfigStep, CopyStep, Plan, PlannedStage, PlanInput, RunStep, StageBase, Step, WorkdirStep } from './plan.js';
import { parsePorts } from './ports.js';
import type { ReachedInstruction } from './reach.js';
import { toRunParts } from './run-step.js';
import { StageScope } from './scope.js';
import { checkSignal } from './signals.js';
import type { Stage } from './stages.js';
import { stagesReadBy } from './step-sources.js';
import { stepText } from './step-text.js';

/** What all stages of a plan share. */
export interface PlanContext {
  readonly input: PlanInput;
  readonly globals: ReadonlyMap<string, string>;
  readonly escape: '\\' | '`';
  readonly stages: readonly Stage[];
  readonly warnings: Plan['warnings'][number][];
}

/** What a stage begins with. */
export interface StageStart {
  readonly base: StageBase;
  readonly platform: Platform;
  /** Of the base: no triggers, PATH set. */
  readonly config: ContainerConfig;
  readonly author?: string;
  /** Of the base, when it is a stage. */
  readonly scope?: StageScope;
  /** The `--build-context` whose files it has, when that is a directory. */
  readonly context?: string;
}

type OwnParts<S extends Step> = S extends Step ? Omit<S, 'id' | 'index' | 'text' | 'range'> : never;
type StepParts = OwnParts<RunStep> | OwnParts<CopyStep> | OwnParts<WorkdirStep> | OwnParts<ConfigStep>;

/** Goes through the instructions of one stage and turns each into a step and a change of the config. */
export class StagePlanner {
  readonly #stage: Stage;
  readonly #start: StageStart;
  readonly #context: PlanContext;
  readonly #steps: Step[] = [];
  readonly scope: StageScope;
  config: ContainerConfig;
  author: string | undefined;
  #hasCmd = false;

  constructor(stage: Stage, start: StageStart, context: PlanContext) {
    this.#stage = stage;
    this.#start = start;
    this.#context = context;
    this.scope = new StageScope(start.scope);
    this.config = start.config;
    this.author = start.author;
    for (const entry of start.config.Env ?? []) {
      const { name, value } = splitEnv(entry);
      this.scope.setEnv(name, value);
    }
    if (start.context !== undefined) {
      this.#steps.push(this.#toStep(wholeContext(start.context), { text: `COPY --from=${start.context} . /`, range: stage.from.range }));
    }
    if (start.config.WorkingDir !== undefined) this.config = { ...this.config, WorkingDir: nextWorkdir('/', start.config.WorkingDir) };
  }

  get platform(): Platform {
    return this.#start.platform;
  }

  /** @throws BuildError with the instruction's range */
  apply({ instruction, isTrigger }: ReachedInstruction): void {
    try {
      const parts = this.#take(instruction);
      if (parts !== undefined)
        this.#steps.push(this.#toStep(parts, { text: stepText(instruction, { isTrigger }), range: instruction.range }));
    } catch (error) {
      throw atRange(error, instruction.range);
    }
  }

  finish(): PlannedStage {
    const { index, name, baseName, from } = this.#stage;
    const needs = new Set([...(this.#start.base.kind === 'stage' ? [this.#start.base.stage] : []), ...this.#steps.flatMap(stagesReadBy)]);
    return {
      index,
      name,
      base: this.#start.base,
      platform: this.#start.platform,
      range: from.range,
      text: `FROM ${baseName}${from.name === undefined ? '' : ` AS ${from.name}`}`,
      steps: this.#steps,
      needs: [...needs].toSorted((a, b) => a - b),
      config: this.config,
      ...(this.author === undefined ? {} : { author: this.author }),
    };
  }

  readonly #expand = (word: string): string => expandWord(word, this.scope.lookup, this.#context);

  #toStep(parts: StepParts, where: { text: string; range: SourceRange }): Step {
    const position = this.#steps.length + 1;
    return { ...parts, ...where, id: `${this.#stage.index}.${position}`, index: position + 1 };
  }

  #warn(message: string, range: SourceRange): void {
    this.#context.warnings.push({ message, range });
  }

  #take(instruction: Instruction): StepParts | undefined {
    switch (instruction.kind) {
      case 'run':
        return this.#run(instruction);
      case 'copy':
        return this.#copy(instruction);
      case 'workdir':
        return this.#workdir(this.#expand(instruction.value), instruction.range);
      case 'onbuild':
        this.config = { ...this.config, OnBuild: [...(this.config.OnBuild ?? []), instruction.trigger] };
        break;
      case 'arg':
        return configStep(this.#arg(instruction));
      case 'env':
        return configStep(this.#env(instruction));
      case 'label':
        return configStep(this.#label(instruction));
      case 'cmd':
      case 'entrypoint':
        return configStep(this.#command(instruction));
      case 'shell':
        return configStep(this.#shell(instruction));
      case 'expose':
        return configStep(this.#expose(instruction));
      case 'volume':
        return configStep(this.#volume(instruction));
      case 'healthcheck':
        return configStep(this.#healthcheck(instruction));
      case 'user':
        return configStep(this.#user(this.#expand(instruction.value)));
      case 'stopsignal':
        return configStep(this.#stopSignal(this.#expand(instruction.value)));
      case 'maintainer':
        return configStep(this.#maintainer(instruction.value));
      case 'from':
        throw new Error('a stage holds no FROM');
    }
    return undefined;
  }

  #run(instruction: RunInstruction): StepParts {
    const { stages, input } = this.#context;
    return toRunParts(instruction, { config: this.config, scope: this.scope, expand: this.#expand, stage: this.#stage, stages, input });
  }

  #copy(instruction: CopyInstruction): StepParts {
    const { stages, input } = this.#context;
    const workdir = this.config.WorkingDir ?? '/';
    const parts = toCopyParts(instruction, { expand: this.#expand, lookup: this.scope.lookup, workdir, stage: this.#stage, stages, input });
    if (overwritesItself(parts)) {
      this.#warn(
        `${parts.op} has several sources and a destination without a trailing slash: unless "${parts.dest}" is a directory by then, each file replaces the one before`,
        instruction.range,
      );
    }
    return parts;
  }

  #workdir(requested: string, range: SourceRange): StepParts {
    const path = nextWorkdir(this.config.WorkingDir ?? '/', requested);
    if (requested === '') this.#warn(`WORKDIR names nothing once its variables are expanded: the directory stays "${path}"`, range);
    this.config = { ...this.config, WorkingDir: path };
    const clean = cleanPath(path);
    if (clean === '/') return configStep(`WORKDIR ${path}`);
    return { kind: 'workdir', path: clean, user: this.config.User ?? '', history: layerHistory(`WORKDIR ${path}`) };
  }

  // What follows changes the config alone and returns the text for the history.

  /** A build argument goes before the default, the default before the global ARG. Of several in one line, later ones see earlier ones. */
  #arg({ args, range }: ArgInstruction): string {
    const { input, globals } = this.#context;
    const texts = args.map(({ name, value }) => {
      const given = input.buildArgs.get(name) ?? (value === undefined ? globals.get(name) : this.#expand(value));
      const { hidesEnv } = this.scope.declareArg(name, given);
      if (hidesEnv)
        this.#warn(`ARG "${name}" hides the ENV of that name: the steps of this stage see the argument, the image keeps the ENV`, range);
      return given === undefined ? name : `${name}=${given}`;
    });
    return `ARG ${texts.join(' ')}`;
  }

  #env(instruction: EnvInstruction): string {
    const pairs = expandPairs('ENV', instruction.pairs, this.#expand);
    for (const { name, value } of pairs) this.scope.setEnv(name, value);
    this.config = withEnv(this.config, pairs);
    return pairsText('ENV', pairs);
  }

  #label(instruction: LabelInstruction): string {
    const pairs = expandPairs('LABEL', instruction.pairs, this.#expand);
    this.config = withLabels(this.config, pairs);
    return pairsText('LABEL', pairs);
  }

  #shell({ shell }: ShellInstruction): string {
    this.config = { ...this.config, Shell: shell };
    return listText('SHELL', shell);
  }

  #user(user: string): string {
    this.config = { ...this.config, User: user };
    return `USER ${user}`;
  }

  #stopSignal(signal: string): string {
    checkSignal(signal);
    this.config = { ...this.config, StopSignal: signal };
    return `STOPSIGNAL ${signal}`;
  }

  #maintainer(author: string): string {
    this.author = author;
    return `MAINTAINER ${author}`;
  }

  #command({ kind, command }: CmdInstruction): string {
    const args = withShell(this.config, command);
    if (kind === 'cmd') {
      this.config = withCmd(this.config, args);
      this.#hasCmd = true;
      return quotedListText('CMD', args);
    }
    this.config = withEntrypoint(this.config, args, { keepCmd: this.#hasCmd });
    return quotedListText('ENTRYPOINT', args);
  }

  /** Sorted before they are expanded, as BuildKit does: the history shows that. */
  #expose({ ports }: ExposeInstruction): string {
    const words = ports.toSorted().flatMap((port) => expandWords(port, this.scope.lookup, this.#context));
    const keys = words.flatMap(parsePorts);
    this.config = withKeys(this.config, 'ExposedPorts', keys);
    return listText('EXPOSE', keys);
  }

  #volume({ paths }: VolumeInstruction): string {
    const volumes = paths.map(this.#expand);
    if (volumes.includes('')) throw new BuildError('dockerfile', 'VOLUME specified can not be an empty string');
    this.config = withKeys(this.config, 'Volumes', volumes);
    return listText('VOLUME', volumes);
  }

  #healthcheck(instruction: HealthcheckInstruction): string {
    const check = toHealthcheck(instruction);
    this.config = { ...this.config, Healthcheck: check };
    return healthcheckText(check);
  }
}

function configStep(createdBy: string): OwnParts<ConfigStep> {
  return { kind: 'config', history: configHistory(createdBy) };
}
