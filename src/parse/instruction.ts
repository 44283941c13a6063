import type { SourceFile, SourceRange } from '../base/source.js';

/** A here-document of RUN, COPY or ADD. */
export interface Heredoc {
  /** The delimiter after quote removal; COPY and ADD use it as the file's name. */
  readonly name: string;
  /** The digits before `<<`, 0 when there are none. */
  readonly fd: number;
  /** False when any part of the delimiter was quoted. */
  readonly expand: boolean;
  /** `<<-`: leading tabs are dropped. `body` has them dropped already. */
  readonly stripTabs: boolean;
  /** Text up to, not with, the delimiter line; every line ends in `\n`. */
  readonly body: string;
  /** The same as it was written, the tabs that `<<-` drops still there. */
  readonly rawBody: string;
}

/** What RUN, CMD, ENTRYPOINT and HEALTHCHECK CMD take. Neither form is expanded by the builder. */
export type Command =
  | { readonly form: 'exec'; readonly args: readonly string[] }
  /** `text` is the rest of the line; heredoc bodies stand in `heredocs` of the instruction. */
  | { readonly form: 'shell'; readonly text: string };

export interface NameValue {
  readonly name: string;
  readonly value: string;
}

interface Common {
  /** Upper case. */
  readonly keyword: string;
  /** The logical line as written, continuations joined, heredoc bodies left out: `COPY --chown=1 a b`. */
  readonly text: string;
  /** From the first character of the keyword to the end of the last physical line, heredocs included. */
  readonly range: SourceRange;
  /**
   * The comments since the instruction before, without `#` and the blanks around, first to last; directives are none. Blank lines between
   * them change nothing, a line with `#` alone forgets those above it. A trigger has none.
   */
  readonly comments: readonly string[];
  /** The 1-based numbers of the blank lines inside its continuation. A trigger has none. */
  readonly emptyLines: readonly number[];
}

export interface FromInstruction extends Common {
  readonly kind: 'from';
  readonly image: string;
  readonly platform?: string;
  /** Lower-cased. */
  readonly name?: string;
}

export interface ArgInstruction extends Common {
  readonly kind: 'arg';
  readonly args: readonly { readonly name: string; readonly value?: string }[];
}

export interface EnvInstruction extends Common {
  readonly kind: 'env';
  readonly pairs: readonly NameValue[];
  /** The form without `=`. */
  readonly legacy: boolean;
}

export interface LabelInstruction extends Common {
  readonly kind: 'label';
  readonly pairs: readonly NameValue[];
  /** The form without `=`. */
  readonly legacy: boolean;
}

export interface RunInstruction extends Common {
  readonly kind: 'run';
  readonly command: Command;
  readonly heredocs: readonly Heredoc[];
  /** Unparsed values of `--mount`, in order. */
  readonly mounts: readonly string[];
  readonly network?: string;
  readonly security?: string;
  readonly devices: readonly string[];
}

export interface CopyInstruction extends Common {
  readonly kind: 'copy';
  readonly op: 'COPY' | 'ADD';
  readonly sources: readonly string[];
  readonly heredocs: readonly Heredoc[];
  readonly dest: string;
  readonly from?: string;
  readonly chown?: string;
  readonly chmod?: string;
  readonly link: boolean;
  readonly parents: boolean;
  readonly exclude: readonly string[];
  readonly checksum?: string;
  readonly keepGitDir?: boolean;
  readonly unpack?: boolean;
}

export interface CmdInstruction extends Common {
  readonly kind: 'cmd' | 'entrypoint';
  readonly command: Command;
}

export interface ShellInstruction extends Common {
  readonly kind: 'shell';
  readonly shell: readonly string[];
}

export interface ExposeInstruction extends Common {
  readonly kind: 'expose';
  readonly ports: readonly string[];
}

export interface VolumeInstruction extends Common {
  readonly kind: 'volume';
  readonly paths: readonly string[];
}

/** Instructions whose whole rest of line is one argument. */
export interface WordInstruction extends Common {
  readonly kind: 'user' | 'workdir' | 'stopsignal' | 'maintainer';
  readonly value: string;
}

/** Durations are nanoseconds; absent options are absent. */
export interface HealthcheckInstruction extends Common {
  readonly kind: 'healthcheck';
  readonly test: 'none' | Command;
  readonly intervalNs?: number;
  readonly timeoutNs?: number;
  readonly startPeriodNs?: number;
  readonly startIntervalNs?: number;
  readonly retries?: number;
}

export interface OnbuildInstruction extends Common {
  readonly kind: 'onbuild';
  /** What the image config stores: the trigger's text with its heredoc bodies. */
  readonly trigger: string;
}

/** One instruction with its forms told apart and nothing expanded. */
export type Instruction =
  | FromInstruction
  | ArgInstruction
  | EnvInstruction
  | LabelInstruction
  | RunInstruction
  | CopyInstruction
  | CmdInstruction
  | ShellInstruction
  | ExposeInstruction
  | VolumeInstruction
  | WordInstruction
  | HealthcheckInstruction
  | OnbuildInstruction;

/** An instruction without what all kinds have in common. */
export type InstructionFields = Instruction extends infer Member
  ? Member extends Instruction
    ? Omit<Member, keyof Common>
    : never
  : never;

/** The same, of one kind. */
export type FieldsOf<Kind extends Instruction['kind']> = Extract<InstructionFields, { kind: Kind }>;

export interface Directives {
  readonly escape: '\\' | '`';
  /** The image reference of `# syntax=`, if any. */
  readonly syntax?: string;
  readonly check?: string;
}

export interface Dockerfile {
  readonly file: SourceFile;
  readonly directives: Directives;
  readonly instructions: readonly Instruction[];
}
