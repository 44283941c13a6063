import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BuildError } from '../base/errors.js';
import { requireProgram, runProgram } from '../os/process.js';
import { hostOf, type Environment } from './proxy.js';
import { toBasic } from './request.js';
import type { SecretReader } from './secret-reader.js';
import { hasOwnAuthorities, trustedAuthorities } from './trust.js';

export interface GitProgramRequest {
  /** Private to one checkout: holds a home directory without any configuration. */
  readonly dir: string;
  /** The working tree. */
  readonly tree: string;
  readonly secrets: SecretReader;
  readonly sshSocket?: string;
  readonly signal: AbortSignal;
  readonly env?: Environment;
}

const PROXY_VARIABLES = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'ALL_PROXY'].flatMap((name) => [name, name.toLowerCase()]);

/** What git shall do and not do, whatever a repository may want. */
const SETTINGS: readonly (readonly [string, string])[] = [
  ['core.hooksPath', '/dev/null'],
  ['core.fsmonitor', 'false'],
  ['core.logAllRefUpdates', 'false'],
  ['init.defaultBranch', 'main'],
  ['gc.auto', '0'],
  ['maintenance.auto', 'false'],
  ['http.lowSpeedLimit', '1'],
  ['http.lowSpeedTime', '120'],
];

/**
 * git for one repository, with nothing of the user's or the machine's configuration, no hooks, no questions, and the network as its only
 * source. Credentials are in its environment alone: neither in arguments, which every process can see, nor in a file.
 */
export class GitProgram {
  /** Without credentials. */
  readonly url: string;
  readonly tree: string;
  readonly #env: Readonly<Record<string, string>>;
  readonly #signal: AbortSignal;

  private constructor(url: string, request: GitProgramRequest, env: Readonly<Record<string, string>>) {
    this.url = url;
    this.tree = request.tree;
    this.#env = env;
    this.#signal = request.signal;
  }

  /** @throws BuildError `environment` when there is no git */
  static async prepare(url: string, request: GitProgramRequest): Promise<GitProgram> {
    requireProgram('git', 'git');
    const { env = process.env } = request;
    const home = join(request.dir, 'home');
    await mkdir(home, { recursive: true });
    const settings = [...SETTINGS, ...authorizationFor(url, request.secrets)];
    if (hasOwnAuthorities(env)) {
      const bundle = join(home, 'authorities.pem');
      await writeFile(bundle, trustedAuthorities(env) ?? '');
      settings.push(['http.sslCAInfo', bundle]);
    }
    const socket = request.sshSocket ?? env['SSH_AUTH_SOCK'];
    return new GitProgram(withoutCredentials(url), request, {
      PATH: env['PATH'] ?? '',
      HOME: home,
      LC_ALL: 'C',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_ATTR_NOSYSTEM: '1',
      GIT_TERMINAL_PROMPT: '0',
      GIT_ALLOW_PROTOCOL: 'http:https:ssh:git',
      GIT_SSH_COMMAND: sshCommand(home),
      ...(socket === undefined ? {} : { SSH_AUTH_SOCK: socket }),
      ...Object.fromEntries(PROXY_VARIABLES.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]]))),
      ...toEnvironment(settings),
    });
  }

  /**
   * @returns what it writes to standard output
   * @throws BuildError `input` when it fails
   */
  async run(args: readonly string[], options: { readonly allowLocal?: boolean } = {}): Promise<string> {
    const { exitCode, stdout, stderr } = await this.#start(args, options);
    if (exitCode !== 0) throw new GitFailure(stderr, this.url).toError(`git ${args[0] ?? ''} failed`);
    return stdout;
  }

  /** @returns how it failed, `undefined` when it did not */
  async try(args: readonly string[]): Promise<GitFailure | undefined> {
    const { exitCode, stderr } = await this.#start(args, {});
    return exitCode === 0 ? undefined : new GitFailure(stderr, this.url);
  }

  #start(args: readonly string[], { allowLocal = false }: { readonly allowLocal?: boolean }): ReturnType<typeof runProgram> {
    // The modes of files in a checkout must not depend on who builds.
    return runProgram('sh', ['-c', 'umask 022 && exec git "$@"', 'git', ...args], {
      cwd: this.tree,
      env: allowLocal ? { ...this.#env, GIT_ALLOW_PROTOCOL: 'file' } : this.#env,
      isWholeEnv: true,
      killsGroup: true,
      signal: this.#signal,
    });
  }
}

export class GitFailure {
  readonly stderr: string;
  readonly #url: string;

  constructor(stderr: string, url: string) {
    this.stderr = stderr;
    this.#url = url;
  }

  /** The first complaint is the cause, those behind it follow from it. */
  toError(what: string): BuildError {
    const lines = this.stderr.split('\n').map((line) => line.trim());
    const said = lines.find((line) => /^(?:fatal|error|ERROR): /.test(line)) ?? lines.find((line) => line !== '') ?? 'git gave no reason';
    const ssh = lines.find((line) => /^(?:ssh: |.*: Permission denied|Host key verification failed)/.test(line));
    const hint = this.#hint();
    return new BuildError('input', `${what}: ${ssh ?? said.replace(/^\w+: /, '')}`, hint === undefined ? {} : { hint });
  }

  #hint(): string | undefined {
    if (/Permission denied \(|Could not open a connection to your authentication agent/.test(this.stderr)) {
      return 'forward an agent that has the key: --ssh default';
    }
    if (
      /could not read (?:Username|Password)|Authentication failed|error: 40[13]|not found/.test(this.stderr) &&
      this.#url.startsWith('http')
    ) {
      return 'for a repository that is not public, give a token: --secret id=GIT_AUTH_TOKEN,env=NAME';
    }
    return undefined;
  }
}

/**
 * The header for the repository: from the secrets BuildKit looks at, or from the URL. As BuildKit has it, a token is sent for this very repository,
 * and on github.com for its submodules too.
 */
function authorizationFor(text: string, secrets: SecretReader): [string, string][] {
  if (!/^https?:\/\//.test(text)) return [];
  const url = new URL(text);
  const read = (name: string): string | undefined =>
    (secrets.read(`${name}.${url.host}`) ?? secrets.read(`${name}.${hostOf(url)}`))?.toString('utf8').trim();
  const readBare = (name: string): string | undefined => secrets.read(name)?.toString('utf8').trim();
  const asToken = (token: string | undefined): string | undefined =>
    token === undefined ? undefined : toBasic('x-access-token', encodeURIComponent(token));
  const given =
    read('GIT_AUTH_HEADER') ?? asToken(read('GIT_AUTH_TOKEN')) ?? readBare('GIT_AUTH_HEADER') ?? asToken(readBare('GIT_AUTH_TOKEN'));
  const scope = url.host === 'github.com' ? 'https://github.com/' : withoutCredentials(text);
  if (given !== undefined) return [[`http.${scope}.extraHeader`, `Authorization: ${given}`]];
  if (url.username === '' && url.password === '') return [];
  return [[`http.${url.protocol}//${url.host}/.extraHeader`, `Authorization: ${toBasic(url.username, url.password)}`]];
}

function withoutCredentials(url: string): string {
  return url.replace(/^(https?:\/\/)[^/?#]*@/i, '$1');
}

/** Settings that no file and no argument holds (git-config(1), GIT_CONFIG_COUNT; git 2.31). */
function toEnvironment(settings: readonly (readonly [string, string])[]): Record<string, string> {
  const pairs = settings.flatMap(([key, value], index) => [
    [`GIT_CONFIG_KEY_${index}`, key],
    [`GIT_CONFIG_VALUE_${index}`, value],
  ]);
  return { GIT_CONFIG_COUNT: String(settings.length), ...(Object.fromEntries(pairs) as Record<string, string>) };
}

/** Keys come from the agent alone. A host never seen is trusted once, as BuildKit does; one that changed its key is not. */
function sshCommand(home: string): string {
  const options = {
    BatchMode: 'yes',
    IdentityFile: 'none',
    ConnectTimeout: '30',
    StrictHostKeyChecking: 'accept-new',
    UserKnownHostsFile: `"${home}/known_hosts" ~/.ssh/known_hosts`,
  };
  return `ssh -F /dev/null ${Object.entries(options)
    .map(([name, value]) => `-o '${name}=${value}'`)
    .join(' ')}`;
}
