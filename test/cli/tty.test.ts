import { describe, expect, it } from 'vitest';
import { ttyRenderer, type Terminal } from '../../src/cli/progress/tty.js';
import { clip, displayWidth, justify, toVisible } from '../../src/cli/progress/width.js';
import type { BuildEvent } from '../../src/events.js';
import { failed, finished, layer, line, started } from './events.js';

/** A terminal that knows what tsbuild uses: line feeds, moving up, erasing to the end. */
class Screen {
  readonly lines: string[] = [];
  #row = 0;

  write(text: string): void {
    for (const [, up, erase, feed, plain] of text.matchAll(/\x1b\[(\d+)A\r|(\x1b\[J)|(\n)|([^\x1b\n]+)/g)) {
      if (up !== undefined) this.#row -= Number(up);
      else if (erase !== undefined) this.lines.length = this.#row;
      else if (feed !== undefined) this.#row++;
      else this.lines[this.#row] = plain ?? '';
      if (this.#row < 0) throw new Error('moved above the first line');
    }
  }
}

function play(happenings: readonly (BuildEvent | number)[], size: Partial<Terminal> = {}): { screen: Screen; end: () => string[] } {
  const renderer = ttyRenderer({ size: () => ({ columns: 40, rows: 24, ...size }), color: false });
  const screen = new Screen();
  for (const what of happenings) screen.write(typeof what === 'number' ? renderer.tick(what) : renderer.event(what));
  return {
    screen,
    end: () => {
      screen.write(renderer.end());
      return screen.lines;
    },
  };
}

const BEGIN: BuildEvent = { type: 'build-started', timeMs: 0, steps: 3, stages: ['a'] };

describe('tty progress', () => {
  it('shows running steps with their last lines and times', () => {
    const lines = Array.from({ length: 8 }, (_, index) => line('b', 1000 + index, `line ${index}`));
    const { screen, end } = play([BEGIN, started('a', 0), finished('a', 500, 500), started('b', 500), ...lines, 2500]);
    expect(screen.lines).toEqual([
      '[+] Building 2.50s (1/3)',
      ' => [a 1/1] RUN a                  0.50s',
      ' => [b 1/1] RUN b                  2.00s',
      ' => => line 3',
      ' => => line 4',
      ' => => line 5',
      ' => => line 6',
      ' => => line 7',
    ]);
    expect(end()).toHaveLength(8);
  });

  it('leaves the finished picture on the screen', () => {
    const { end } = play([
      BEGIN,
      started('a', 0),
      line('a', 10, 'noise'),
      finished('a', 1000, 1000),
      layer('a', 1100, 5_000_000),
      { type: 'output-written', timeMs: 1200, what: 'image to the store as app:1', durationMs: 2 },
      { type: 'build-finished', timeMs: 1300, manifestDigest: undefined },
    ]);
    expect(end()).toEqual([
      '[+] Building 1.30s (1/3) FINISHED',
      ' => [a 1/1] RUN a                  1.00s',
      ' => layer sha256:111111111111 5.0… 0.05s',
      ' => image to the store as app:1    0.00s',
    ]);
  });

  it('marks a step that failed', () => {
    expect(play([BEGIN, started('a', 0), failed('a', 70_000, 70_000)]).end()).toContain(' => ERROR [a 1/1] RUN a            1m10s');
  });

  it('writes at most ten times a second', () => {
    const renderer = ttyRenderer({ size: () => ({ columns: 40, rows: 24 }), color: false });
    renderer.event(BEGIN);
    renderer.event(started('a', 0));
    const written = Array.from({ length: 1000 }, (_, timeMs) => renderer.event(line('a', timeMs, 'x'))).filter((text) => text !== '');
    expect(written.length).toBeLessThanOrEqual(10);
    expect(written.length).toBeGreaterThan(5);
  });

  it('is never higher than the terminal while it runs, and whole at the end', () => {
    const events = Array.from({ length: 30 }, (_, index) => [started(`s${index}`, index), finished(`s${index}`, index, 1)]).flat();
    const { screen, end } = play([...events, started('last', 100), line('last', 101, 'out'), 300], { rows: 10 });
    expect(screen.lines.length).toBeLessThanOrEqual(9);
    expect(screen.lines[1]).toBe(' => … 25 more done');
    expect(screen.lines.slice(-2)).toEqual([' => [last 1/1] RUN last            0.20s', ' => => out']);
    expect(end()).toHaveLength(33);
  });

  it('puts warnings above the picture', () => {
    const { screen } = play([BEGIN, started('a', 0), 200, { type: 'warning', timeMs: 300, message: 'careful' }, 400]);
    expect(screen.lines[0]).toBe('WARNING: careful');
    expect(screen.lines[1]).toBe('[+] Building 0.40s (0/3)');
    expect(screen.lines).toHaveLength(3);
  });

  it('lets no escape sequence of a step through', () => {
    const { screen } = play([started('a', 0), line('a', 1, '\x1b[2J\x1b]0;title\x07\x1b[31mred\x1b[0m\r50 %\r100 %\x07'), 200]);
    expect(screen.lines.at(-1)).toBe(' => => 100 %');
  });

  it('redraws over the lines that a narrower window has broken', () => {
    let columns = 40;
    const renderer = ttyRenderer({ size: () => ({ columns, rows: 24 }), color: false });
    renderer.event(started('a', 0));
    renderer.tick(200);
    columns = 20;
    expect(renderer.tick(400)).toMatch(/^\x1b\[4A\r\x1b\[J/);
  });
});

describe('widths', () => {
  it.each([
    ['abc', 3],
    ['', 0],
    ['ä', 1],
    ['e\u0301', 1],
    ['日本', 4],
    ['🚀', 2],
    ['…', 1],
  ])('%s takes %d columns', (text, width) => {
    expect(displayWidth(text)).toBe(width);
  });
  it('clips and justifies', () => {
    expect(clip('abcdef', 4)).toBe('abc…');
    expect(clip('日本語', 5)).toBe('日本…');
    expect(clip('abc', 0)).toBe('');
    expect(justify('left', 'right', 14)).toBe('left     right');
    expect(displayWidth(justify('日本語日本語日本語', '1.00s', 20))).toBe(20);
  });
  it('shows what a terminal would show', () => {
    expect(toVisible('a\tb')).toBe('a    b');
    expect(toVisible('10%\r20%\r')).toBe('20%');
    expect(toVisible('\x1b(B\x1b[1;31mx\x1b[m\x00\x7f')).toBe('x');
  });
});
