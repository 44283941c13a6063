import { goQuote } from '../../src/base/go-quote.js';
import type { InstructionNode } from '../../src/parse/nodes.js';

/** The S-expression that BuildKit's corpus has for an instruction. */
export function dumpNode(node: InstructionNode): string {
  const flags = node.flags.length === 0 ? [] : [`[${node.flags.map(goQuote).join(' ')}]`];
  const child = node.child === undefined ? [] : [dumpNode(node.child)];
  return `(${[node.keyword.toLowerCase(), ...flags, ...child, ...node.args.map(goQuote)].join(' ')})`;
}
