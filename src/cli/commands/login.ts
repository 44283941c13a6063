import { BuildError } from '../../base/errors.js';
import type { HostPath } from '../../registry/host-names.js';
import type { RegistryOptions, UserPassword } from '../../registry/options.js';
import type { CliContext } from '../context.js';
import { askAll, readPassword } from '../password.js';
import { redact } from '../redact.js';
import { toRegistryOptions, type RawRegistryFlags } from '../registry-flags.js';

const DEFAULT_REGISTRY = 'docker.io';

export interface LoginFlags extends RawRegistryFlags {
  readonly username?: string;
  readonly password?: string;
  readonly passwordStdin?: boolean;
  readonly getLogin?: boolean;
  readonly debug?: boolean;
}

export interface LogoutFlags extends RawRegistryFlags {
  readonly all?: boolean;
  readonly debug?: boolean;
}

/** `tsbuild login`: nothing is stored that the registry does not take. */
export async function login(registry: string | undefined, flags: LoginFlags, context: CliContext): Promise<void> {
  const options = toRegistryOptions(flags, context.env);
  const place = await parseRegistry(registry);
  if (flags.getLogin === true) return showLogin(place, options, context);
  checkFlags(flags);
  const { AuthStore } = await import('../../registry/auth-store.js');
  const store = new AuthStore({ options, env: context.env });
  // What cannot be read cannot be changed: better said before the password is typed.
  store.places();
  const credentials = await readCredentials(place, flags, context);
  await checkLogin(place, credentials, { options, context, debug: flags.debug === true });
  const stored = await store.store(place, credentials);
  context.stdout.write(`logged in to ${formatPlace(place)} as ${credentials.username}\n`);
  if (stored.kind === 'file')
    warn(context, `the password is stored unencrypted in "${stored.place}"; a credential helper would keep it safe`);
}

/** `tsbuild logout` */
export async function logout(registry: string | undefined, flags: LogoutFlags, context: CliContext): Promise<void> {
  if (flags.all === true && registry !== undefined) throw new BuildError('usage', '--all and the name of a registry exclude each other');
  const { AuthStore } = await import('../../registry/auth-store.js');
  const store = new AuthStore({ options: toRegistryOptions(flags, context.env), env: context.env });
  const places = flags.all === true ? store.places() : [await parseRegistry(registry)];
  let firstError: unknown;
  for (const place of places) {
    try {
      const hasErased = await store.erase(place);
      context.stdout.write(`${hasErased ? 'logged out of' : 'not logged in to'} ${formatPlace(place)}\n`);
    } catch (error) {
      firstError ??= error;
    }
  }
  if (firstError !== undefined) throw firstError;
}

async function showLogin(place: HostPath, options: RegistryOptions, context: CliContext): Promise<void> {
  const { Credentials } = await import('../../registry/credentials.js');
  const credentials = new Credentials({ options, env: context.env, warn: (message) => warn(context, message) });
  const found = await credentials.find(place.host, place.path === '' ? undefined : place.path);
  if (found === undefined) throw new BuildError('credentials', `not logged in to ${formatPlace(place)}`);
  context.stdout.write(`${found.kind === 'password' ? found.username : '<token>'}\n`);
}

function checkFlags(flags: LoginFlags): void {
  if (flags.username === '') throw new BuildError('usage', 'invalid --username "": it is empty');
  if (flags.username?.includes(':') === true) throw new BuildError('usage', 'invalid --username: a name has no ":"');
  if (flags.password === '') throw new BuildError('usage', 'invalid --password "": it is empty');
  if (flags.passwordStdin !== true) return;
  if (flags.password !== undefined) throw new BuildError('usage', '--password and --password-stdin exclude each other');
  if (flags.username === undefined)
    throw new BuildError('usage', '--password-stdin needs --username', { hint: 'standard input has the password alone' });
}

async function readCredentials(place: HostPath, flags: LoginFlags, context: CliContext): Promise<UserPassword> {
  if (flags.password !== undefined)
    warn(context, 'a password on the command line is seen by all users of this machine; --password-stdin keeps it from them');
  const missing = [
    ...(flags.username === undefined ? [{ name: 'user name', prompt: `User name for ${formatPlace(place)}: `, isHidden: false }] : []),
    ...(flags.password === undefined && flags.passwordStdin !== true ? [{ name: 'password', prompt: 'Password: ', isHidden: true }] : []),
  ];
  if (missing.length > 0) checkTerminal(missing, place, context);
  const answers = missing.length === 0 ? [] : await askAll(missing, context.signal);
  const username = flags.username ?? (answers.shift() ?? '').trim();
  const password = flags.password ?? (flags.passwordStdin === true ? await readPassword() : (answers.shift() ?? ''));
  if (username === '' || username.includes(':')) throw new BuildError('usage', 'a user name is not empty and has no ":"');
  if (password === '') throw new BuildError('usage', 'the password is empty');
  return { username, password };
}

/** A job that nobody sits at would wait for ever. */
function checkTerminal(missing: readonly { readonly name: string }[], place: HostPath, { env }: CliContext): void {
  const isJob = !['', 'false', '0'].includes(env['CI'] ?? '');
  if (process.stdin.isTTY && !isJob) return;
  const why = isJob ? 'CI is set' : 'standard input is no terminal';
  throw new BuildError('usage', `the ${missing.map(({ name }) => name).join(' and the ')} cannot be asked for: ${why}`, {
    hint: `echo "$PASSWORD" | tsbuild login --username NAME --password-stdin ${formatPlace(place)}`,
  });
}

interface Check {
  readonly options: RegistryOptions;
  readonly context: CliContext;
  readonly debug: boolean;
}

async function checkLogin({ host }: HostPath, credentials: UserPassword, { options, context, debug }: Check): Promise<void> {
  const { Registries } = await import('../../registry/registries.js');
  await using registries = new Registries({
    options,
    signal: context.signal,
    warn: (message) => warn(context, message),
    ...(debug ? { debug: (message: string) => void context.stderr.write(`debug: ${redact(message)}\n`) } : {}),
  });
  await registries.checkLogin(host, credentials).catch((error: unknown) => {
    throw context.signal.aborted ? new BuildError('cancelled', 'the login was stopped', { cause: error }) : error;
  });
}

/** A host, one with a path below which the login is good, or what docker users write: `https://HOST/v1/`. */
async function parseRegistry(text: string = DEFAULT_REGISTRY): Promise<HostPath> {
  const { parseKey } = await import('../../registry/auth-files.js');
  const place = parseKey(text);
  if (place !== undefined) return place;
  const [, shown = ''] = /^(?:[a-z]+:\/\/)?(?:.*@)?(.*)$/is.exec(text) ?? [];
  throw new BuildError('usage', `invalid registry ${JSON.stringify(shown)}: want HOST[:PORT][/PATH]`);
}

function formatPlace({ host, path }: HostPath): string {
  return path === '' ? host : `${host}/${path}`;
}

function warn(context: CliContext, message: string): void {
  context.stderr.write(`WARNING: ${message}\n`);
}
