import { describe, expect, test } from 'vitest';
import { demandOf, type OutputDemand, type StageDemand } from '../src/demand.js';
import { mergePlans } from '../src/plan/merge.js';
import { plan } from './plan/helpers.js';

const IMAGE: OutputDemand = { image: true, files: false };
const FILES: OutputDemand = { image: false, files: true };

const WHOLE = { diskSteps: Infinity, lastView: Infinity };

interface Row {
  readonly title: string;
  readonly lines: readonly string[];
  readonly output?: OutputDemand;
  readonly target?: string;
  /** By index of the stage; stages that are not there are not reached. */
  readonly demands: Readonly<Record<number, StageDemand>>;
}

const rows: readonly Row[] = [
  {
    title: 'a config alone looks into nothing',
    lines: ['FROM base', 'ENV a=b', 'CMD x'],
    demands: { 0: { layers: true, diskSteps: 0, lastView: -1 } },
  },
  {
    title: 'copies alone need no disk: the last of them is looked into by none',
    lines: ['FROM base', 'COPY a /', 'ENV a=b', 'COPY b /', 'USER x'],
    demands: { 0: { layers: true, diskSteps: 0, lastView: 2 } },
  },
  {
    title: 'a copy with --link looks into nothing',
    lines: ['FROM base', 'COPY a /', 'COPY --link b /', 'ADD --link c /'],
    demands: { 0: { layers: true, diskSteps: 0, lastView: 0 } },
  },
  {
    title: 'a WORKDIR is like a copy',
    lines: ['FROM scratch', 'COPY a /', 'WORKDIR /x'],
    demands: { 0: { layers: true, diskSteps: 0, lastView: 1 } },
  },
  {
    title: 'WORKDIR / changes the config alone',
    lines: ['FROM scratch', 'COPY a /', 'WORKDIR /'],
    demands: { 0: { layers: true, diskSteps: 0, lastView: 0 } },
  },
  {
    title: 'all before the last RUN is on disk, and the RUN itself',
    lines: ['FROM base', 'COPY a /', 'RUN x', 'RUN y', 'COPY b /', 'COPY c /'],
    demands: { 0: { layers: true, diskSteps: 3, lastView: 4 } },
  },
  {
    title: 'a stage that is copied from is whole, and no layer of the image',
    lines: ['FROM base AS build', 'COPY a /', 'RUN x', 'FROM scratch', 'COPY --from=build /x /'],
    demands: { 0: { layers: false, ...WHOLE }, 1: { layers: true, diskSteps: 0, lastView: 0 } },
  },
  {
    title: 'stages that are mounted from are whole, a mount of the context needs none',
    lines: [
      'FROM base AS one',
      'COPY a /',
      'FROM base AS two',
      'COPY a /',
      'FROM base AS three',
      'COPY a /',
      'RUN --mount=from=one,target=/x --mount=type=cache,target=/y,from=two --mount=target=/z x',
    ],
    demands: { 0: { layers: false, ...WHOLE }, 1: { layers: false, ...WHOLE }, 2: { layers: true, diskSteps: 2, lastView: 1 } },
  },
  {
    title: 'what a stage stands on becomes layers with it',
    lines: ['FROM base AS one', 'COPY a /', 'FROM one AS two', 'ENV a=b', 'FROM two', 'COPY b /'],
    demands: {
      0: { layers: true, diskSteps: 0, lastView: Infinity },
      1: { layers: true, diskSteps: 0, lastView: Infinity },
      2: { layers: true, diskSteps: 0, lastView: 0 },
    },
  },
  {
    title: 'a parent that nobody looks into needs no view',
    lines: ['FROM base AS one', 'ENV a=b', 'FROM one', 'CMD x'],
    demands: { 0: { layers: true, diskSteps: 0, lastView: -1 }, 1: { layers: true, diskSteps: 0, lastView: -1 } },
  },
  {
    title: 'a RUN needs its parents whole on disk',
    lines: ['FROM base AS one', 'COPY a /', 'FROM one AS two', 'COPY b /', 'FROM two', 'COPY c /', 'RUN x'],
    demands: { 0: { layers: true, ...WHOLE }, 1: { layers: true, ...WHOLE }, 2: { layers: true, diskSteps: 2, lastView: 1 } },
  },
  {
    title: 'a parent that is copied from as well, of a stage that is copied from',
    lines: [
      'FROM base AS one',
      'COPY a /',
      'FROM one AS two',
      'COPY b /',
      'FROM scratch',
      'COPY --from=two / /',
      'COPY --from=one / /one/',
    ],
    demands: { 0: { layers: false, ...WHOLE }, 1: { layers: false, ...WHOLE }, 2: { layers: true, diskSteps: 0, lastView: 1 } },
  },
  {
    title: 'a copy from the own parent: layers, and whole',
    lines: ['FROM base AS one', 'COPY a /', 'FROM one', 'COPY --from=one /a /b'],
    demands: { 0: { layers: true, ...WHOLE }, 1: { layers: true, diskSteps: 0, lastView: 0 } },
  },
  {
    title: 'a copy from an image looks into the image only',
    lines: ['FROM scratch', 'COPY --from=base /a /'],
    demands: { 0: { layers: true, diskSteps: 0, lastView: 0 } },
  },
  {
    title: 'stages that nothing needs are not there',
    lines: ['FROM base AS unused', 'RUN x', 'FROM base AS used', 'FROM used', 'COPY a /'],
    demands: { 1: { layers: true, diskSteps: 0, lastView: Infinity }, 2: { layers: true, diskSteps: 0, lastView: 0 } },
  },
  {
    title: 'nor stages after the target',
    lines: ['FROM base AS one', 'COPY a /', 'FROM one', 'RUN x'],
    target: 'one',
    demands: { 0: { layers: true, diskSteps: 0, lastView: 0 } },
  },
  {
    title: 'a file tree needs the target whole and no layers',
    lines: ['FROM base AS one', 'COPY a /', 'FROM one', 'COPY b /'],
    output: FILES,
    demands: { 0: { layers: false, ...WHOLE }, 1: { layers: false, ...WHOLE } },
  },
  {
    title: 'an image and a file tree need both',
    lines: ['FROM base', 'COPY b /'],
    output: { image: true, files: true },
    demands: { 0: { layers: true, ...WHOLE } },
  },
  { title: 'a file tree of a config alone', lines: ['FROM base', 'CMD x'], output: FILES, demands: { 0: { layers: false, ...WHOLE } } },
];

describe('what a build must do', () => {
  test.each(rows)('$title', ({ lines, output = IMAGE, target, demands }) => {
    const made = plan(lines.join('\n'), { images: { base: {} }, ...(target === undefined ? {} : { target }) });
    expect(Object.fromEntries(demandOf(made, output))).toEqual(demands);
  });

  test('for several platforms is what each of their targets asks for', () => {
    const lines = ['FROM --platform=$BUILDPLATFORM base AS build', 'RUN x', 'FROM base', 'COPY --from=build /x /'];
    const plans = ['amd64', 's390x'].map((architecture) =>
      plan(lines.join('\n'), { images: { base: {} }, platform: { os: 'linux', architecture } }),
    );
    expect(Object.fromEntries(demandOf(mergePlans(plans), IMAGE))).toEqual({
      0: { layers: false, ...WHOLE },
      1: { layers: true, diskSteps: 0, lastView: 0 },
      2: { layers: true, diskSteps: 0, lastView: 0 },
    });
  });
});
