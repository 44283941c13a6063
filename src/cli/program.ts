import { Command, CommanderError } from 'commander';
import { BuildError } from '../base/errors.js';
import { suggest } from '../base/suggest.js';
import { parseCall } from './call.js';
import { toOption, withRoot } from './command-flags.js';
import { COMMANDS } from './command-names.js';
import type { CliContext } from './context.js';
import { BUILD_FLAGS, withBareValues } from './flag-table.js';
import type { RawBuildFlags } from './flags.js';
import { takeForeignFlags } from './foreign-flags.js';
import { addLoginCommands } from './login-commands.js';
import { addRegistryCommands } from './registry-commands.js';
import { tsbuildVersion } from './version.js';

const EPILOGUE = `
Exit status: 0 done; 1 a step failed, an input is missing, or --check has warnings; 2 usage or Dockerfile error; 3 registry or network; 4 credentials;
5 missing privilege; 125 a fault of tsbuild; 130, 143 stopped by a signal.`;

/**
 * Runs the command that the arguments ask for; `build` when they name none. Each command loads what it needs when it is chosen: help and
 * version load nothing.
 *
 * @param args without the names of node and script
 * @returns the exit status of a command that did what it was asked for: 1 of a check that has warnings
 * @throws BuildError for everything that the user can cause
 */
export async function runCli(args: readonly string[], context: CliContext): Promise<number> {
  const isBuild = !COMMANDS.includes(args[0] ?? '');
  const { args: own, ignored } = isBuild ? takeForeignFlags(args) : { args: withBareValues(args), ignored: [] };
  try {
    let status = 0;
    await createProgram({ context, ignored, finish: (given) => (status = given) }).parseAsync(own, { from: 'user' });
    return status;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode !== 0) throw toUsageError(error, args[0] ?? '');
    return 0;
  }
}

interface BuildSettings {
  readonly context: CliContext;
  /** Flags of other builders that were given and change nothing. */
  readonly ignored: readonly string[];
  /** Takes the exit status of a command that did what it was asked for. */
  readonly finish: (status: number) => void;
}

function createProgram(settings: BuildSettings): Command {
  const { context } = settings;
  const program = new Command('tsbuild')
    .description('Builds container images from Dockerfiles: one command, no daemon.')
    .usage('[build] [options] PATH')
    .version(tsbuildVersion(), '--version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .showHelpAfterError(false)
    .exitOverride()
    .configureOutput({ writeOut: (text) => context.stdout.write(text), writeErr: () => undefined, outputError: () => undefined })
    .configureHelp({ helpWidth: 120, optionTerm: ({ flags }) => flags.replace(' [', '[=') })
    .addHelpText('after', EPILOGUE);
  addBuild(program, settings);
  addImages(program, context);
  addRegistryCommands(program, context);
  addLoginCommands(program, context);
  addTransfer(program, context);
  addVersion(program, context);
  return program;
}

function addBuild(program: Command, { context, ignored, finish }: BuildSettings): void {
  const command = program
    .command('build [path]', { isDefault: true })
    .usage('[options] PATH')
    .description('build an image from PATH: a directory, a git repository, a URL, or - for standard input');
  for (const row of BUILD_FLAGS) command.addOption(toOption(row));
  command.action(async (path: string | undefined, flags: RawBuildFlags) => {
    const call = parseCall(flags);
    if (call.method === 'build') {
      const { runBuild } = await import('./commands/build.js');
      await runBuild({ path, flags, ignored }, context);
    } else {
      const { runCall } = await import('./commands/check.js');
      finish(await runCall({ path, flags, call }, context));
    }
  });
}

function addImages(program: Command, context: CliContext): void {
  withRoot(program.command('images').description('list the images of the local store'))
    .option('--json', 'as JSON')
    .option('-q, --quiet', 'ids only')
    .action(async (flags: object) => (await import('./commands/images.js')).listImages(flags, context));
  withRoot(program.command('history <image>').description('print the steps that made an image'))
    .option('--json', 'as JSON')
    .action(async (image: string, flags: object) => (await import('./commands/inspect.js')).showHistory(image, flags, context));
  withRoot(program.command('rmi <image...>').description('remove names of images, and what nothing refers to any longer')).action(
    async (images: string[], flags: object) => (await import('./commands/rmi.js')).removeImages(images, flags, context),
  );
}

function addTransfer(program: Command, context: CliContext): void {
  withRoot(program.command('load [source]').description('load an OCI archive, a docker archive or an OCI layout directory'))
    .option('-i, --input <path>', 'the same as the argument')
    .addOption(toOption({ syntax: '-t, --tag <name>', help: 'name of the image, instead of those in the source', repeat: true }))
    .action(async (source: string | undefined, flags: object) => (await import('./commands/load.js')).loadSource(source, flags, context));
  withRoot(program.command('save <image...>').description('write images to an archive or an OCI layout directory'))
    .option('-o, --output <path>', 'file or directory (default: standard output)')
    .option('--format <format>', 'docker-archive, oci-archive or oci-dir (default: docker-archive)')
    .action(async (images: string[], flags: object) => (await import('./commands/save.js')).saveImages(images, flags, context));
}

function addVersion(program: Command, context: CliContext): void {
  program
    .command('version')
    .description('print the versions of tsbuild, node and the OCI runtime')
    .option('--json', 'as JSON')
    .option('--runtime <program>', 'OCI runtime (default: runc)')
    .action(async (flags: object) => (await import('./commands/version.js')).showVersion(flags, context));
}

/** commander writes `error: unknown option '--tga'`, and a suggestion on a line of its own. */
function toUsageError(error: CommanderError, first: string): BuildError {
  const [whole = '', suggestion] = error.message.replace(/^error: /, '').split('\n');
  // A mistyped flag may come with a password.
  const message = whole.replace(/^(unknown option '-[^=']*)=.*'$/, "$1'");
  const meant = /Did you mean (?:one of )?(.*)\?/.exec(suggestion ?? '')?.[1];
  // `tsbuild pul app:1` is a build of two contexts.
  const isBuild = error.code === 'commander.excessArguments' && !['build', ...COMMANDS].includes(first);
  const command = isBuild ? suggest(first, COMMANDS) : undefined;
  if (command !== undefined) return new BuildError('usage', `unknown command "${first}"`, { hint: `did you mean ${command}?` });
  return new BuildError('usage', message, {
    hint: meant === undefined ? '"tsbuild --help" lists what there is' : `did you mean ${meant}?`,
  });
}
