import type { Command } from 'commander';
import { withFlags } from './command-flags.js';
import type { CliContext } from './context.js';
import { REGISTRY_FLAGS } from './registry-flags.js';

/** Of no use to one who logs in: they are about images. */
const NOT_FOR_LOGIN = /^--(?:creds|registry-mirror|jobs) /;
const DEBUG = { syntax: '-D, --debug', help: 'tell requests; stack traces of internal errors' };

/** `login` and `logout`. */
export function addLoginCommands(program: Command, context: CliContext): void {
  const login = program.command('login [registry]').description('check credentials for a registry (default: docker.io) and store them');
  withFlags(login, [
    { syntax: '-u, --username <name>', help: 'asked for in a terminal, when it is missing' },
    { syntax: '-p, --password <password>', help: 'other users see it in the list of processes: better the next one' },
    { syntax: '--password-stdin', help: 'read the password from standard input' },
    { syntax: '--get-login', help: 'print who is logged in, and do nothing' },
    DEBUG,
    ...REGISTRY_FLAGS.filter(({ syntax }) => !NOT_FOR_LOGIN.test(syntax)),
  ]).action(async (registry: string | undefined, flags: object) => (await import('./commands/login.js')).login(registry, flags, context));
  const logout = program.command('logout [registry]').description('forget the credentials for a registry (default: docker.io)');
  withFlags(logout, [
    { syntax: '-a, --all', help: 'for all registries of the file' },
    DEBUG,
    ...REGISTRY_FLAGS.filter(({ syntax }) => syntax.startsWith('--authfile ')),
  ]).action(async (registry: string | undefined, flags: object) => (await import('./commands/login.js')).logout(registry, flags, context));
}
