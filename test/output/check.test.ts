import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkOutputs } from '../../src/output/check.js';
import type { OutputSpec } from '../../src/output/output.js';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'tsbuild-check-'));
  writeFileSync(join(dir, 'file'), '');
  mkdirSync(join(dir, 'empty'));
  mkdirSync(join(dir, 'full'));
  writeFileSync(join(dir, 'full/x'), '');
  mkdirSync(join(dir, 'layout'));
  writeFileSync(join(dir, 'layout/oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
});
afterAll(() => rmSync(dir, { recursive: true }));

function layout(dest: string): OutputSpec {
  return { type: 'oci', dest: join(dir, dest), tar: false, names: [], annotations: {} };
}
function archive(dest: string): OutputSpec {
  return { type: 'docker', dest: join(dir, dest), names: [] };
}
function local(dest: string): OutputSpec {
  return { type: 'local', dest: join(dir, dest) };
}

describe('checkOutputs', () => {
  it.each<[string, () => OutputSpec[]]>([
    ['nothing', () => []],
    ['the store', () => [{ type: 'image', names: [] }]],
    ['a layout in a new directory', () => [layout('new/deep')]],
    ['a layout in an empty directory', () => [layout('empty')]],
    ['a layout in a layout', () => [layout('layout')]],
    ['an archive over a file', () => [archive('file')]],
    ['an archive in a new directory', () => [archive('new/a.tar')]],
    ['an archive to a device', () => [{ type: 'tar', dest: '/dev/null' }]],
    ['files into a full directory', () => [local('full')]],
    ['an archive to standard output that is no terminal', () => [{ type: 'tar', dest: '-' }]],
  ])('takes %s', (_, specs) => {
    expect(() => checkOutputs(specs())).not.toThrow();
  });

  it.each<[string, () => OutputSpec[], string]>([
    ['a layout in a full directory', () => [layout('full')], 'neither empty nor an OCI layout'],
    ['a layout over a file', () => [layout('file')], 'is a file, want a directory'],
    ['an archive over a directory', () => [archive('empty')], 'is a directory, want a file'],
    ['files over a file', () => [local('file')], 'is a file, want a directory'],
    ['anything below a file', () => [archive('file/x.tar')], 'cannot be written'],
    ['two outputs to one place', () => [layout('empty'), local('./empty')], 'two outputs go to'],
    [
      'two outputs to standard output',
      () => [
        { type: 'tar', dest: '-' },
        { type: 'docker', dest: '-', names: [] },
      ],
      'two outputs',
    ],
  ])('refuses %s', (_, specs, reason) => {
    expect(() => checkOutputs(specs())).toThrow(
      expect.objectContaining({ kind: 'usage', message: expect.stringContaining(reason) as string }),
    );
  });
});
