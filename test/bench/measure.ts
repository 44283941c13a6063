import { spawnSync } from 'node:child_process';

export interface Sample {
  readonly wallSeconds: number;
  /** Of the largest single process. */
  readonly peakBytes: number;
}

export interface Candidate {
  readonly name: string;
  /** Shell text, run with `-e` and `pipefail`, timed as a whole process. */
  readonly command: string;
  /** Run before each run of the command, untimed. */
  readonly prepare?: string;
}

export interface Measured {
  readonly name: string;
  readonly medianSeconds: number;
  readonly minSeconds: number;
  readonly maxSeconds: number;
  readonly peakBytes: number;
}

/** Runs the candidates in turn, A B C A B C …, so that a machine that grows slower does so for all of them. The first round is not counted. */
export function measure(candidates: readonly Candidate[], runs: number, environment: Readonly<Record<string, string>>): Measured[] {
  const samples = new Map<string, Sample[]>(candidates.map((candidate) => [candidate.name, []]));
  for (let round = 0; round <= runs; round++) {
    for (const candidate of candidates) {
      if (candidate.prepare !== undefined) shell(candidate.prepare, environment);
      const sample = timed(candidate.command, environment);
      if (round > 0) samples.get(candidate.name)?.push(sample);
      process.stderr.write(`${candidate.name}: ${sample.wallSeconds.toFixed(3)} s${round === 0 ? ' (not counted)' : ''}\n`);
    }
  }
  return candidates.map(({ name }) => summarize(name, samples.get(name) ?? []));
}

/** @throws Error with what the command printed, when it fails */
export function shell(command: string, environment: Readonly<Record<string, string>>): string {
  const { status, stdout, stderr } = spawnSync('bash', ['-o', 'pipefail', '-ec', command], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    env: { ...(process.env as Record<string, string>), ...environment },
  });
  if (status !== 0) throw new Error(`failed with ${status}: ${command}\n${stdout}${stderr}`);
  return stdout;
}

/** GNU time reports the largest resident set among the processes that it waited for. */
function timed(command: string, environment: Readonly<Record<string, string>>): Sample {
  const started = process.hrtime.bigint();
  const { status, stdout, stderr } = spawnSync('/usr/bin/time', ['-f', 'peak-kib %M', 'bash', '-o', 'pipefail', '-ec', command], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    env: { ...(process.env as Record<string, string>), ...environment },
  });
  const wallSeconds = Number(process.hrtime.bigint() - started) / 1e9;
  if (status !== 0) throw new Error(`failed with ${status}: ${command}\n${stdout}${stderr}`);
  return { wallSeconds, peakBytes: Number(/peak-kib (\d+)/.exec(stderr)?.[1] ?? 0) * 1024 };
}

function summarize(name: string, samples: readonly Sample[]): Measured {
  const seconds = samples.map((sample) => sample.wallSeconds).toSorted((a, b) => a - b);
  return {
    name,
    medianSeconds: seconds[Math.floor(seconds.length / 2)] ?? Number.NaN,
    minSeconds: seconds[0] ?? Number.NaN,
    maxSeconds: seconds.at(-1) ?? Number.NaN,
    peakBytes: Math.max(...samples.map((sample) => sample.peakBytes)),
  };
}
