import { describe, expect, test } from 'vitest';
import type { Plan, Step } from '../../src/plan/plan.js';
import { mergePlans } from '../../src/plan/merge.js';
import { image, plan, type PlanOptions } from './helpers.js';
import { parsePlatform } from '../../src/oci/platform.js';

const PLATFORMS = ['linux/amd64', 'linux/arm64'];

function merged(text: string, options: PlanOptions = {}, platforms: readonly string[] = PLATFORMS): Plan {
  return mergePlans(platforms.map((platform) => plan(text, { ...options, platform: parsePlatform(platform) })));
}

function names({ stages }: Plan): string[] {
  return stages.map(({ index, name }) => `${index} ${name}`);
}

describe('plans of several platforms', () => {
  test('have a target each, in their order, and ids of their own', () => {
    const made = merged('FROM scratch\nCOPY a /\nENV b=c\nCOPY d /');
    expect(made.targets).toEqual([
      { platform: { os: 'linux', architecture: 'amd64' }, stage: 0 },
      { platform: { os: 'linux', architecture: 'arm64' }, stage: 1 },
    ]);
    expect(made.stages.map(({ steps }) => steps.map(({ id }) => id))).toEqual([
      ['0.1', '0.2', '0.3'],
      ['1.1', '1.2', '1.3'],
    ]);
    expect(new Set(made.stages.flatMap(({ steps }) => steps.map(({ index }) => index)))).toEqual(new Set([2, 3, 4]));
    expect(names(made)).toEqual(['0 linux/amd64', '1 linux/arm64']);
  });

  test('name stages with their platforms', () => {
    const text = 'FROM scratch AS a\nCOPY a /\nFROM scratch\nCOPY --from=a a /';
    expect(names(merged(text))).toEqual(['0 linux/amd64 a', '1 linux/amd64 stage-1', '2 linux/arm64 a', '3 linux/arm64 stage-1']);
  });

  test('run a stage once that is for the machine itself', () => {
    const text = [
      'FROM --platform=$BUILDPLATFORM base AS deps\nRUN deps',
      'FROM deps AS build\nARG TARGETARCH\nRUN build',
      'FROM scratch\nCOPY --from=build --chmod=755 /out /\nCOPY --from=deps /x /\nRUN --mount=from=build,target=/b x',
    ].join('\n');
    const made = merged(text, { images: { base: {} } });
    expect(names(made)).toEqual([
      '0 linux/amd64 deps',
      '1 linux/amd64 build',
      '2 linux/amd64 stage-2',
      '3 linux/amd64->arm64 build',
      '4 linux/arm64 stage-2',
    ]);
    expect(made.stages.map(({ base }) => base.kind)).toEqual(['image', 'stage', 'scratch', 'stage', 'scratch']);
    expect(made.stages.map(({ needs }) => needs)).toEqual([[], [0], [0, 1], [0], [0, 3]]);
    expect(made.stages[3]?.base).toEqual({ kind: 'stage', stage: 0 });
    const read = (steps: readonly Step[] = []): unknown[] =>
      steps.map((step) => (step.kind === 'copy' ? step.from : step.kind === 'run' ? step.mounts[0] : undefined));
    expect(read(made.stages[4]?.steps)).toMatchObject([
      { kind: 'stage', stage: 3 },
      { kind: 'stage', stage: 0 },
      { kind: 'bind', from: { kind: 'stage', stage: 3 } },
    ]);
    expect(read(made.stages[2]?.steps)).toMatchObject([{ stage: 1 }, { stage: 0 }, { from: { stage: 1 } }]);
  });

  test('that are all for the machine itself are one stage with several images', () => {
    const made = merged('FROM --platform=$BUILDPLATFORM base\nRUN x', { images: { base: {} } }, [...PLATFORMS, 'linux/386']);
    expect(made.stages).toHaveLength(1);
    expect(made.targets.map(({ stage }) => stage)).toEqual([0, 0, 0]);
    expect(made.targets.map(({ platform }) => platform.architecture)).toEqual(['amd64', 'arm64', '386']);
  });

  test('keep stages apart that differ in what they are made of', () => {
    expect(merged('FROM base', { bases: { 'base linux/amd64': image({}), 'base linux/arm64': image({ User: 'u' }) } }).stages).toHaveLength(
      2,
    );
    expect(merged('FROM scratch\nCOPY --from=base a /', { images: { base: {} } }).stages).toHaveLength(2);
  });

  test('of one platform get its name', () => expect(names(merged('FROM scratch', {}, ['linux/arm/v7']))).toEqual(['0 linux/arm/v7']));

  test('tell all warnings', () => {
    const made = merged('FROM base\nENV a=1\nARG a=$TARGETARCH', { images: { base: {} } });
    expect(made.warnings).toHaveLength(2);
  });

  test('have one SOURCE_DATE_EPOCH', () => {
    expect(merged('ARG SOURCE_DATE_EPOCH=5\nFROM scratch').sourceDateEpoch).toBe(5);
    const digits = 'ARG E=${TARGETARCH#arm64}\nARG SOURCE_DATE_EPOCH=${E#amd}\nFROM scratch';
    expect(() => merged(digits)).toThrow('SOURCE_DATE_EPOCH depends on the platform: 64 and none');
  });

  test('of a thousand stages are merged at once', () => {
    const chain = Array.from(
      { length: 1000 },
      (_, n) => `FROM --platform=$BUILDPLATFORM ${n === 0 ? 'scratch' : `s${n - 1}`} AS s${n}\nRUN ${n}`,
    );
    const text = [...chain, 'FROM scratch\nCOPY --from=s999 a /'].join('\n');
    const plans = PLATFORMS.map((platform) => plan(text, { platform: parsePlatform(platform) }));
    const started = performance.now();
    expect(mergePlans(plans).stages).toHaveLength(1002);
    expect(performance.now() - started).toBeLessThan(1000);
  });
});
