import { describe, expect, it } from 'vitest';
import type { ProgressMode } from '../../src/cli/flags.js';
import { chooseMode, startProgress, wantsColor } from '../../src/cli/progress/progress.js';
import { finished, line, started } from './events.js';

const TTY = { isTTY: true };
const PIPE = { isTTY: false };

describe('chooseMode', () => {
  it.each<[ProgressMode, { isTTY: boolean }, Record<string, string>, string]>([
    ['auto', TTY, {}, 'tty'],
    ['auto', PIPE, {}, 'plain'],
    ['auto', TTY, { CI: 'true' }, 'plain'],
    ['auto', TTY, { CI: 'false' }, 'tty'],
    ['auto', TTY, { CI: '' }, 'tty'],
    ['auto', TTY, { TERM: 'dumb' }, 'plain'],
    ['auto', TTY, { BUILDKIT_PROGRESS: 'plain' }, 'plain'],
    ['auto', PIPE, { BUILDKIT_PROGRESS: 'tty' }, 'tty'],
    ['auto', PIPE, { BUILDKIT_PROGRESS: 'rawjson' }, 'plain'],
    ['auto', PIPE, { BUILDKIT_PROGRESS: 'tty', TSBUILD_PROGRESS: 'quiet' }, 'quiet'],
    ['auto', TTY, { TSBUILD_PROGRESS: 'auto', BUILDKIT_PROGRESS: 'plain' }, 'tty'],
    ['tty', PIPE, { CI: '1', TSBUILD_PROGRESS: 'plain' }, 'tty'],
    ['plain', TTY, {}, 'plain'],
    ['quiet', TTY, {}, 'quiet'],
  ])('%s on %o with %o is %s', (mode, stream, env, expected) => {
    expect(chooseMode(mode, stream, env)).toBe(expected);
  });

  it('refuses a wrong TSBUILD_PROGRESS', () => {
    expect(() => chooseMode('auto', TTY, { TSBUILD_PROGRESS: 'fancy' })).toThrow('invalid TSBUILD_PROGRESS "fancy"');
  });
});

describe('wantsColor', () => {
  it.each<[{ isTTY: boolean }, Record<string, string>, boolean]>([
    [TTY, {}, true],
    [PIPE, {}, false],
    [TTY, { NO_COLOR: '1' }, false],
    [TTY, { NO_COLOR: '' }, true],
    [TTY, { TERM: 'dumb' }, false],
    [PIPE, { FORCE_COLOR: '1' }, true],
    [PIPE, { CLICOLOR_FORCE: '1' }, true],
    [PIPE, { FORCE_COLOR: '0' }, false],
    [PIPE, { FORCE_COLOR: '1', NO_COLOR: '1' }, false],
  ])('on %o with %o: %s', (stream, env, expected) => {
    expect(wantsColor(stream, env)).toBe(expected);
  });
});

describe('startProgress', () => {
  it('writes what happens in one turn at once, and the rest when stopped', async () => {
    const writes: string[] = [];
    const progress = startProgress('plain', { write: (text: string) => writes.push(text) }, {});
    progress.sink(started('a', 0));
    progress.sink(line('a', 1, 'x'));
    expect(writes).toEqual([]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(writes).toEqual(['#1 [a 1/1] RUN a\n#1 0.001 x\n']);
    progress.sink(finished('a', 2, 2));
    progress.stop();
    expect(writes).toEqual(['#1 [a 1/1] RUN a\n#1 0.001 x\n', '#1 DONE 0.00s\n\n']);
  });

  it('is silent but for warnings when quiet', () => {
    const writes: string[] = [];
    const progress = startProgress('quiet', { write: (text: string) => writes.push(text) }, {});
    progress.sink(started('a', 0));
    progress.sink({ type: 'warning', timeMs: 1, message: 'careful' });
    progress.stop();
    expect(writes).toEqual(['WARNING: careful\n']);
  });
});
