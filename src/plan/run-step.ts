import { cleanPath } from '../base/paths.js';
import type { ContainerConfig } from '../oci/types.js';
import { parseHeredocWord } from '../parse/heredoc.js';
import type { Command, RunInstruction } from '../parse/instruction.js';
import { withShell } from './config.js';
import { layerHistory, runText } from './history.js';
import type { PlanInput, RunStep } from './plan.js';
import type { StageScope } from './scope.js';
import { notSupportedYet } from './unsupported.js';

export interface RunSettings {
  readonly config: ContainerConfig;
  readonly scope: StageScope;
  readonly input: PlanInput;
}

export type RunParts = Omit<RunStep, 'id' | 'index' | 'text' | 'range'>;

/** What a RUN does, with everything spelled out that it depends on. The builder expands nothing in the command: the shell has the variables. */
export function toRunParts(instruction: RunInstruction, { config, scope, input }: RunSettings): RunParts {
  const args = withShell(config, commandOf(instruction));
  return {
    kind: 'run',
    args,
    env: scope.environment(),
    proxyEnv: scope.proxyEnvironment(input.buildArgs),
    cwd: cleanPath(config.WorkingDir ?? '/'),
    user: config.User ?? '',
    network: networkOf(instruction, input),
    mounts: [],
    scripts: [],
    security: 'sandbox',
    hostname: 'buildkitsandbox',
    history: layerHistory(runText(args, scope.declaredArgs())),
  };
}

/** A heredoc alone is the script; behind a command it goes to the shell as it was written. */
function commandOf({ command, heredocs, range }: RunInstruction): Command {
  const [first] = heredocs;
  if (command.form === 'exec' || first === undefined) return command;
  const isAlone = parseHeredocWord(command.text) !== undefined;
  if (!isAlone) return { form: 'shell', text: [command.text, ...heredocs.map(({ body, name }) => body + name)].join('\n') };
  if (first.body.startsWith('#!')) {
    throw notSupportedYet('a RUN heredoc that begins with #!', { range, hint: 'Name the interpreter: RUN python3 <<EOF.' });
  }
  return { form: 'shell', text: first.body };
}

/** `default` is what the build was told to use. */
function networkOf({ network }: RunInstruction, input: PlanInput): RunStep['network'] {
  return network === 'none' || network === 'host' ? network : input.network;
}
