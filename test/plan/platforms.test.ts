import { describe, expect, test } from 'vitest';
import type { Platform } from '../../src/oci/types.js';
import { envOf, fromImage, HOST, image, plan, planTarget, tryPlan, type PlanOptions } from './helpers.js';

const ARM64: Platform = { os: 'linux', architecture: 'arm64' };
const ARM: Platform = { os: 'linux', architecture: 'arm', variant: 'v6' };
const CROSS: PlanOptions = { platform: ARM };

describe('the arguments of platforms', () => {
  test('53: tell the machine from the image', () => {
    const names = ['PLATFORM', 'OS', 'ARCH', 'VARIANT', 'OSVERSION'];
    const lines = names.flatMap((name) => [`ARG BUILD${name}`, `ARG TARGET${name}`]);
    expect(envOf(`FROM scratch\n${lines.join('\n')}\nRUN x`, CROSS)).toEqual([
      'BUILDPLATFORM=linux/amd64',
      'TARGETPLATFORM=linux/arm/v6',
      'BUILDOS=linux',
      'TARGETOS=linux',
      'BUILDARCH=amd64',
      'TARGETARCH=arm',
      'BUILDVARIANT=',
      'TARGETVARIANT=v6',
      'BUILDOSVERSION=',
      'TARGETOSVERSION=',
    ]);
  });

  test('53: need no declaration in FROM', () => {
    const requests = tryPlan('FROM --platform=$BUILDPLATFORM tools-$TARGETARCH AS a\nFROM base:$BUILDARCH\nCOPY --from=a x y', CROSS);
    expect(requests).toMatchObject({
      bases: [
        { name: 'base:amd64', platform: ARM },
        { name: 'tools-arm', platform: HOST },
      ],
    });
  });

  test('given as build arguments change the text alone', () => {
    const made = plan('FROM scratch\nARG TARGETARCH\nRUN x', { ...CROSS, buildArgs: { TARGETARCH: 'other' } });
    expect(made.targets).toEqual([{ platform: ARM, stage: 0 }]);
  });
});

describe('images', () => {
  test('of one name for two platforms are two', () => {
    const text = 'FROM --platform=$BUILDPLATFORM app AS a\nFROM app\nCOPY --from=a x y\nCOPY --from=app x y\nCOPY --from=other x y';
    expect(tryPlan(text, CROSS)).toMatchObject({
      bases: expect.toSatisfy(
        (bases: { key: string }[]) =>
          bases
            .map(({ key }) => key)
            .toSorted()
            .join() === 'app linux/amd64,app linux/arm/v6,other linux/arm/v6',
      ) as unknown,
    });
    const configs = { 'app linux/amd64': image({ User: 'builder' }), 'app linux/arm/v6': image({ User: 'runner' }, ARM), other: image({}) };
    const [first, last] = plan(text, { ...CROSS, bases: configs }).stages;
    expect(first).toMatchObject({ platform: HOST, config: { User: 'builder' }, base: fromImage('app', HOST) });
    expect(last).toMatchObject({ platform: ARM, config: { User: 'runner' }, base: fromImage('app', ARM) });
    expect(last?.steps[1]).toMatchObject({ from: fromImage('app', ARM) });
  });

  test('of --build-context NAME::PLATFORM go first, for that platform', () => {
    const options: PlanOptions = {
      platform: ARM64,
      imageContexts: ['alpine', 'docker.io/library/alpine::linux/arm64'],
      directories: ['src::linux/arm64'],
    };
    const text = 'FROM --platform=$BUILDPLATFORM alpine AS a\nCOPY --from=src x y\nFROM alpine:latest\nCOPY --from=a x y';
    expect(tryPlan(text, options)).toMatchObject({
      bases: [
        { name: 'docker.io/library/alpine::linux/arm64', platform: ARM64 },
        { name: 'alpine', platform: HOST },
      ],
    });
    expect(planTarget('FROM scratch\nCOPY --from=src x y', options).steps[0]).toMatchObject({
      from: { kind: 'context', name: 'src::linux/arm64' },
    });
    expect(tryPlan('FROM scratch\nCOPY --from=src x y', { ...options, platform: HOST })).toMatchObject({ bases: [{ name: 'src' }] });
  });
});

describe('what the image says that it is for', () => {
  const platformOf = (text: string, options: PlanOptions): Platform | undefined => plan(text, options).targets[0].platform;

  test('71: from scratch, the platform that was asked for', () => {
    expect(platformOf('FROM scratch', CROSS)).toEqual(ARM);
    expect(platformOf('FROM --platform=linux/s390x scratch', CROSS)).toEqual(ARM);
    expect(platformOf('FROM scratch', {})).toEqual(HOST);
    expect(platformOf('FROM --platform=linux/s390x scratch AS a\nFROM a', {})).toEqual(HOST);
  });

  test('not what its programs are for: that is for FROM to say', () => {
    const stage = planTarget('FROM --platform=$BUILDPLATFORM scratch AS a\nFROM a', CROSS);
    expect(stage.platform).toEqual(HOST);
  });

  test('82: the platform of FROM, whatever the base says', () => {
    const made = plan('FROM --platform=linux/arm64 base', { bases: { 'base linux/arm64': image({}) } });
    expect(made.targets[0].platform).toEqual(ARM64);
  });

  test('the platform that was asked for, whatever base and FROM say', () => {
    expect(platformOf('FROM --platform=$BUILDPLATFORM base', { platform: ARM64, bases: { base: image({}) } })).toEqual(ARM64);
    expect(platformOf('FROM base', { platform: ARM64, bases: { base: image({}) } })).toEqual(ARM64);
  });

  test('with the variant that the base adds', () => {
    const bases = { base: image({}, { ...ARM64, variant: 'v9' }) };
    expect(platformOf('FROM base', { platform: ARM64, bases })).toEqual({ ...ARM64, variant: 'v9' });
  });

  test('the base’s, when nothing was asked for', () => {
    expect(platformOf('FROM base', { bases: { base: image({}, ARM) } })).toEqual(ARM);
  });
});
