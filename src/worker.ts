import { parentPort } from 'node:worker_threads';
import { BuildError } from './base/errors.js';
import { callJob, type JobArgs, type JobName } from './jobs.js';
import type { JobReply } from './pool.js';

parentPort?.on('message', ({ name, args }: { name: JobName; args: JobArgs<JobName> }) => {
  callJob(name, args).then(
    (result) => reply({ ok: true, result }),
    (error: unknown) => reply(toReply(error)),
  );
});

function reply(message: JobReply): void {
  parentPort?.postMessage(message);
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
