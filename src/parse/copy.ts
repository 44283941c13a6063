import { Fault } from './fault.js';
import { type FlagKind, parseFlags } from './flags.js';
import { parseHeredocWord, toHeredoc, type RawHeredoc } from './heredoc.js';
import type { FieldsOf, Heredoc } from './instruction.js';
import type { InstructionNode } from './nodes.js';

const COMMON_FLAGS = { chown: 'string', chmod: 'string', link: 'boolean', exclude: 'list' } as const;

const FLAGS: Readonly<Record<'COPY' | 'ADD', Readonly<Record<string, FlagKind>>>> = {
  COPY: { ...COMMON_FLAGS, from: 'string', parents: 'boolean' },
  ADD: { ...COMMON_FLAGS, checksum: 'string', 'keep-git-dir': 'boolean', unpack: 'boolean' },
};

/** @throws Fault */
export function toCopy(op: 'COPY' | 'ADD', node: InstructionNode, heredocs: readonly RawHeredoc[]): FieldsOf<'copy'> {
  const dest = node.args.at(-1);
  if (dest === undefined || node.args.length < 2) {
    throw new Fault(`${op} requires at least two arguments, but only one was provided. Destination could not be determined`);
  }
  const flags = parseFlags(node.flags, FLAGS[op]);
  if (!node.json && parseHeredocWord(dest) !== undefined) throw new Fault(`${op} cannot accept a heredoc as a destination`, { word: dest });
  return {
    kind: 'copy',
    op,
    ...splitSources(node, heredocs),
    dest,
    link: flags.isTrue('link'),
    parents: flags.isTrue('parents'),
    exclude: flags.list('exclude'),
    ...flags.field('from', 'from'),
    ...flags.field('chown', 'chown'),
    ...flags.field('chmod', 'chmod'),
    ...flags.field('checksum', 'checksum'),
    ...flags.booleanField('keep-git-dir', 'keepGitDir'),
    ...flags.booleanField('unpack', 'unpack'),
  };
}

/** Words that announce a heredoc are files of its content, in the order of the words; of bodies under one name the last counts. */
function splitSources(node: InstructionNode, heredocs: readonly RawHeredoc[]): { sources: string[]; heredocs: Heredoc[] } {
  const bodies = new Map(heredocs.map(({ name, rawBody }) => [name, rawBody]));
  const sources: string[] = [];
  const files: Heredoc[] = [];
  for (const word of node.args.slice(0, -1)) {
    const token = node.json ? undefined : parseHeredocWord(word);
    if (token === undefined) sources.push(word);
    else files.push(toHeredoc({ ...token, rawBody: bodies.get(token.name) ?? '' }));
  }
  return { sources, heredocs: files };
}
