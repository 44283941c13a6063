import { describe, expect, test } from 'vitest';
import { BuildError } from '../../src/base/errors.js';
import { checkSyntax } from '../../src/plan/syntax.js';

function check(text: string, buildArgs: Record<string, string> = {}): BuildError | undefined {
  try {
    checkSyntax(Buffer.from(text), { name: 'Dockerfile', buildArgs });
    return undefined;
  } catch (error) {
    if (error instanceof BuildError) return error;
    throw error;
  }
}

describe('# syntax', () => {
  test.each([
    'docker/dockerfile',
    'docker/dockerfile:1',
    'docker/dockerfile:1.7-labs',
    'docker.io/docker/dockerfile:1.26',
    'index.docker.io/docker/dockerfile:1',
    `docker/dockerfile:1@sha256:${'0'.repeat(64)}`,
    'docker/dockerfile-upstream:master-labs',
    'mirror.example:5000/hub/docker/dockerfile:1',
    'dockerfile.v0',
    'docker/dockerfile:1 and more words',
  ])('%s is read here', (syntax) => {
    expect(check(`# syntax=${syntax}\nFROM scratch\n`)).toBeUndefined();
    expect(check('FROM scratch', { BUILDKIT_SYNTAX: syntax })).toBeUndefined();
  });

  test.each([
    'example/dockerfile-plus',
    'example.com/team/frontend:1@sha256:' + '0'.repeat(64),
    'dockerfile',
    'docker/dockerfile2:1',
    'evildocker/dockerfile',
    'DOCKER/dockerfile',
    'docker/dockerfile:1:2',
    '$SYNTAX',
  ])('%s is another frontend', (syntax) => {
    const error = check(`#!/usr/bin/env build\n#  SyNtAx = ${syntax} x\nINCLUDE+ y\n`);
    expect(error).toMatchObject({
      kind: 'unsupported',
      message: `the file asks for the frontend "${syntax}"`,
      range: { startLine: 2 },
      hint: expect.stringMatching(/^tsbuild reads the language of docker\/dockerfile itself and runs no frontend images/),
    });
    expect(check('FROM scratch', { BUILDKIT_SYNTAX: syntax })).toMatchObject({
      kind: 'unsupported',
      message: `BUILDKIT_SYNTAX asks for the frontend "${syntax}"`,
    });
  });

  test('is what the build argument says, if it says anything', () => {
    expect(check('# syntax=example/other\n', { BUILDKIT_SYNTAX: 'docker/dockerfile:1' })).toBeUndefined();
    expect(check('# syntax=docker/dockerfile:1\n', { BUILDKIT_SYNTAX: 'example/other' })?.message).toContain('"example/other"');
    expect(check('# syntax=example/other\n', { BUILDKIT_SYNTAX: '' })?.message).toContain('"example/other"');
  });

  test.each([
    ['//syntax=example/other\nx', 1],
    ['#!/bin/x\n// check=skip=all\n//syntax=example/other', 3],
    ['{\n  "syntax": "example/other"\n}', 2],
    ['\uFEFF# syntax=example/other\r\n', 1],
    ['# check=skip=all\n# escape=`\n# syntax=example/other\n', 3],
  ])('is found in %j', (text, line) => {
    expect(check(text)).toMatchObject({ message: 'the file asks for the frontend "example/other"', range: { startLine: line } });
  });

  test.each([
    '',
    'FROM scratch\n# syntax=example/other',
    '# note\n# syntax=example/other',
    '\n# syntax=example/other',
    ' # syntax=example/other',
    '{"syntax": 1}',
    '{"syntax": "example/other"',
    '[]',
    'null',
    '{',
  ])('is not in %j', (text) => expect(check(text)).toBeUndefined());
});
