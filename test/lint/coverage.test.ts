import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { RULES } from '../../src/lint/rules.js';
import { RULE_NAMES } from './helpers.js';

test('every rule has its cases', () => {
  const here = new URL('.', import.meta.url);
  const texts = readdirSync(here).map((name) => readFileSync(new URL(name, here), 'utf8'));
  const covered = new Set(texts.flatMap((text) => [...text.matchAll(/^check\('(\w+)'/gm)].map(([, name]) => name)));
  expect(covered).toEqual(new Set(RULE_NAMES));
  expect(covered).toEqual(new Set(Object.values(RULES).map(({ name }) => name)));
  expect(covered.size).toBe(22);
});
