import { describe, expect, it } from 'vitest';
import { formatReference } from '../src/oci/reference.js';
import type { OutputSpec, RegistryOutput } from '../src/output/output.js';
import { pushDestinations, withInsecureHosts } from '../src/push-destinations.js';

function registry(more: Partial<RegistryOutput> = {}): RegistryOutput {
  return { type: 'registry', names: [], annotations: {}, ...more };
}

function targetsOf(outputs: readonly OutputSpec[], names: readonly string[]): string[][] {
  return pushDestinations(outputs, names).map(({ targets }) => targets.map(formatReference));
}

describe('pushDestinations', () => {
  it.each<[string, readonly OutputSpec[], readonly string[], string[][]]>([
    ['nothing without a registry output', [{ type: 'image', names: ['a'] }], ['b'], []],
    [
      'the names of the build and of the output',
      [registry({ names: ['r.example/b:2'] })],
      ['a'],
      [['docker.io/library/a:latest', 'r.example/b:2']],
    ],
    ['each name once', [registry({ names: ['a:latest', 'a'] })], ['docker.io/library/a'], [['docker.io/library/a:latest']]],
    ['repositories alone when pushed by digest', [registry({ byDigest: true })], ['r.example/a:1', 'r.example/a:2'], [['r.example/a']]],
    [
      'one for each output',
      [registry(), registry({ names: ['b'] })],
      ['a'],
      [['docker.io/library/a:latest'], ['docker.io/library/a:latest', 'docker.io/library/b:latest']],
    ],
  ])('%s', (_, outputs, names, expected) => {
    expect(targetsOf(outputs, names)).toEqual(expected);
  });

  it.each<[string, RegistryOutput]>([
    ['the image has no name', registry()],
    ['a digest cannot be chosen', registry({ names: [`a@sha256:${'0'.repeat(64)}`] })],
  ])('refuses: %s', (message, output) => {
    expect(() => pushDestinations([output], [])).toThrow(
      expect.objectContaining({ kind: 'usage', message: expect.stringContaining(message) as string }),
    );
  });
});

describe('withInsecureHosts', () => {
  it('adds the hosts of insecure outputs alone', () => {
    const outputs = [
      registry({ names: ['one.example/a'] }),
      registry({ names: ['two.example:5000/b', 'three.example/c'], insecure: true }),
    ];
    const options = { insecureRegistries: ['given.example'], retries: 1 };
    expect(withInsecureHosts(options, pushDestinations(outputs, []))).toEqual({
      retries: 1,
      insecureRegistries: ['given.example', 'two.example:5000', 'three.example'],
    });
    expect(withInsecureHosts(options, pushDestinations([registry()], ['a']))).toBe(options);
  });
});
