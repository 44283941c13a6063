import { parentPort } from 'node:worker_threads';
import { BuildError } from './base/errors.js';
import { jobs, type JobArgs, type JobName } from './jobs.js';
import type { JobReply } from './pool.js';

parentPort?.on('message', ({ name, args }: { name: JobName; args: never }) => {
  run(name, args).then(
    (reply) => parentPort?.postMessage(reply),
    (error: unknown) => parentPort?.postMessage(toReply(error)),
  );
});

async function run<N extends JobName>(name: N, args: JobArgs<N>): Promise<JobReply> {
  const job: (args: JobArgs<N>) => Promise<unknown> = jobs[name] as never;
  return { ok: true, result: await job(args) };
}

function toReply(error: unknown): JobReply {
  if (error instanceof BuildError) {
    const { kind, message, hint, range, exitCode, lastLines } = error;
    const details = {
      ...(hint === undefined ? {} : { hint }),
      ...(range === undefined ? {} : { range }),
      ...(exitCode === undefined ? {} : { exitCode }),
      ...(lastLines === undefined ? {} : { lastLines }),
    };
    return { ok: false, kind, message, details };
  }
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  return { ok: false, kind: 'internal', message, details: {}, ...(stack === undefined ? {} : { stack }) };
}
