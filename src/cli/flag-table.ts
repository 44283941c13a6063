import { REGISTRY_FLAGS } from './registry-flags.js';

/** One flag of a command: what help says, and how its value is taken. */
export interface FlagRow {
  /** As commander declares it: `-t, --tag <name>`. */
  readonly syntax: string;
  readonly help: string;
  /** May be given several times; the value is then an array. */
  readonly repeat?: true;
  /** What a flag means that is given without `=VALUE` and may be: the next argument is never its value. Its syntax has `[value]`. */
  readonly bare?: string;
  /** Values that may also stand in an argument of their own. */
  readonly words?: readonly string[];
}

export const BUILD_FLAGS: readonly FlagRow[] = [
  { syntax: '-t, --tag <name>', help: 'name of the image: app, team/app:1.2, registry.example/app', repeat: true },
  { syntax: '-f, --file <path>', help: 'Dockerfile: a path, a URL, or - for standard input (default: PATH/Dockerfile)' },
  { syntax: '--build-arg <key[=value]>', help: 'value for an ARG; without a value, that of the environment', repeat: true },
  { syntax: '--target <stage>', help: 'stage to build (default: the last)' },
  {
    syntax: '--build-context <name=value>',
    help: 'named context: a directory, URL, git repository, oci-layout://DIR[:TAG], docker-image://NAME',
    repeat: true,
  },
  { syntax: '--label <key=value>', help: 'label of the image', repeat: true },
  { syntax: '--annotation <key=value>', help: 'annotation of the manifest', repeat: true },
  {
    syntax: '-o, --output <spec>',
    help: 'type=oci|docker|image|registry|local|tar[,dest=PATH][,key=value] (default: the local store)',
    repeat: true,
  },
  { syntax: '--oci-layout <dir[:tag]>', help: 'write an OCI layout directory: type=oci,tar=false,dest=DIR' },
  { syntax: '--compression <kind>', help: 'of new layers: gzip, zstd or none (default: gzip)' },
  { syntax: '--compression-level <n>', help: 'gzip 0-9 (default: 5), zstd 1-22 (default: 3)' },
  {
    syntax: '--platform <os/arch>',
    help: 'of the image; several, or a list with commas, make an index (default: of this machine)',
    repeat: true,
  },
  { syntax: '--secret <spec>', help: 'for RUN --mount=type=secret: id=NAME[,src=FILE|,env=VARIABLE]', repeat: true },
  { syntax: '--ssh <spec>', help: 'for RUN --mount=type=ssh: default or ID[=SOCKET|KEY[,KEY]]', repeat: true },
  { syntax: '--allow <entitlement>', help: 'what RUN may ask for: network.host, security.insecure', repeat: true },
  { syntax: '--network <mode>', help: "network of RUN steps: host, none or default (default: the host's)" },
  { syntax: '--add-host <name:ip>', help: 'line for /etc/hosts of RUN steps', repeat: true },
  { syntax: '--shm-size <size>', help: 'size of /dev/shm in RUN steps (default: 64m)' },
  { syntax: '--ulimit <name=soft[:hard]>', help: 'limit of RUN steps: nofile=1024:2048', repeat: true },
  { syntax: '--max-archive-size <size>', help: 'largest archive that ADD unpacks (default: 64g)' },
  { syntax: '--check', help: 'check the Dockerfile, build nothing: --call=check' },
  { syntax: '--call <method>', help: 'build, check, outline or targets[,format=json|text] (default: build)' },
  { syntax: '--no-cache', help: 'run every step (nothing is cached yet)' },
  {
    syntax: '--pull [policy]',
    help: 'ask registries for base images: always, missing, never or newer (default: missing)',
    bare: 'always',
    words: ['always', 'missing', 'never', 'newer'],
  },
  { syntax: '--push', help: 'push the image under all of its names: -o type=registry' },
  { syntax: '--load', help: 'put the image into the local store, as is done without it' },
  { syntax: '--source-date-epoch <seconds>', help: 'clamp times of new layers and config (default: SOURCE_DATE_EPOCH)' },
  { syntax: '--iidfile <file>', help: 'write the image id (digest of the config)' },
  { syntax: '--metadata-file <file>', help: 'write digests, names and timings as JSON' },
  ...REGISTRY_FLAGS,
  { syntax: '--root <dir>', help: 'local store (default: TSBUILD_ROOT, /var/lib/tsbuild for root, $XDG_DATA_HOME/tsbuild)' },
  { syntax: '--runtime <program>', help: 'OCI runtime (default: runc)' },
  { syntax: '--progress <mode>', help: 'auto, tty, plain or quiet (default: auto)' },
  { syntax: '-q, --quiet', help: 'no progress; print the image id' },
  { syntax: '-D, --debug', help: 'tell what registries are asked and where credentials come from; stack traces of internal errors' },
];

/** Long names of flags without a value. */
export const OWN_TOGGLES: ReadonlySet<string> = new Set(
  BUILD_FLAGS.filter((row) => !/[<[]/.test(row.syntax)).map((row) => longName(row.syntax)),
);

/** Flags, as typed, whose value is the next argument. */
export const OWN_VALUES: ReadonlySet<string> = new Set(
  BUILD_FLAGS.filter((row) => row.syntax.includes('<')).flatMap((row) => row.syntax.split(/,? /).filter((word) => word.startsWith('-'))),
);

const BARE_VALUES: ReadonlyMap<string, Pick<FlagRow, 'bare' | 'words'>> = new Map(
  BUILD_FLAGS.flatMap((row) => (row.bare === undefined ? [] : [[`--${longName(row.syntax)}`, row] as const])),
);

/**
 * Arguments in which a flag whose value may be left out has one: `--pull` as `--pull=always`, since it must not take the next argument for its value,
 * and `--pull newer` as `--pull=newer`, since no other word is likely to mean that.
 */
export function withBareValues(args: readonly string[]): string[] {
  const joined: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? '';
    const row = BARE_VALUES.get(arg);
    const next = args[at + 1] ?? '';
    if (arg === '--') return [...joined, ...args.slice(at)];
    if (row === undefined) {
      joined.push(arg);
      // The value of another flag is that, whatever it looks like.
      if (OWN_VALUES.has(arg) && at + 1 < args.length) joined.push(args[++at] ?? '');
    } else if (row.words?.includes(next) === true) {
      joined.push(`${arg}=${next}`);
      at++;
    } else joined.push(`${arg}=${row.bare ?? ''}`);
  }
  return joined;
}

function longName(syntax: string): string {
  return /--([a-z-]+)/.exec(syntax)?.[1] ?? syntax;
}
