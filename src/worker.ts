import { parentPort } from 'node:worker_threads';
import { BuildError, errnoOf } from './base/errors.js';
import { callJob, type JobArgs, type JobName } from './jobs.js';
import { STOP, type JobReply, type PlainError } from './pool.js';

type Message = { readonly id: number; readonly name: JobName; readonly args: JobArgs<JobName> } | typeof STOP;

parentPort?.on('message', (message: Message) => {
  // Ends this thread only.
  if (message === STOP) process.exit(0);
  const { id, name, args } = message;
  callJob(name, args).then(
    (result) => reply({ id, ok: true, result }),
    (error: unknown) => reply({ id, ok: false, error: toPlain(error) }),
  );
});

function reply(message: JobReply): void {
  parentPort?.postMessage(message);
}

function toPlain(error: unknown): PlainError {
  if (!(error instanceof Error)) return { message: String(error), stack: undefined, code: undefined, cause: undefined, build: undefined };
  const { message, stack, cause } = error;
  return {
    message,
    stack,
    code: errnoOf(error),
    cause: cause instanceof Error ? toPlain(cause) : undefined,
    build: error instanceof BuildError ? { kind: error.kind, details: detailsOf(error) } : undefined,
  };
}

function detailsOf({ hint, range, exitCode, lastLines }: BuildError): NonNullable<PlainError['build']>['details'] {
  return {
    ...(hint === undefined ? {} : { hint }),
    ...(range === undefined ? {} : { range }),
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(lastLines === undefined ? {} : { lastLines }),
  };
}
