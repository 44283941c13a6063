import { execFileSync } from 'node:child_process';
import { copyFileSync, lutimesSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { whyNoContainers } from '../execute/sandbox.js';
import { Buildah, dirToLayout } from '../helpers/buildah.js';
import { missingProgram, tsbuild, writeFiles } from '../helpers/cli.js';
import { compareImages, factAt, type Difference } from '../helpers/differences.js';
import { imageFacts, type ImageFacts } from '../helpers/image-facts.js';
import { addCases } from './cases/add.js';
import { BASE, BASE_CONTEXT, BASE_DOCKERFILE, type ConformanceCase } from './cases/case.js';
import { configCases } from './cases/config.js';
import { copyCases } from './cases/copy.js';
import { ignoreCases } from './cases/ignore.js';
import { runCases } from './cases/run.js';
import { stageCases } from './cases/stages.js';

