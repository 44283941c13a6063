import type { Bases } from './bases.js';
import { fromText } from './base/bytes.js';
import { BuildError } from './base/errors.js';
import { formatPlatform, hostPlatform } from './oci/platform.js';
import type { Platform } from './oci/types.js';
import { findInterpreter, runsProgramsOf } from './os/binfmt.js';
import type { Plan, PlannedStage, RunStep } from './plan/plan.js';
import { openRootView } from './snapshot/view.js';

/** Debian's names of qemu's programs, where they are not Go's. */
const QEMU_NAMES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    amd64: 'x86_64',
    '386': 'i386',
    arm64: 'aarch64',
    mips64le: 'mips64el',
    loong64: 'loongarch64',
  }),
);

export interface ForeignSteps {
  readonly plan: Plan;
  readonly bases: Bases;
  readonly tempDir: string;
}

/**
 * Refuses RUN steps whose programs this machine does not run, before anything is built.
 * @throws BuildError `environment` at the first of them, naming what to install
 */
export async function checkForeignSteps({ plan, bases, tempDir }: ForeignSteps): Promise<void> {
  const host = hostPlatform();
  const able = new Map<string, boolean>([[host.architecture, true]]);
  for (const stage of plan.stages) {
    const step = stage.steps.find((candidate) => candidate.kind === 'run');
    if (step === undefined) continue;
    const platform = platformOf(stage, { plan, bases });
    const { os, architecture } = platform;
    if (os !== 'linux') throw notLinux(platform, step);
    const runs = able.get(architecture) ?? (await runsProgramsOf(architecture, tempDir));
    able.set(architecture, runs);
    if (!runs && !(await bringsInterpreter(stage, architecture, { plan, bases }))) throw noEmulator(platform, step);
  }
}

type Known = Pick<ForeignSteps, 'plan' | 'bases'>;

/** What the programs are for: an image knows that better than a `FROM --platform` that does not fit it. */
function platformOf(stage: PlannedStage, { plan, bases }: Known): Platform {
  let root = stage;
  for (let parent = parentOf(root, plan); parent !== undefined; parent = parentOf(root, plan)) root = parent;
  const config = root.base.kind === 'image' ? bases.get(root.base.key).config : undefined;
  return config === undefined || config.os === '' || config.architecture === '' ? stage.platform : config;
}

/**
 * An emulator that binfmt_misc does not hold open must lie in the root file system itself: in the image, or copied there by the Dockerfile
 * (`COPY qemu-aarch64-static /usr/bin/`).
 */
async function bringsInterpreter(stage: PlannedStage, architecture: string, { plan, bases }: Known): Promise<boolean> {
  const interpreter = findInterpreter(architecture);
  if (interpreter === undefined) return false;
  const name = interpreter.slice(interpreter.lastIndexOf('/') + 1);
  for (let here: PlannedStage | undefined = stage; here !== undefined; here = parentOf(here, plan)) {
    if (here.steps.some((step) => step.kind === 'copy' && [...step.sources, step.dest].some((path) => path.includes(name)))) return true;
    if (here.base.kind !== 'image') continue;
    const view = openRootView(await bases.index(here.base.key));
    return view.lstat(view.resolve(fromText(interpreter.slice(1)))) !== undefined;
  }
  return false;
}

function parentOf({ base }: PlannedStage, plan: Plan): PlannedStage | undefined {
  return base.kind === 'stage' ? plan.stages.find(({ index }) => index === base.stage) : undefined;
}

function notLinux(platform: Platform, step: RunStep): BuildError {
  return new BuildError('environment', `RUN for ${formatPlatform(platform)}: steps run on Linux only`, {
    range: step.range,
    hint: 'Leave RUN to a stage FROM --platform=$BUILDPLATFORM, and copy from that.',
  });
}

function noEmulator(platform: Platform, step: RunStep): BuildError {
  const program = `qemu-${QEMU_NAMES.get(platform.architecture) ?? platform.architecture}-static`;
  return new BuildError(
    'environment',
    `RUN for ${formatPlatform(platform)} needs an emulator: this machine is ${formatPlatform(hostPlatform())}, and binfmt_misc has no ${program}`,
    {
      range: step.range,
      hint: 'Install it, on Debian: apt-get install qemu-user-static binfmt-support. Or let the step run on this machine: FROM --platform=$BUILDPLATFORM.',
    },
  );
}
