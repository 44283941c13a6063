import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { BuildError } from '../base/errors.js';

const MAX_PASSWORD_BYTES = 64 * 1024;

export interface Question {
  /** `Password: ` */
  readonly prompt: string;
  /** What is typed is not shown. */
  readonly isHidden: boolean;
}

/** All of standard input but one line end. @throws BuildError `usage` when that is nothing, or no password */
export async function readPassword(): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of process.stdin) {
    const bytes = chunk as Buffer;
    chunks.push(bytes);
    size += bytes.length;
    if (size > MAX_PASSWORD_BYTES)
      throw new BuildError('usage', `the password on standard input is longer than ${MAX_PASSWORD_BYTES} bytes`);
  }
  const password = Buffer.concat(chunks)
    .toString('utf8')
    .replace(/\r?\n$/, '');
  if (password === '') throw new BuildError('usage', 'the password on standard input is empty');
  return password;
}

/**
 * One line of the user at the terminal for each question, which goes to standard error.
 * @throws BuildError `cancelled` when the user or the signal ends it
 */
export function askAll(questions: readonly Question[], signal: AbortSignal): Promise<string[]> {
  const answers: string[] = [];
  const current = (): Question | undefined => questions[answers.length];
  const output = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      if (current()?.isHidden === false) process.stderr.write(chunk);
      done();
    },
  });
  // One interface for all questions: of what is pasted, the first would swallow the rest. As a terminal, it takes over the echo from the kernel.
  const lines = createInterface({ input: process.stdin, output, terminal: true, historySize: 0 });
  const pose = (question: Question): void => {
    lines.setPrompt(question.prompt);
    if (question.isHidden) process.stderr.write(question.prompt);
    lines.prompt();
  };
  return new Promise<string[]>((resolve, reject) => {
    const stop = (): void => lines.close();
    signal.addEventListener('abort', stop, { once: true });
    lines.on('SIGINT', stop);
    lines.on('line', (line) => {
      if (current()?.isHidden === true) process.stderr.write('\n');
      answers.push(line);
      const next = current();
      if (next === undefined) lines.close();
      else pose(next);
    });
    lines.once('close', () => {
      signal.removeEventListener('abort', stop);
      if (current() === undefined) return resolve(answers);
      process.stderr.write('\n');
      reject(new BuildError('cancelled', 'the login was given up'));
    });
    const first = current();
    if (first === undefined) lines.close();
    else pose(first);
  });
}
