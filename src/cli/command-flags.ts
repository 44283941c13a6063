import { Option, type Command } from 'commander';
import type { FlagRow } from './flag-table.js';
import { REGISTRY_FLAGS } from './registry-flags.js';

const ROOT: FlagRow = {
  syntax: '--root <dir>',
  help: 'local store (default: TSBUILD_ROOT, /var/lib/tsbuild for root, $XDG_DATA_HOME/tsbuild)',
};
const SHOWN: readonly FlagRow[] = [
  { syntax: '--progress <mode>', help: 'auto, tty, plain or quiet (default: auto)' },
  { syntax: '-q, --quiet', help: 'no progress; of results the digest alone' },
  { syntax: '-D, --debug', help: 'tell requests and where credentials come from; stack traces of internal errors' },
];

export function toOption({ syntax, help, repeat }: FlagRow): Option {
  const option = new Option(syntax, help);
  if (repeat === true) option.argParser((value: string, earlier: string[] | undefined) => [...(earlier ?? []), value]);
  return option;
}

export function withFlags(command: Command, rows: readonly FlagRow[]): Command {
  for (const row of rows) command.addOption(toOption(row));
  return command;
}

export function withRoot(command: Command): Command {
  return withFlags(command, [ROOT]);
}

/** Flags of commands that talk to registries, under a heading of their own in the help. */
export function withRegistryFlags(command: Command): Command {
  withFlags(command, SHOWN);
  for (const row of REGISTRY_FLAGS) command.addOption(toOption(row).helpGroup('Registries:'));
  return command;
}
