import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { BuildError } from '../base/errors.js';
import { isFullCommit, type GitRemote } from '../base/git-url.js';
import { didYouMean } from '../base/suggest.js';
import { toShownUrl } from '../base/url.js';
import { GitProgram, type GitFailure } from './git-program.js';
import { findSubdir, removeGitFiles, setTreeTimes } from './git-tree.js';
import type { Environment } from './proxy.js';
import type { SecretReader } from './secret-reader.js';

export interface CheckoutRequest {
  /** Private to this checkout, and made by it. */
  readonly dir: string;
  /** Leaves `.git`, for a checkout that is no subdirectory. */
  readonly keepGitDir: boolean;
  /** GIT_AUTH_HEADER and GIT_AUTH_TOKEN are looked up, first with `.HOST` behind them. */
  readonly secrets: SecretReader;
  /** Of the SSH agent; the default is that of the environment. */
  readonly sshSocket?: string;
  readonly signal: AbortSignal;
  readonly env?: Environment;
}

export interface Checkout {
  readonly commit: string;
  /** When it was committed. */
  readonly commitSeconds: number;
  /** The files: the root of the repository, or the subdirectory that was asked for. */
  readonly dir: string;
}

/**
 * Fetches one commit of a repository, and its submodules, with as little history as the server lets us.
 * @throws BuildError `input` when it is not to be had or not what the checksum says, `environment` without git, `cancelled`
 */
export async function checkout(remote: GitRemote, request: CheckoutRequest): Promise<Checkout> {
  const tree = join(request.dir, 'tree');
  await mkdir(tree, { recursive: true });
  await chmod(tree, 0o755);
  const git = await GitProgram.prepare(remote.url, { ...request, tree });
  const shown = toShownUrl(remote.url);
  await git.run(['init', '--quiet', '--template=']);
  await git.run(['remote', 'add', '--', 'origin', git.url]);
  await fetchRef(git, remote.ref, shown);
  const [commit = '', seconds = ''] = (await git.run(['log', '-1', '--format=%H %ct', 'FETCH_HEAD', '--'])).trim().split(' ');
  if (remote.checksum !== undefined) await checkCommit(git, { commit, want: remote.checksum, shown });
  await git.run(['checkout', '--quiet', '--force', '--detach', commit]);
  const hasSubmodules = remote.submodules && (await updateSubmodules(git, shown));
  const commitSeconds = Number(seconds);
  const keeps = request.keepGitDir && remote.subdir === undefined;
  if (keeps) await nameCommit(git, commit);
  else removeGitFiles(tree, { hasSubmodules });
  if (remote.mtime === 'commit') setTreeTimes(tree, commitSeconds);
  return { commit, commitSeconds, dir: remote.subdir === undefined ? tree : findSubdir(tree, remote.subdir, shown) };
}

const FETCH = ['fetch', '--quiet', '--force', '--no-tags', '--no-recurse-submodules', '--update-head-ok'];

async function fetchRef(git: GitProgram, ref: string | undefined, shown: string): Promise<void> {
  if (ref !== undefined && !isFullCommit(ref)) checkRef(ref);
  const failure = await tryFetch(git, ref ?? 'HEAD');
  if (failure === undefined) return;
  if (ref !== undefined && isFullCommit(ref) && /not our ref|unadvertised object|no such remote ref/i.test(failure.stderr)) {
    return fetchEverything(git, ref, shown);
  }
  if (ref !== undefined && /couldn't find remote ref/i.test(failure.stderr)) throw await unknownRef(git, ref, shown);
  throw failure.toError(`cannot fetch ${shown}`);
}

/** A server that only has files to give, or an old one, knows no shallow fetch. */
async function tryFetch(git: GitProgram, ref: string): Promise<GitFailure | undefined> {
  const failure = await git.try([...FETCH, '--depth=1', '--', 'origin', ref]);
  if (failure === undefined || !/--depth|shallow/.test(failure.stderr)) return failure;
  return git.try([...FETCH, '--', 'origin', ref]);
}

/** Old servers give no commit by its name: it must come with the branch that it is part of. */
async function fetchEverything(git: GitProgram, commit: string, shown: string): Promise<void> {
  const missing = new BuildError('input', `repository ${shown} does not contain the commit ${commit}`);
  const failure = await git.try([...FETCH, '--', 'origin', '+refs/heads/*:refs/fetched/heads/*', '+refs/tags/*:refs/fetched/tags/*']);
  if (failure !== undefined) throw missing;
  if ((await git.try(['cat-file', '-e', `${commit}^{commit}`])) !== undefined) throw missing;
  // What is fetched from there is at hand, and becomes FETCH_HEAD.
  await git.run([...FETCH, '--', '.', commit], { allowLocal: true });
}

/** git-check-ref-format(1), as far as it matters: nothing that makes an option or a list of refs of it. */
function checkRef(ref: string): void {
  // oxlint-disable-next-line no-control-regex -- names of refs have no control characters
  if (!/^[-+^]|[\0-\x20~^:?*[\\\x7f]|\.\./.test(ref)) return;
  throw new BuildError('input', `invalid git ref ${JSON.stringify(ref)}`);
}

async function unknownRef(git: GitProgram, ref: string, shown: string): Promise<BuildError> {
  const listed = await git.run(['ls-remote', '--quiet', '--refs', '--heads', '--tags', '--', 'origin']).catch(() => '');
  const names = [...listed.matchAll(/\trefs\/(?:heads|tags)\/(.+)/g)].map(([, name]) => name ?? '');
  const suggestion = didYouMean(ref.replace(/^refs\/(?:heads|tags)\//, ''), names);
  const isShortCommit = /^[0-9a-f]{7,39}$/.test(ref) && suggestion === '';
  return new BuildError(
    'input',
    `repository ${shown} does not contain ref ${ref}${suggestion}`,
    isShortCommit ? { hint: 'servers give out a commit by its full name only, all 40 digits' } : {},
  );
}

async function checkCommit(git: GitProgram, { commit, want, shown }: { commit: string; want: string; shown: string }): Promise<void> {
  // Of an annotated tag it may be the name of the tag object as well.
  const fetched = (await git.run(['rev-parse', 'FETCH_HEAD'])).trim();
  if (commit.startsWith(want) || fetched.startsWith(want)) return;
  throw new BuildError('input', `${shown}: expected checksum to match ${want}, got ${commit}`);
}

/** @returns whether there are any */
async function updateSubmodules(git: GitProgram, shown: string): Promise<boolean> {
  if (!existsSync(join(git.tree, '.gitmodules'))) return false;
  const failure = await git.try(['submodule', '--quiet', 'update', '--init', '--recursive', '--force', '--depth=1']);
  if (failure !== undefined) throw failure.toError(`cannot fetch the submodules of ${shown}`);
  return true;
}

/** Gives the commit the name that it was fetched by, so that `git describe` and the like find it; leaves nothing else of the fetch. */
async function nameCommit(git: GitProgram, commit: string): Promise<void> {
  const fetched = join(git.tree, '.git/FETCH_HEAD');
  const [, oid, kind, name] = /^([0-9a-f]+)\t\S*\t(branch|tag) '([^']+)' of /.exec(await readFile(fetched, 'utf8')) ?? [];
  if (kind === 'tag' && oid !== undefined) await git.run(['update-ref', `refs/tags/${name}`, oid]);
  if (kind === 'branch') await git.run(['update-ref', `refs/heads/${name}`, commit]);
  await rm(fetched);
}
