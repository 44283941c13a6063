import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missingProgram } from '../helpers/cli.js';
import { factAt } from '../helpers/differences.js';
import { addCases } from './cases/add.js';
import type { ConformanceCase, ExplainedDifference } from './cases/case.js';
import { configCases } from './cases/config.js';
import { copyCases } from './cases/copy.js';
import { copyFlagCases } from './cases/copy-flags.js';
import { copyMetadataCases } from './cases/copy-metadata.js';
import { heredocCases } from './cases/heredocs.js';
import { ignoreCases } from './cases/ignore.js';
import { mountCases } from './cases/mounts.js';
import { runCases } from './cases/run.js';
import { stageCases } from './cases/stages.js';
import { wordCases } from './cases/words.js';
import { compareOutcomes, Lab, whyNoLab } from './lab.js';

const reason = whyNoLab();
if (reason !== undefined) console.warn(`SKIPPED: images are not compared with those of buildah: ${reason}`);

/** Both builders run on one machine that may have other things to do. */
const TIMEOUT_MS = 180_000;

describe.skipIf(reason !== undefined)('the images of tsbuild and of buildah differ where BuildKit says so, and nowhere else', () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await Lab.open();
  });
  afterAll(() => lab?.[Symbol.dispose]());

  for (const [group, cases] of Object.entries({
    wordCases,
    configCases,
    runCases,
    mountCases,
    heredocCases,
    copyCases,
    copyMetadataCases,
    copyFlagCases,
    addCases,
    ignoreCases,
    stageCases,
  })) {
    describe(group, () => {
      for (const request of cases) check(request);
    });
  }

  function check(request: ConformanceCase): void {
    const lack = missingProgram(...(request.needs ?? []));
    if (lack !== undefined) console.warn(`SKIPPED: ${request.title}: ${lack}`);
    it.skipIf(lack !== undefined)(request.title, { timeout: TIMEOUT_MS }, async () => {
      const { tsbuild, buildah } = await lab.build(request);
      if (tsbuild.image === undefined && request.fails === undefined) throw new Error(`tsbuild failed:\n${tsbuild.said}`);
      expect(compareOutcomes(tsbuild, buildah), buildah.said).toEqual((request.differences ?? []).map(withoutRule));
      if (request.fails !== undefined) {
        expect(tsbuild.image === undefined, 'the build fails').toBe(true);
        expect(tsbuild.said).toMatch(request.fails);
      }
      for (const [where, fact] of Object.entries(request.shows ?? {})) {
        expect(tsbuild.image && factAt(tsbuild.image, where), where).toEqual(fact);
      }
    });
  }
});

function withoutRule({ where, tsbuild, buildah }: ExplainedDifference): Omit<ExplainedDifference, 'rule'> {
  return { where, tsbuild, buildah };
}
