import { goQuote } from '../base/go-quote.js';
import { didYouMean } from '../base/suggest.js';
import { KEYWORDS } from './arguments.js';
import { trimBlanks } from './blanks.js';
import { toCopy } from './copy.js';
import { Fault } from './fault.js';
import { parseFlags } from './flags.js';
import { toHealthcheck } from './healthcheck.js';
import { toHeredoc, type RawHeredoc } from './heredoc.js';
import type { ArgInstruction, Command, FieldsOf, Instruction, InstructionFields, NameValue } from './instruction.js';
import { checkMount } from './mount.js';
import type { InstructionNode, LocatedNode } from './nodes.js';

type Builder = (node: InstructionNode, keyword: string, heredocs: readonly RawHeredoc[]) => InstructionFields;

const BUILDERS: ReadonlyMap<string, Builder> = new Map<string, Builder>([
  ['ADD', (node, _, heredocs) => toCopy('ADD', node, heredocs)],
  ['ARG', toArg],
  ['CMD', (node) => ({ kind: 'cmd', command: toCommand(node) })],
  ['COPY', (node, _, heredocs) => toCopy('COPY', node, heredocs)],
  ['ENTRYPOINT', (node) => ({ kind: 'entrypoint', command: toCommand(node) })],
  ['ENV', (node) => ({ kind: 'env', ...toPairs(node, 'ENV') })],
  ['EXPOSE', toExpose],
  ['FROM', toFrom],
  ['HEALTHCHECK', toHealthcheck],
  ['LABEL', (node) => ({ kind: 'label', ...toPairs(node, 'LABEL') })],
  ['MAINTAINER', (node) => ({ kind: 'maintainer', value: toValue(node, 'MAINTAINER') })],
  ['RUN', toRun],
  ['SHELL', toShell],
  ['STOPSIGNAL', (node) => ({ kind: 'stopsignal', value: onlyArgument(node, 'STOPSIGNAL') })],
  ['USER', (node) => ({ kind: 'user', value: toValue(node, 'USER') })],
  ['VOLUME', toVolume],
  ['WORKDIR', (node) => ({ kind: 'workdir', value: toValue(node, 'WORKDIR') })],
]);

const RUN_FLAGS = { mount: 'list', network: 'string', security: 'string', device: 'list' } as const;
const NETWORKS = new Set(['default', 'none', 'host']);
const SECURITY_MODES = new Set(['sandbox', 'insecure']);
const STAGE_NAME = /^[a-z][a-z0-9\-_.]*$/;

/**
 * Tells an instruction's forms apart and checks what can be checked without its neighbours.
 * @throws Fault with BuildKit's texts
 */
export function toInstruction(located: LocatedNode): Instruction {
  const { node, range, comments, emptyLines } = located;
  const common = { keyword: node.keyword.toUpperCase(), text: trimBlanks(located.line), range, comments, emptyLines };
  return { ...common, ...toFields(node, located) };
}

function toFields(node: InstructionNode, whole: LocatedNode): InstructionFields {
  const keyword = node.keyword.toUpperCase();
  if (keyword === 'ONBUILD') return toOnbuild(node, whole);
  const build = BUILDERS.get(keyword);
  if (build !== undefined) return build(node, keyword, whole.heredocs);
  const candidates = node.keyword === keyword ? KEYWORDS.map((name) => name.toUpperCase()) : KEYWORDS;
  throw new Fault(`unknown instruction: ${node.keyword}${didYouMean(node.keyword, candidates)}`, { word: node.keyword });
}

function toFrom({ args, flags }: InstructionNode): FieldsOf<'from'> {
  const [image, as, name] = args;
  const named = args.length === 3 && as?.toLowerCase() === 'as';
  if (image === undefined || (args.length !== 1 && !named)) throw new Fault('FROM requires either one or three arguments');
  if (named && name !== undefined && !STAGE_NAME.test(name.toLowerCase())) {
    const message = `invalid name for build stage: ${goQuote(name)}, name can't start with a number or contain symbols`;
    throw new Fault(message, { word: name });
  }
  const platform = parseFlags(flags, { platform: 'string' }).field('platform', 'platform');
  return { kind: 'from', image, ...platform, ...(name === undefined ? {} : { name: name.toLowerCase() }) };
}

/** ARG never looks at flags: words with `--` in front are dropped. */
function toArg({ args }: InstructionNode): FieldsOf<'arg'> {
  needArgument(args, 'ARG');
  return { kind: 'arg', args: args.map(toArgument) };
}

function toArgument(word: string): ArgInstruction['args'][number] {
  const equals = word.indexOf('=');
  if (equals === 0) throw new Fault('ARG names can not be blank', { word });
  return equals === -1 ? { name: word } : { name: word.slice(0, equals), value: word.slice(equals + 1) };
}

function toPairs({ args, flags }: InstructionNode, keyword: string): { pairs: NameValue[]; legacy: boolean } {
  parseFlags(flags);
  needArgument(args, keyword);
  const pairs: NameValue[] = [];
  for (let at = 0; at < args.length; at += 3) {
    const name = args[at] ?? '';
    if (name === '') throw new Fault(`${keyword} names can not be blank`);
    pairs.push({ name, value: args[at + 1] ?? '' });
  }
  return { pairs, legacy: args[2] === '' };
}

function toRun(node: InstructionNode, _: string, heredocs: readonly RawHeredoc[]): FieldsOf<'run'> {
  const flags = parseFlags(node.flags, RUN_FLAGS);
  const network = flags.raw('network');
  const security = flags.raw('security');
  if (network !== undefined && !NETWORKS.has(network)) throw new Fault(`invalid network mode ${goQuote(network)}`, { word: '--network' });
  if (security !== undefined && !SECURITY_MODES.has(security)) {
    throw new Fault(`security ${goQuote(security)} is not valid`, { word: '--security' });
  }
  if (node.json && node.args.length === 0) throw new Fault('arguments are required');
  for (const mount of flags.list('mount')) checkMount(mount);
  return {
    kind: 'run',
    command: toCommandForm(node),
    heredocs: heredocs.map(toHeredoc),
    mounts: flags.list('mount'),
    devices: flags.list('device'),
    ...(network === undefined ? {} : { network }),
    ...(security === undefined ? {} : { security }),
  };
}

function toCommand(node: InstructionNode): Command {
  parseFlags(node.flags);
  return toCommandForm(node);
}

function toCommandForm({ json, args, rest }: InstructionNode): Command {
  return json ? { form: 'exec', args } : { form: 'shell', text: rest };
}

function toShell({ args, flags, json }: InstructionNode): FieldsOf<'shell'> {
  parseFlags(flags);
  needArgument(args, 'SHELL');
  if (!json) throw new Fault('SHELL requires the arguments to be in JSON form');
  return { kind: 'shell', shell: args };
}

/** Sorted, as BuildKit sorts them before they are expanded: the history shows that order. */
function toExpose({ args, flags }: InstructionNode): FieldsOf<'expose'> {
  needArgument(args, 'EXPOSE');
  parseFlags(flags);
  return { kind: 'expose', ports: args.toSorted((a, b) => (a < b ? -1 : Number(a > b))) };
}

function toVolume({ args, flags }: InstructionNode): FieldsOf<'volume'> {
  needArgument(args, 'VOLUME');
  parseFlags(flags);
  const paths = args.map(trimBlanks);
  if (paths.includes('')) throw new Fault('VOLUME specified can not be an empty string');
  return { kind: 'volume', paths };
}

function toValue(node: InstructionNode, keyword: string): string {
  const value = onlyArgument(node, keyword);
  parseFlags(node.flags);
  return value;
}

function onlyArgument({ args }: InstructionNode, keyword: string): string {
  const [value] = args;
  if (value === undefined) throw new Fault(`${keyword} requires exactly one argument`);
  return value;
}

function needArgument(args: readonly string[], keyword: string): void {
  if (args.length === 0) throw new Fault(`${keyword} requires at least one argument`);
}

/** The trigger is kept as text, but an error in it is told now and not to whoever builds from the image. */
function toOnbuild({ child, flags }: InstructionNode, whole: LocatedNode): FieldsOf<'onbuild'> {
  if (child === undefined) throw new Fault('ONBUILD requires at least one argument');
  parseFlags(flags);
  const keyword = child.keyword.toUpperCase();
  if (keyword === 'ONBUILD') throw new Fault("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  if (keyword === 'FROM' || keyword === 'MAINTAINER')
    throw new Fault(`${keyword} isn't allowed as an ONBUILD trigger`, { word: child.keyword });
  toFields(child, whole);
  const head = whole.line.replace(/^\s*ONBUILD\s*/i, '');
  return { kind: 'onbuild', trigger: [head, ...whole.heredocs.map(({ rawBody, name }) => rawBody + name)].join('\n') };
}
