import { BuildError } from '../base/errors.js';
import { cleanPath } from '../base/paths.js';
import type { ContainerConfig } from '../oci/types.js';
import { parseHeredocWord } from '../parse/heredoc.js';
import type { Command, RunInstruction } from '../parse/instruction.js';
import { withShell } from './config.js';
import { networkOf, securityOf } from './entitlements.js';
import { layerHistory, runText } from './history.js';
import { toMounts } from './mounts.js';
import type { PlanInput, RunStep } from './plan.js';
import type { Expand, StageScope } from './scope.js';
import type { Stage } from './stages.js';

export interface RunSettings {
  readonly config: ContainerConfig;
  readonly scope: StageScope;
  readonly input: PlanInput;
  readonly expand: Expand;
  readonly stage: Stage;
  readonly stages: readonly Stage[];
}

export type RunParts = Omit<RunStep, 'id' | 'index' | 'text' | 'range'>;

/** What a RUN does, with everything spelled out that it depends on. The builder expands nothing in the command: the shell has the variables. */
export function toRunParts(instruction: RunInstruction, settings: RunSettings): RunParts {
  const { config, scope, input } = settings;
  const { command, scripts } = commandOf(instruction);
  const args = withShell(config, command);
  return {
    kind: 'run',
    args,
    env: scope.environment(),
    proxyEnv: scope.proxyEnvironment(input.buildArgs),
    cwd: cleanPath(config.WorkingDir ?? '/'),
    user: config.User ?? '',
    network: networkOf(instruction, input),
    mounts: toMounts(instruction.mounts, { ...settings, workdir: config.WorkingDir ?? '/' }),
    scripts,
    security: securityOf(instruction, input),
    hostname: hostnameOf(input),
    history: layerHistory(runText(args, scope.declaredArgs())),
  };
}

interface RunCommand {
  readonly command: Command;
  readonly scripts: RunStep['scripts'];
}

/** A heredoc alone is the script, a file if it names its interpreter; behind a command it goes to the shell as it was written. */
function commandOf({ command, heredocs }: RunInstruction): RunCommand {
  const [first] = heredocs;
  if (command.form === 'exec' || first === undefined) return { command, scripts: [] };
  const isAlone = parseHeredocWord(command.text) !== undefined;
  if (!isAlone) return shellCommand([command.text, ...heredocs.map(({ rawBody, name }) => rawBody + name)].join('\n'));
  if (!first.body.startsWith('#!')) return shellCommand(first.body);
  if (/^\.{0,2}$|\//.test(first.name))
    throw new BuildError('dockerfile', `heredoc "${first.name}" begins with #!, so its name has to be that of a file`);
  return { ...shellCommand(`/dev/pipes/${first.name}`), scripts: [{ name: first.name, text: first.body }] };
}

function shellCommand(text: string): RunCommand {
  return { command: { form: 'shell', text }, scripts: [] };
}

const DEFAULT_HOSTNAME = 'buildkitsandbox';
/** HOST_NAME_MAX of the kernel. */
const MAX_HOSTNAME_BYTES = 64;

function hostnameOf({ buildArgs }: PlanInput): string {
  const given = buildArgs.get('BUILDKIT_SANDBOX_HOSTNAME') ?? '';
  if (given === '') return DEFAULT_HOSTNAME;
  if (/^[\w.-]+$/.test(given) && given.length <= MAX_HOSTNAME_BYTES) return given;
  throw new BuildError(
    'usage',
    `invalid BUILDKIT_SANDBOX_HOSTNAME ${JSON.stringify(given)}: want at most 64 letters, digits, dots and hyphens`,
  );
}
