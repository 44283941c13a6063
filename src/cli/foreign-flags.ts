import { parseBool } from '../base/csv.js';
import { BuildError } from '../base/errors.js';
import { OWN_TOGGLES, OWN_VALUES, withBareValues } from './flag-table.js';
import { redact } from './redact.js';

/** A flag of docker, buildah or kaniko that `tsbuild build` meets in scripts written for them. */
interface ForeignFlag {
  readonly takesValue: boolean;
  /** `ignored`: changes nothing here. `unsupported`: would change the result. `unless-off`: unsupported unless its value is false. */
  readonly fate: 'ignored' | 'unsupported' | 'unless-off';
  readonly hint?: string;
}

const IGNORED_TOGGLES = ['compress', 'force-rm', 'layers', 'rm', 'use-new-run', 'compressed-caching'];
const IGNORED_VALUES =
  'builder cgroup-parent cpu-period cpu-quota cpu-shares cpuset-cpus cpuset-mems isolation memory memory-swap no-cache-filter resource snapshot-mode'.split(
    ' ',
  );
const UNLESS_OFF = ['provenance', 'sbom', 'squash', 'single-snapshot'];
const UNSUPPORTED_VALUES =
  'attest build-arg-file cache-from cache-repo cache-to cap-add cap-drop device dns env from ignorefile manifest mount policy security-opt unsetenv volume'.split(
    ' ',
  );
const HINTS: Readonly<Record<string, string>> = {
  'single-snapshot': 'every RUN, COPY and ADD makes a layer',
};
/** Flags that tsbuild has under another name. */
const RENAMED: Readonly<Record<string, string>> = {
  context: 'give the directory as the last argument',
  'compression-format': 'use --compression',
  'custom-platform': 'use --platform',
  destination: 'use --tag, and --push',
  'digest-file': 'use --metadata-file or --iidfile',
  'disable-compression': 'use --compression none',
  dockerfile: 'use --file',
  'no-push': 'leave it out: nothing is pushed',
  'image-download-retry': 'use --retry',
  insecure: 'use --insecure-registry HOST, or --tls-verify=false',
  'insecure-pull': 'use --insecure-registry HOST, or --tls-verify=false',
  'oci-layout-path': 'use --oci-layout',
  'pull-always': 'use --pull=always',
  'pull-never': 'use --pull=never',
  'push-retry': 'use --retry',
  'registry-certificate': 'use --cert-dir',
  'registry-map': 'use --registry-mirror',
  'skip-tls-verify': 'use --tls-verify=false',
  'skip-tls-verify-pull': 'use --tls-verify=false',
  'skip-tls-verify-registry': 'use --insecure-registry',
  'tar-path': 'use --output type=docker,dest=FILE',
  timestamp: 'use --source-date-epoch',
};
const SHORT: Readonly<Record<string, string>> = { m: 'memory', c: 'cpu-shares', v: 'volume' };

const FLAGS = new Map<string, ForeignFlag>([
  ...IGNORED_TOGGLES.map((name) => [name, { takesValue: false, fate: 'ignored' }] as const),
  ...IGNORED_VALUES.map((name) => [name, { takesValue: true, fate: 'ignored' }] as const),
  ...UNLESS_OFF.map((name) => [name, { takesValue: false, fate: 'unless-off', ...hintOf(name) }] as const),
  ...UNSUPPORTED_VALUES.map((name) => [name, { takesValue: true, fate: 'unsupported' }] as const),
  ...Object.keys(RENAMED).map((name) => [name, { takesValue: true, fate: 'unsupported', hint: RENAMED[name] ?? '' }] as const),
]);

/**
 * Takes the flags of other builders out of the arguments of `build`: those that change nothing here are named in `ignored`, the rest is refused.
 * Also gives tsbuild's own toggles the form `--flag=true|false` that docker's have.
 *
 * @throws BuildError `unsupported` for a flag that would change the result, `usage` for a toggle with another value
 */
export function takeForeignFlags(given: readonly string[]): { readonly args: string[]; readonly ignored: string[] } {
  const args = withBareValues(given);
  const kept: string[] = [];
  const ignored = new Set<string>();
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? '';
    if (arg === '--') return { args: [...kept, ...args.slice(at)], ignored: [...ignored] };
    const { name, value } = splitFlag(arg);
    const foreign = name === undefined ? undefined : FLAGS.get(name);
    if (name === undefined || foreign === undefined) {
      kept.push(...ownFlag(arg, name, value));
      if (OWN_VALUES.has(arg) && at + 1 < args.length) kept.push(args[++at] ?? '');
      continue;
    }
    checkFate(name, foreign, value);
    ignored.add(`--${name}`);
    if (foreign.takesValue && value === undefined) at++;
  }
  return { args: kept, ignored: [...ignored] };
}

function splitFlag(arg: string): { name: string | undefined; value: string | undefined } {
  const [, name, value] = /^--([a-z][a-z0-9-]*)(?:=(.*))?$/s.exec(arg) ?? [];
  if (name !== undefined) return { name, value };
  const short = /^-([a-z])(.*)$/s.exec(arg);
  const long = SHORT[short?.[1] ?? ''];
  return { name: long, value: short?.[2] === '' || long === undefined ? undefined : short?.[2] };
}

function ownFlag(arg: string, name: string | undefined, value: string | undefined): string[] {
  if (name === undefined || value === undefined || !OWN_TOGGLES.has(name)) return [arg];
  return readToggle(name, value) ? [`--${name}`] : [];
}

function checkFate(name: string, flag: ForeignFlag, value: string | undefined): void {
  if (flag.fate === 'ignored') return;
  if (flag.fate === 'unless-off' && value !== undefined && parseBool(value) === false) return;
  throw new BuildError('unsupported', `not supported yet: --${name}`, flag.hint === undefined ? {} : { hint: flag.hint });
}

function readToggle(name: string, value: string): boolean {
  const on = parseBool(value);
  if (on === undefined) throw new BuildError('usage', `invalid --${name} ${JSON.stringify(redact(value))}: want true or false`);
  return on;
}

function hintOf(name: string): { hint?: string } {
  const hint = HINTS[name];
  return hint === undefined ? {} : { hint };
}
