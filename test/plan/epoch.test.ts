import { describe, expect, test } from 'vitest';
import { envOf, planError, plan, tryPlan, type PlanOptions } from './helpers.js';

const epoch = (value: string): PlanOptions => ({ buildArgs: { SOURCE_DATE_EPOCH: value } });
const URL = 'https://host/file.tar.gz';

describe('SOURCE_DATE_EPOCH that names what has a time', () => {
  test.each<[string, string, PlanOptions, unknown]>([
    ['the context', 'FROM scratch', epoch('context'), { kind: 'context' }],
    ['a named context', 'FROM scratch', { ...epoch('src'), directories: ['src'] }, { kind: 'named-context', name: 'src' }],
    ['a context for images', 'FROM scratch', { ...epoch('img'), imageContexts: ['img'] }, { kind: 'named-context', name: 'img' }],
    ['a named context before a stage', 'FROM x AS src', { ...epoch('src'), directories: ['src'] }, { kind: 'named-context' }],
    [
      'a stage with a URL',
      `FROM scratch AS src\nADD ${URL} /\nFROM scratch`,
      epoch('SRC'),
      { kind: 'remote', remote: { kind: 'http', url: URL } },
    ],
    [
      'a stage with a git ref',
      'FROM scratch AS src\nADD https://host/x.git#v1 /\nFROM scratch',
      epoch('src'),
      { kind: 'remote', remote: { kind: 'git', remote: { url: 'https://host/x.git', ref: 'v1' } } },
    ],
    [
      'a stage with arguments',
      `ARG HOST=host\nARG BASE=scratch\nFROM $BASE AS src\nARG V=1 W=$V\nADD https://$HOST/$W-\${X:-none} /\nFROM scratch`,
      { buildArgs: { SOURCE_DATE_EPOCH: 'src', V: '2' } },
      { kind: 'remote', remote: { kind: 'http', url: 'https://host/2-none' } },
    ],
  ])('asks for that of %s', (_, text, options, source) => {
    expect(tryPlan(text, options)).toMatchObject({ kind: 'needs-epoch', request: { source } });
  });

  test('says where an ARG names it', () => {
    expect(tryPlan('ARG SOURCE_DATE_EPOCH=context\nFROM scratch')).toEqual({
      kind: 'needs-epoch',
      request: { value: 'context', source: { kind: 'context' }, range: expect.objectContaining({ startLine: 1 }) as unknown },
    });
  });

  test('is that time, for RUN too', () => {
    const known = { ...epoch('context'), epochs: new Map([['context', 77]]) };
    expect(plan('FROM scratch', known).sourceDateEpoch).toBe(77);
    expect(envOf('FROM scratch\nARG SOURCE_DATE_EPOCH\nRUN x', known)).toEqual(['SOURCE_DATE_EPOCH=77']);
    expect(envOf('ARG SOURCE_DATE_EPOCH=context\nFROM scratch\nARG SOURCE_DATE_EPOCH\nRUN x', { epochs: known.epochs })).toEqual([
      'SOURCE_DATE_EPOCH=77',
    ]);
  });

  test('is unset when it has none', () => {
    const none = { ...epoch('context'), epochs: new Map([['context', undefined]]) };
    expect(plan('FROM scratch', none).sourceDateEpoch).toBeUndefined();
    expect(envOf('FROM scratch\nARG SOURCE_DATE_EPOCH\nRUN x', none)).toEqual([]);
  });

  test.each([
    ['FROM base AS src\nADD https://h/x /', 'SOURCE_DATE_EPOCH stage must use FROM scratch'],
    ['FROM scratch AS src', 'SOURCE_DATE_EPOCH stage must contain exactly one remote ADD'],
    ['FROM scratch AS src\nADD https://h/x /\nADD https://h/y /', 'SOURCE_DATE_EPOCH stage must contain exactly one remote ADD'],
    ['FROM scratch AS src\nADD https://h/x https://h/y /', 'SOURCE_DATE_EPOCH stage must contain exactly one remote ADD source'],
    ['FROM scratch AS src\nADD <<A /x\nA', 'SOURCE_DATE_EPOCH stage must contain exactly one remote ADD source'],
    ['FROM scratch AS src\nADD x /', 'SOURCE_DATE_EPOCH stage source must be a single HTTP(S) or Git ADD'],
    ['FROM scratch AS src\nRUN x', 'SOURCE_DATE_EPOCH stage does not meet source-only requirements: unsupported RUN instruction'],
    ['FROM scratch AS src\nCOPY x /', 'SOURCE_DATE_EPOCH stage does not meet source-only requirements: unsupported COPY instruction'],
  ])('cannot name the stage %j', (text, message) => {
    expect(planError(`${text}\nFROM scratch`, epoch('src'))).toMatchObject({ kind: 'dockerfile', message, range: { startLine: 1 } });
  });

  test('cannot name what is not there', () => {
    expect(planError('FROM scratch', epoch('other'))).toMatchObject({ kind: 'usage', message: 'invalid SOURCE_DATE_EPOCH: other' });
  });
});
