import type { Command } from 'commander';
import { toOption, withFlags, withRegistryFlags, withRoot } from './command-flags.js';
import type { CliContext } from './context.js';
import type { FlagRow } from './flag-table.js';

const PLACES = `
Places: docker://REF (a registry), oci:DIR[:TAG] (a layout), oci-archive:FILE[:TAG], docker-archive:FILE[:NAME], or a name of the local store.`;

/** The commands that move images between registries, the store and files, and look at registries. */
export function addRegistryCommands(program: Command, context: CliContext): void {
  addPull(program, context);
  addPush(program, context);
  addCopy(program, context);
  addLooks(program, context);
  addIndex(program, context);
}

function platformFlag(help: string): FlagRow {
  return { syntax: '--platform <os/arch>', help, repeat: true };
}

function addPull(program: Command, context: CliContext): void {
  const command = program.command('pull <image...>').description('bring images of registries into the local store, verified');
  withFlags(command, [
    platformFlag('of an index; several, or a list with commas (default: of this machine)'),
    { syntax: '--all-platforms', help: 'everything that an index lists' },
    { syntax: '--extract', help: 'unpack the layers as they come: the first RUN does not wait for it' },
    { syntax: '--unpack', help: 'the same' },
  ]);
  withRegistryFlags(withRoot(command)).action(async (images: string[], flags: object) =>
    (await import('./commands/pull.js')).pullImages(images, flags, context),
  );
}

function addPush(program: Command, context: CliContext): void {
  const command = program
    .command('push <image> [destination]')
    .description('push an image of the local store, under its own name or that of a destination');
  withFlags(command, [
    platformFlag('of an index: one pushes its image, several an index of them (default: all)'),
    { syntax: '--all-tags', help: 'everything that the store has under IMAGE, a name without a tag' },
  ]);
  withRegistryFlags(withRoot(command)).action(async (source: string, destination: string | undefined, flags: object) =>
    (await import('./commands/push.js')).pushImages({ source, destination }, flags, context),
  );
}

function addCopy(program: Command, context: CliContext): void {
  const command = program
    .command('cp <source> <destination>')
    .description('copy an image or index between registries, layouts, archives and the local store')
    .addHelpText('after', PLACES);
  withFlags(command, [
    platformFlag('of an index: one copies its image, several an index of them (default: all)'),
    { syntax: '--src-creds <user:password>', help: 'for the registry of the source alone' },
    { syntax: '--dest-creds <user:password>', help: 'for the registry of the destination alone; --creds is the same, where there is one' },
  ]);
  withRegistryFlags(withRoot(command)).action(async (source: string, destination: string, flags: object) =>
    (await import('./commands/cp.js')).copyImage({ source, destination }, flags, context),
  );
}

function addLooks(program: Command, context: CliContext): void {
  const json: FlagRow = { syntax: '--json', help: 'as JSON' };
  const ls = program.command('ls <place>').description('list the tags of a repository, or the repositories of a registry (HOST or HOST/)');
  withRegistryFlags(withFlags(ls, [json])).action(async (place: string, flags: object) =>
    (await import('./commands/ls.js')).listRemote(place, flags, context),
  );
  const remove = program
    .command('delete <image...>')
    .description('delete images of registries (docker://REF), with all tags of the same digest');
  withRegistryFlags(remove).action(async (images: string[], flags: object) =>
    (await import('./commands/delete.js')).deleteRemote(images, flags, context),
  );
  const inspect = program
    .command('inspect <image>')
    .description('print descriptor, manifest and config as JSON; docker://REF is one in a registry');
  withFlags(inspect, [
    { syntax: '--raw', help: 'the bytes of the manifest or index as they are' },
    platformFlag('of an index: the documents of its image'),
  ]);
  withRegistryFlags(withRoot(inspect)).action(async (image: string, flags: object) =>
    (await import('./commands/inspect.js')).inspectImage(image, flags, context),
  );
}

function addIndex(program: Command, context: CliContext): void {
  const index = program.command('index').description('make an index of images for several platforms').helpCommand(false);
  const create = index
    .command('create <image...>')
    .description('join images and indexes that are in registries; they are copied to where the index is, or lent within one registry')
    .addOption(toOption({ syntax: '-t, --tag <name>', help: 'name of the index, in a registry', repeat: true }));
  withRegistryFlags(create).action(async (images: string[], flags: object) =>
    (await import('./commands/index-create.js')).createIndex(images, flags, context),
  );
}
