import { parseBool, splitCsv } from '../base/csv.js';
import { BuildError } from '../base/errors.js';
import { didYouMean } from '../base/suggest.js';
import { isTag, parseReference } from '../oci/reference.js';
import { parseCompression, parseCompressionLevel } from './compression.js';
import type { OciOutput, OutputSpec } from './output.js';

/** The values of one `-o`, by key; keys that may come several times keep all their values. */
type Values = ReadonlyMap<string, readonly string[]>;

const TREE_KEYS = ['dest', 'platform-split', 'source-date-epoch'];
const IMAGE_KEYS = [
  'name',
  'compression',
  'compression-level',
  'force-compression',
  'oci-mediatypes',
  'rewrite-timestamp',
  'source-date-epoch',
];
const PUSH_KEYS = ['push-by-digest', 'registry.insecure', 'name-canonical'];
const KEYS: Readonly<Record<OutputSpec['type'], readonly string[]>> = {
  oci: ['dest', 'tar', ...IMAGE_KEYS],
  docker: ['dest', ...IMAGE_KEYS],
  image: ['push', 'store', 'unpack', ...PUSH_KEYS, ...IMAGE_KEYS],
  registry: ['push', 'store', 'unpack', ...PUSH_KEYS, ...IMAGE_KEYS],
  local: ['mode', ...TREE_KEYS],
  tar: TREE_KEYS,
};
/** The word behind `type=`, and the outputs that it makes. */
interface Types {
  readonly type: OutputSpec['type'];
  readonly types: readonly OutputSpec['type'][];
}

const TYPES = Object.keys(KEYS) as OutputSpec['type'][];

const REPEATABLE = new Set(['name']);
const UNSUPPORTED_TYPES = new Map([['cacheonly', 'leave out --output: the image then goes to the local store']]);
const UNSUPPORTED_KEYS = ['attestation-inline', 'context', 'dangling-name-prefix', 'oci-artifact', 'prefer-nondist-layers'];
/** Keys whose one value is the only way that tsbuild works; the other is refused. */
const FIXED: Readonly<Record<string, boolean>> = {
  'force-compression': false,
};

const ANNOTATION = /^annotation(?:-(manifest|index|manifest-descriptor|index-descriptor))?(?:\[([^\]]*)\])?\.(.+)$/;

/**
 * The value of `-o`, in buildx's grammar: comma-separated `key=value`; a path alone is `type=local`, `-` alone is a tar on standard output.
 *
 * @returns one output, or two: `type=image,push=true` is for the store and for the registry
 * @throws BuildError `usage`, or `unsupported` for what buildx has and tsbuild has not
 */
export function parseOutputs(text: string): readonly OutputSpec[] {
  if (text === '') throw usage(text, 'it is empty');
  const fields = splitCsv(text);
  if (fields === undefined) throw usage(text, 'a double quote is not closed, or is inside of a bare field');
  if (fields.length === 1 && !text.includes('=')) {
    return text === '-' ? [{ type: 'tar', dest: '-' }] : [{ type: 'local', dest: fields[0] ?? text }];
  }
  const values = toValues(text, fields);
  const type = parseType(text, one(values, 'type'));
  const types = type === 'image' || type === 'registry' ? imageTypes(text, type, values) : [type];
  checkKeys(text, { type, types }, values);
  return types.map((each) => toOutput(text, each, values));
}

/** Where an image goes: to the store unless `store=false`, to the registry with `push=true`, which is what `type=registry` is short for. */
function imageTypes(text: string, type: 'image' | 'registry', values: Values): readonly OutputSpec['type'][] {
  const isPushed = flag(text, values, 'push') ?? type === 'registry';
  const isStored = flag(text, values, 'store') ?? type === 'image';
  if (type === 'registry' && !isPushed) throw usage(text, 'type=registry pushes', 'write type=image');
  if (!isStored && !isPushed) throw new BuildError('unsupported', 'output option store=false is not supported yet without push=true');
  return [...(isStored ? ['image' as const] : []), ...(isPushed ? ['registry' as const] : [])];
}

function toOutput(text: string, type: OutputSpec['type'], values: Values): OutputSpec {
  switch (type) {
    case 'oci':
      return toOci(text, values);
    case 'docker':
      return toDocker(text, values);
    case 'image':
      if (!(ociMediaTypes(text, values) ?? true)) throw new BuildError('unsupported', 'the store holds images with OCI media types only');
      return { type, ...toImageOutput(text, values) };
    case 'registry':
      return toRegistry(text, values);
    case 'local':
      return toLocal(text, values);
    default:
      return { type, dest: one(values, 'dest') ?? '-', ...toTreeOutput(text, values) };
  }
}

/** The value of `--oci-layout`: a directory, and after the last colon a tag. */
export function parseOciLayout(text: string): OciOutput {
  const colon = text.lastIndexOf(':');
  const tag = text.slice(colon + 1);
  const hasTag = colon > 0 && !tag.includes('/');
  if (text === '' || text === '-') throw new BuildError('usage', `invalid --oci-layout ${JSON.stringify(text)}: want a directory`);
  if (hasTag && !isTag(tag))
    throw new BuildError('usage', `invalid --oci-layout ${JSON.stringify(text)}: ${JSON.stringify(tag)} is no tag`);
  const dest = hasTag ? text.slice(0, colon) : text;
  return { type: 'oci', dest, tar: false, names: [], annotations: {}, ...(hasTag ? { tag } : {}) };
}

function toValues(text: string, fields: readonly string[]): Values {
  const values = new Map<string, string[]>();
  for (const field of fields) {
    const equals = field.indexOf('=');
    if (equals < 1) throw usage(text, `${JSON.stringify(field)} is not key=value`);
    const name = field.slice(0, equals).trim();
    const key = ANNOTATION.test(name) ? name : name.toLowerCase();
    const earlier = values.get(key);
    if (earlier !== undefined && !REPEATABLE.has(key)) throw usage(text, `${key} is given twice`);
    values.set(key, [...(earlier ?? []), field.slice(equals + 1)]);
  }
  return values;
}

function parseType(text: string, type: string | undefined): OutputSpec['type'] {
  if (type === undefined) throw usage(text, 'type= is missing', `write type=${TYPES.join('|')}`);
  const hint = UNSUPPORTED_TYPES.get(type);
  if (hint !== undefined) throw new BuildError('unsupported', `output type ${type} is not supported yet`, { hint });
  const found = TYPES.find((known) => known === type);
  if (found === undefined)
    throw usage(text, `unknown type ${JSON.stringify(type)}${didYouMean(type, TYPES)}`, `types are ${TYPES.join(', ')}`);
  return found;
}

function checkKeys(text: string, { type, types }: Types, values: Values): void {
  const known = ['type', ...KEYS[type]];
  for (const [key, given] of values) {
    if (known.includes(key)) checkFixed(text, key, given[0] ?? '');
    else if (ANNOTATION.test(key)) checkAnnotation(text, types, key);
    else if (UNSUPPORTED_KEYS.includes(key)) throw new BuildError('unsupported', `output option ${key} is not supported yet`);
    else
      throw usage(
        text,
        `unknown option ${JSON.stringify(key)} of type=${type}${didYouMean(key, known)}`,
        `options are ${known.join(', ')}`,
      );
  }
}

function checkFixed(text: string, key: string, value: string): void {
  const fixed = FIXED[key];
  if (fixed === undefined) return;
  if (bool(text, key, value) !== fixed) throw new BuildError('unsupported', `output option ${key}=${value} is not supported yet`);
}

function checkAnnotation(text: string, types: Types['types'], key: string): void {
  const [type] = types;
  if (type === 'local' || type === 'tar') throw usage(text, `type=${type} has no manifest to annotate`);
  const [, level, platform] = ANNOTATION.exec(key) ?? [];
  const hasAll = types.every((each) => each === 'oci' || each === 'registry');
  if ((level ?? 'manifest') === 'manifest' && platform === undefined && hasAll) return;
  throw new BuildError('unsupported', `output option ${key} is not supported yet`, {
    hint: 'use --annotation, or annotation.KEY=VALUE of type=oci or type=registry',
  });
}

function toOci(text: string, values: Values): OciOutput {
  const tarText = one(values, 'tar');
  const tar = tarText === undefined ? true : bool(text, 'tar', tarText);
  if (!(ociMediaTypes(text, values) ?? true)) throw usage(text, 'type=oci has OCI media types', 'use type=docker');
  const dest = one(values, 'dest') ?? (tar ? '-' : undefined);
  if (dest === undefined || dest === '') throw usage(text, 'dest= is missing: tar=false writes a directory');
  if (dest === '-' && !tar) throw usage(text, 'a directory cannot go to standard output', 'leave out tar=false');
  return { type: 'oci', dest, tar, annotations: annotationsOf(values), ...toImageOutput(text, values) };
}

function toDocker(text: string, values: Values): OutputSpec {
  const dest = one(values, 'dest');
  if (dest === undefined || dest === '') {
    throw usage(
      text,
      'dest= is missing: there is no docker daemon to load into',
      'write type=docker,dest=image.tar, or dest=- and pipe it to docker load',
    );
  }
  const oci = ociMediaTypes(text, values);
  return { type: 'docker', dest, ...toImageOutput(text, values), ...(oci === undefined ? {} : { ociMediaTypes: oci }) };
}

function toRegistry(text: string, values: Values): OutputSpec {
  flag(text, values, 'name-canonical');
  return {
    type: 'registry',
    annotations: annotationsOf(values),
    ...toImageOutput(text, values),
    ...(flag(text, values, 'push-by-digest') === true ? { byDigest: true } : {}),
    ...(flag(text, values, 'registry.insecure') === true ? { insecure: true } : {}),
    ...(ociMediaTypes(text, values) === false ? { dockerMediaTypes: true } : {}),
  };
}

function toLocal(text: string, values: Values): OutputSpec {
  const dest = one(values, 'dest');
  if (dest === undefined || dest === '') throw usage(text, 'dest= is missing', 'write type=local,dest=DIRECTORY');
  if (dest === '-') throw usage(text, 'files cannot go to standard output', 'use type=tar');
  const mode = one(values, 'mode') ?? 'copy';
  if (mode === 'delete') throw new BuildError('unsupported', 'output option mode=delete is not supported yet');
  if (mode !== 'copy') throw usage(text, `unknown mode ${JSON.stringify(mode)}: want copy`);
  return { type: 'local', dest, ...toTreeOutput(text, values) };
}

function toTreeOutput(text: string, values: Values) {
  const split = one(values, 'platform-split');
  return { ...toEpoch(text, values), ...(split === undefined ? {} : { platformSplit: bool(text, 'platform-split', split) }) };
}

/** Nothing behind `source-date-epoch=` is a build without one. */
function toEpoch(text: string, values: Values): { epochSeconds?: number | 'none' } {
  const value = one(values, 'source-date-epoch');
  if (value === undefined) return {};
  if (value === '') return { epochSeconds: 'none' };
  const seconds = Number(value);
  if (/^[-+]?\d+$/.test(value) && Number.isSafeInteger(seconds)) return { epochSeconds: seconds };
  throw usage(text, `source-date-epoch=${value}: want whole seconds since 1970`);
}

function toImageOutput(text: string, values: Values) {
  const compression = parseCompression(one(values, 'compression'));
  const level = parseCompressionLevel(one(values, 'compression-level'), compression);
  const names = (values.get('name') ?? []).flatMap((value) => value.split(',')).filter((name) => name !== '');
  for (const name of names) parseReference(name);
  const rewrite = one(values, 'rewrite-timestamp');
  for (const key of ['unpack', 'oci-mediatypes']) bool(text, key, one(values, key) ?? 'false');
  return {
    names,
    ...toEpoch(text, values),
    ...(rewrite === undefined ? {} : { rewriteTimestamp: bool(text, 'rewrite-timestamp', rewrite) }),
    ...(compression === undefined ? {} : { compression }),
    ...(level === undefined ? {} : { compressionLevel: level }),
  };
}

function ociMediaTypes(text: string, values: Values): boolean | undefined {
  return flag(text, values, 'oci-mediatypes');
}

function flag(text: string, values: Values, key: string): boolean | undefined {
  const value = one(values, key);
  return value === undefined ? undefined : bool(text, key, value);
}

function annotationsOf(values: Values): Record<string, string> {
  return Object.fromEntries(
    [...values].flatMap(([key, given]) => {
      const name = ANNOTATION.exec(key)?.[3];
      return name === undefined ? [] : [[name, given[0] ?? '']];
    }),
  );
}

function bool(text: string, key: string, value: string): boolean {
  const parsed = parseBool(value);
  if (parsed === undefined) throw usage(text, `${key}=${value}: want true or false`);
  return parsed;
}

function one(values: Values, key: string): string | undefined {
  return values.get(key)?.[0];
}

function usage(text: string, reason: string, hint?: string): BuildError {
  return new BuildError('usage', `invalid --output ${JSON.stringify(text)}: ${reason}`, hint === undefined ? {} : { hint });
}
