import { BuildError } from '../base/errors.js';
import type { ContainerConfig, Healthcheck } from '../oci/types.js';
import type { Command, HealthcheckInstruction, NameValue } from '../parse/instruction.js';

const DEFAULT_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const DEFAULT_SHELL = ['/bin/sh', '-c'];

/** The parts of a config that a build knows; whatever else an image carries does not come through. */
const KNOWN_FIELDS = [
  'User',
  'ExposedPorts',
  'Env',
  'Entrypoint',
  'Cmd',
  'Volumes',
  'WorkingDir',
  'Labels',
  'StopSignal',
  'Healthcheck',
  'Shell',
  'ArgsEscaped',
] as const satisfies readonly (keyof ContainerConfig)[];

/** What a stage begins with: its base's config without triggers, unknown fields and empty ones, PATH always set. */
export function inheritConfig(base: ContainerConfig): ContainerConfig {
  const kept = KNOWN_FIELDS.flatMap((field) => (isEmpty(base[field]) ? [] : [[field, base[field]] as const]));
  const config: ContainerConfig = Object.fromEntries(kept);
  const env = config.Env ?? [];
  return env.some((entry) => splitEnv(entry).name === 'PATH') ? config : { ...config, Env: [...env, DEFAULT_PATH] };
}

/** What Go leaves out of JSON: images made by other tools often spell it out. */
function isEmpty(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.keys(value).length === 0;
  return value === undefined || value === null || value === '' || value === false;
}

/** An entry of `Env`; one without `=`, which only foreign images have, is a name with an empty value. */
export function splitEnv(entry: string): NameValue {
  const equals = entry.indexOf('=');
  return equals === -1 ? { name: entry, value: '' } : { name: entry.slice(0, equals), value: entry.slice(equals + 1) };
}

/** A name that is there already keeps its place. */
export function withEnv(config: ContainerConfig, pairs: readonly NameValue[]): ContainerConfig {
  const env = [...(config.Env ?? [])];
  for (const { name, value } of pairs) {
    const place = env.findIndex((entry) => splitEnv(entry).name === name);
    env.splice(place === -1 ? env.length : place, place === -1 ? 0 : 1, `${name}=${value}`);
  }
  return { ...config, Env: env };
}

export function withLabels(config: ContainerConfig, pairs: readonly NameValue[]): ContainerConfig {
  const labels = new Map(Object.entries(config.Labels ?? {}));
  for (const { name, value } of pairs) labels.set(name, value);
  return { ...config, Labels: Object.fromEntries(labels) };
}

export function withKeys(config: ContainerConfig, field: 'ExposedPorts' | 'Volumes', keys: readonly string[]): ContainerConfig {
  return { ...config, [field]: Object.fromEntries([...Object.entries(config[field] ?? {}), ...keys.map((key) => [key, {}] as const)]) };
}

/** docker marks the CMDs that it wrote itself with ArgsEscaped. */
export function withCmd(config: ContainerConfig, args: readonly string[]): ContainerConfig {
  return { ...config, Cmd: args, ArgsEscaped: true };
}

/** The CMD of the base was meant for another entrypoint: it goes, unless the stage has a CMD of its own. */
export function withEntrypoint(config: ContainerConfig, args: readonly string[], { keepCmd }: { keepCmd: boolean }): ContainerConfig {
  const { Cmd, ...rest } = config;
  return { ...rest, ...(keepCmd && Cmd !== undefined ? { Cmd } : {}), Entrypoint: args };
}

/** The argument vector of RUN, CMD and ENTRYPOINT: a text is given to the SHELL as one argument. */
export function withShell(config: ContainerConfig, command: Command): readonly string[] {
  if (command.form === 'exec') return command.args;
  const shell = config.Shell ?? [];
  return [...(shell.length > 0 ? shell : DEFAULT_SHELL), command.text];
}

/** HEALTHCHECK has a shell of its own, chosen by whoever runs the check; SHELL does not touch it. Options that are 0 are absent. */
export function toHealthcheck(instruction: HealthcheckInstruction): Healthcheck {
  const { test, intervalNs, timeoutNs, startPeriodNs, startIntervalNs, retries } = instruction;
  const options = {
    Interval: intervalNs,
    Timeout: timeoutNs,
    StartPeriod: startPeriodNs,
    StartInterval: startIntervalNs,
    Retries: retries,
  };
  const given = Object.entries(options).filter(([, value]) => value !== undefined && value !== 0);
  return { Test: toHealthcheckTest(test), ...Object.fromEntries(given) };
}

function toHealthcheckTest(test: HealthcheckInstruction['test']): string[] {
  if (test === 'none') return ['NONE'];
  return test.form === 'shell' ? ['CMD-SHELL', test.text] : ['CMD', ...test.args];
}

/** @throws BuildError `dockerfile` for a name that expansion left empty */
export function expandPairs(keyword: 'ENV' | 'LABEL', pairs: readonly NameValue[], expand: (word: string) => string): NameValue[] {
  return pairs.map((pair) => {
    const name = expand(pair.name);
    if (name === '') throw new BuildError('dockerfile', `${keyword} names can not be blank`);
    return { name, value: expand(pair.value) };
  });
}
