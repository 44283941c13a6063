import { BuildError } from '../base/errors.js';
import { isFullCommit, parseGitRemote, type GitRemote } from '../base/git-url.js';
import type { RemoteSource } from './plan.js';

const HTTP_URL = /^https?:\/\//;

export interface RemoteFlags {
  readonly op: 'COPY' | 'ADD';
  /** `--checksum`, expanded. */
  readonly checksum: string | undefined;
  /** `--keep-git-dir` */
  readonly keepGitDir: boolean | undefined;
}

/**
 * Tells the sources of COPY and ADD that lie elsewhere from paths.
 * @param sources expanded
 * @throws BuildError `dockerfile` for a URL that cannot be a source, or a checksum that cannot be checked
 */
export function splitRemotes(
  sources: readonly string[],
  flags: RemoteFlags,
): { readonly paths: readonly string[]; readonly remotes: readonly RemoteSource[] } {
  if (flags.checksum !== undefined && sources.length !== 1) throw wrong("checksum can't be specified for multiple sources");
  const paths: string[] = [];
  const remotes: RemoteSource[] = [];
  for (const source of sources) {
    const remote = toRemote(source, flags);
    if (remote === undefined) paths.push(source);
    else remotes.push(remote);
  }
  if (flags.checksum !== undefined && remotes.length === 0) throw wrong('checksum requires HTTP(S) or Git sources');
  return { paths, remotes };
}

function toRemote(source: string, { op, checksum, keepGitDir }: RemoteFlags): RemoteSource | undefined {
  const remote = parseGitRemote(source, 'add');
  if (remote === undefined && !HTTP_URL.test(source)) return undefined;
  if (op === 'COPY') {
    throw wrong(`source can't be a ${remote === undefined ? 'URL' : 'git ref'} for COPY`, 'ADD takes remote sources.');
  }
  if (remote !== undefined) {
    return { kind: 'git', remote: withChecksum(remote, checksum), keepGitDir: keepGitDir ?? remote.keepGitDir ?? false };
  }
  if (!URL.canParse(source)) throw wrong(`invalid URL ${JSON.stringify(source)}`);
  if (checksum !== undefined) checkDigest(checksum);
  return { kind: 'http', url: source, ...(checksum === undefined ? {} : { checksum }) };
}

function withChecksum(remote: GitRemote, checksum: string | undefined): GitRemote {
  if (checksum === undefined) return remote;
  if (!isFullCommit(checksum)) throw wrong(`invalid checksum ${JSON.stringify(checksum)}: want the full name of a commit`);
  if (remote.checksum !== undefined && !checksum.startsWith(remote.checksum)) {
    throw wrong(`checksum conflicts: ${JSON.stringify(remote.checksum)} vs ${JSON.stringify(checksum)}`);
  }
  return { ...remote, ref: remote.ref ?? checksum, checksum };
}

/** The texts are those of BuildKit, which tells apart what can be wrong with a digest. */
function checkDigest(text: string): void {
  const [, algorithm, hex] = /^([a-z0-9]+(?:[.+_-][a-z0-9]+)*):([a-zA-Z0-9=_-]+)$/.exec(text) ?? [];
  if (algorithm === undefined || hex === undefined) throw wrongDigest('invalid checksum digest format', text);
  if (algorithm !== 'sha256') throw wrongDigest('unsupported digest algorithm', text);
  if (hex.length !== 64) throw wrongDigest('invalid checksum digest length', text);
  if (!/^[0-9a-f]+$/.test(hex)) throw wrongDigest('invalid checksum digest format', text);
}

function wrongDigest(what: string, text: string): BuildError {
  return wrong(`${what}: ${JSON.stringify(text)}`, 'Give sha256: and 64 lower-case hex digits.');
}

function wrong(message: string, hint?: string): BuildError {
  return new BuildError('dockerfile', message, hint === undefined ? {} : { hint });
}
