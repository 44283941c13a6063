import { nowMs } from '../../base/clock.js';
import type { BuildEvent, EventSink } from '../../events.js';
import { PROGRESS_MODES, type ProgressMode } from '../flags.js';
import { parseWord } from '../values.js';
import { plainRenderer } from './plain.js';
import { quietRenderer } from './quiet.js';
import type { Renderer } from './renderer.js';
import { transferRenderer } from './transfer-lines.js';
import { ttyRenderer } from './tty.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** The part of a `tty.WriteStream` that progress needs. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
}

export interface Progress {
  readonly sink: EventSink;
  /** Writes what is left and stops the clock. */
  stop(): void;
}

const TICK_MS = 200;

/** Shows the events of a build on a stream until stopped. */
export function startProgress(mode: ProgressMode, stream: ProgressStream, env: Environment): Progress {
  const chosen = chooseMode(mode, stream, env);
  return show(chosen === 'plain' ? plainRenderer() : createRenderer(chosen, {}, { stream, env }), stream);
}

export interface TransferProgressOptions {
  /** What the command does, at the head of a terminal's picture: `Pulling app:1`. */
  readonly title: string;
  /** `quiet` for -q: warnings only. */
  readonly mode: ProgressMode;
  readonly stream: ProgressStream;
  readonly env: Environment;
}

/**
 * Shows what a command that is no build (`pull`, `push`, `cp`) moves, on its standard error: a row for each transfer in a terminal, a line for each
 * finished layer elsewhere, and the total of each image at the end. Warnings are shown too.
 *
 * ```ts
 * const shown = startTransferProgress({ title: `Pulling ${name}`, mode: quiet ? 'quiet' : 'auto', stream: context.stderr, env: context.env });
 * const progress = new Progress(shown.sink, onSinkError);
 * const transfers = new Transfers((event) => progress.emit(event));
 * try { … } finally { shown.stop(); } // before the result goes to standard output
 * ```
 */
export function startTransferProgress({ title, mode, stream, env }: TransferProgressOptions): Progress {
  const chosen = chooseMode(mode, stream, env);
  return show(chosen === 'plain' ? transferRenderer() : createRenderer(chosen, { title }, { stream, env }), stream);
}

function show(renderer: Renderer, stream: ProgressStream): Progress {
  // Set by the first event: the build's clock starts when its code is loaded, some time after this one.
  let startedAt: number | undefined;
  let pending = '';
  let scheduled: NodeJS.Immediate | undefined;
  const flush = (): void => {
    scheduled = undefined;
    if (pending !== '') stream.write(pending);
    pending = '';
  };
  // One write for all that happens in one turn of the event loop: a chatty step would otherwise cost a system call for each line.
  const write = (text: string): void => {
    if (text === '') return;
    pending += text;
    scheduled ??= setImmediate(flush);
  };
  const timer = setInterval(() => {
    if (startedAt !== undefined) write(renderer.tick(nowMs() - startedAt));
  }, TICK_MS);
  timer.unref();
  return {
    sink(event: BuildEvent) {
      startedAt ??= nowMs() - event.timeMs;
      write(renderer.event(event));
    },
    stop() {
      clearInterval(timer);
      write(renderer.end());
      if (scheduled !== undefined) clearImmediate(scheduled);
      flush();
    },
  };
}

/**
 * `auto` asks TSBUILD_PROGRESS, then BUILDKIT_PROGRESS, then the stream: `tty` on a terminal that is not a CI job's.
 * @throws BuildError `usage` when TSBUILD_PROGRESS is no mode
 */
export function chooseMode(mode: ProgressMode, stream: { readonly isTTY?: boolean }, env: Environment): Exclude<ProgressMode, 'auto'> {
  if (mode !== 'auto') return mode;
  const own = env['TSBUILD_PROGRESS'];
  const wanted =
    own !== undefined && own !== '' ? parseWord('TSBUILD_PROGRESS', own, PROGRESS_MODES) : buildkitMode(env['BUILDKIT_PROGRESS']);
  if (wanted !== 'auto') return wanted;
  const ci = (env['CI'] ?? '') !== '' && env['CI'] !== 'false';
  return stream.isTTY === true && env['TERM'] !== 'dumb' && !ci ? 'tty' : 'plain';
}

/** https://no-color.org; a forced colour holds on anything but a terminal too. */
export function wantsColor(stream: { readonly isTTY?: boolean }, env: Environment): boolean {
  if ((env['NO_COLOR'] ?? '') !== '') return false;
  for (const name of ['FORCE_COLOR', 'CLICOLOR_FORCE']) {
    const value = env[name] ?? '';
    if (value !== '' && value !== '0' && value !== 'false') return true;
  }
  return stream.isTTY === true && env['TERM'] !== 'dumb';
}

/** BuildKit has modes that tsbuild has not: they are its user's wish for another program. */
function buildkitMode(text: string | undefined): ProgressMode {
  return PROGRESS_MODES.find((mode) => mode === text) ?? 'auto';
}

function createRenderer(
  mode: 'quiet' | 'tty',
  picture: { readonly title?: string },
  { stream, env }: { readonly stream: ProgressStream; readonly env: Environment },
): Renderer {
  if (mode === 'quiet') return quietRenderer();
  return ttyRenderer({
    ...picture,
    size: () => ({ columns: sizeOr(stream.columns, 80), rows: sizeOr(stream.rows, 24) }),
    color: wantsColor(stream, env),
  });
}

/** A terminal that nobody has told its size, as those of `script` and of some CI jobs, has none or 0. */
function sizeOr(size: number | undefined, usual: number): number {
  return size === undefined || size === 0 ? usual : size;
}
