import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { BuildError } from '../../src/base/errors.js';
import { parseNodes } from '../../src/parse/nodes.js';
import { readSource } from '../../src/parse/source.js';
import { dumpNode } from './dump.js';

const CORPUS = fileURLToPath(new URL('../../../shared/corpora/buildkit/parser', import.meta.url));
const isThere = existsSync(CORPUS);
if (!isThere) console.warn(`SKIPPED: BuildKit's parser corpus is not at ${CORPUS}`);

function casesOf(folder: string): string[] {
  return isThere ? readdirSync(join(CORPUS, folder)) : [];
}

function read(...path: string[]): string {
  return readFileSync(join(CORPUS, ...path), 'utf8');
}

describe.skipIf(!isThere)("BuildKit's parser corpus", () => {
  it('is whole', () => {
    expect(casesOf('testfiles')).toHaveLength(33);
    expect(casesOf('testfiles-negative')).toHaveLength(4);
  });

  it.each(casesOf('testfiles'))('gives the tree of %s', (name) => {
    const { nodes } = parseNodes(readSource(read('testfiles', name, 'Dockerfile'), name));
    expect(nodes.map(({ node }) => dumpNode(node)).join('\n')).toBe(read('testfiles', name, 'result').trim());
  });

  it.each(casesOf('testfiles'))('gives the same tree of %s with CRLF and a BOM', (name) => {
    const text = `\uFEFF${read('testfiles', name, 'Dockerfile').replaceAll('\n', '\r\n')}`;
    const { nodes } = parseNodes(readSource(Buffer.from(text), name));
    expect(nodes.map(({ node }) => dumpNode(node)).join('\n')).toBe(read('testfiles', name, 'result').trim());
  });

  it.each(casesOf('testfiles-negative'))('refuses %s', (name) => {
    expect(() => parseNodes(readSource(read('testfiles-negative', name, 'Dockerfile'), name))).toThrow(BuildError);
  });

  it('gives the line ranges of testfile-line', () => {
    const { nodes } = parseNodes(readSource(read('testfile-line', 'Dockerfile'), 'Dockerfile'));
    expect(nodes.map(({ range }) => `${range.startLine}-${range.endLine}`)).toEqual(['5-5', '11-12', '17-31']);
  });
});
