import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { plainRenderer } from '../../src/cli/progress/plain.js';
import type { BuildEvent } from '../../src/events.js';
import { failed, finished, layer, line, started } from './events.js';

/** Everything that the renderer writes for the events; a number stands for the passing of time up to it. */
function render(happenings: readonly (BuildEvent | number)[]): string {
  const renderer = plainRenderer();
  const written = happenings.map((what) => (typeof what === 'number' ? renderer.tick(what) : renderer.event(what)));
  return written.join('') + renderer.end();
}

describe('plain progress', () => {
  it('writes one block for each step', () => {
    expect(
      render([
        { type: 'build-started', timeMs: 0, steps: 2, stages: ['stage-0'] },
        started('a', 0, { stage: 'stage-0', index: 1, total: 2, text: 'FROM scratch' }),
        finished('a', 10, 10),
        started('b', 10, { stage: 'stage-0', index: 2, total: 2, text: 'RUN make' }),
        line('b', 133, 'first'),
        line('b', 12_345, ''),
        line('b', 123_456, `  ${'x'.repeat(300)}`),
        finished('b', 130_010, 130_000),
        layer('b', 130_020, 1234),
        { type: 'output-written', timeMs: 130_030, what: 'OCI layout to out', durationMs: 9 },
        { type: 'build-finished', timeMs: 130_031, manifestDigest: undefined },
      ]),
    ).toBe(
      [
        '#1 [stage-0 1/2] FROM scratch',
        '#1 DONE 0.01s',
        '',
        '#2 [stage-0 2/2] RUN make',
        '#2 0.123 first',
        '#2 12.34 ',
        `#2 123.4   ${'x'.repeat(300)}`,
        '#2 DONE 2m10s',
        '',
        '#3 exporting',
        '#3 layer sha256:111111111111 1.23 kB of #2 0.05s',
        '#3 OCI layout to out 0.01s',
        '#3 DONE',
        '',
        '',
      ].join('\n'),
    );
  });

  it('keeps the lines of steps that run at the same time apart', () => {
    expect(
      render([
        started('a', 0),
        started('b', 1),
        line('a', 2, 'a1'),
        line('b', 3, 'b1'),
        line('a', 4, 'a2'),
        finished('b', 5, 4),
        line('a', 6, 'a3'),
        finished('a', 7, 7),
      ]),
    ).toBe('#1 [a 1/1] RUN a\n#1 0.002 a1\n#1 0.004 a2\n#1 0.006 a3\n#1 DONE 0.01s\n\n#2 [b 1/1] RUN b\n#2 0.002 b1\n#2 DONE 0.00s\n\n');
  });

  it('gives the word to a step whose lines have waited for long', () => {
    const text = render([
      started('a', 0),
      started('b', 0),
      line('a', 1000, 'a1'),
      line('b', 1500, 'b1'),
      4999,
      line('a', 5000, 'a2'),
      line('b', 5500, 'b2'),
      finished('b', 6000, 6000),
      line('a', 6500, 'a3'),
      finished('a', 7000, 7000),
    ]);
    expect(text).toBe(
      [
        '#1 [a 1/1] RUN a',
        '#1 1.000 a1',
        '#1 5.000 a2',
        '#1 ...',
        '',
        '#2 [b 1/1] RUN b',
        '#2 1.500 b1',
        '#2 5.500 b2',
        '#2 DONE 6.00s',
        '',
        '#1 [a 1/1] RUN a',
        '#1 6.500 a3',
        '#1 DONE 7.00s',
        '',
        '',
      ].join('\n'),
    );
  });

  it('does not wait for an event to do so', () => {
    const renderer = plainRenderer();
    for (const event of [started('a', 0), started('b', 0), line('b', 10, 'b1')]) renderer.event(event);
    expect(renderer.tick(4000)).toBe('');
    expect(renderer.tick(5000)).toBe('#1 ...\n\n#2 [b 1/1] RUN b\n#2 0.010 b1\n');
  });

  it('shows failed and cancelled steps', () => {
    expect(render([started('a', 0), started('b', 0), line('b', 1, 'half'), line('a', 2, 'oops'), failed('a', 3, 3)])).toBe(
      '#1 [a 1/1] RUN a\n#1 0.002 oops\n#1 ERROR after 0.00s\n\n#2 [b 1/1] RUN b\n#2 0.001 half\n#2 CANCELED\n\n',
    );
  });

  it('puts warnings between blocks, and hides passwords everywhere', () => {
    expect(
      render([
        { type: 'warning', timeMs: 0, message: 'early' },
        started('a', 0, { text: 'RUN curl https://me:secret@host/x' }),
        { type: 'warning', timeMs: 1, message: 'late' },
        line('a', 2, 'GET https://token@host/'),
        finished('a', 3, 3),
      ]),
    ).toBe('WARNING: early\n#1 [a 1/1] RUN curl https://***@host/x\n#1 0.002 GET https://***@host/\n#1 DONE 0.00s\n\nWARNING: late\n');
  });

  it('drops no line, whatever the order of events, and keeps those of a step in order', () => {
    const happening = fc.record({ step: fc.constantFrom('a', 'b', 'c'), gapMs: fc.integer({ min: 0, max: 4000 }), text: fc.integer() });
    fc.assert(
      fc.property(fc.array(happening, { maxLength: 60 }), (happenings) => {
        let timeMs = 0;
        const events: BuildEvent[] = ['a', 'b', 'c'].map((id) => started(id, 0));
        for (const { step, gapMs, text } of happenings) events.push(line(step, (timeMs += gapMs), `${step}=${text}`));
        const rows = render(events).split('\n');
        for (const [index, step] of ['a', 'b', 'c'].entries()) {
          const shown = rows.filter((row) => row.startsWith(`#${index + 1} `) && row.includes('=')).map((row) => row.split(' ')[2]);
          expect(shown).toEqual(happenings.filter((one) => one.step === step).map(({ text }) => `${step}=${text}`));
        }
        // A line stands below a header of its own step: never right behind another step's line.
        for (const [at, row] of rows.entries()) {
          const before = rows[at - 1] ?? '';
          if (row !== '' && before !== '') expect(row.split(' ')[0]).toBe(before.split(' ')[0]);
        }
      }),
    );
  });
});
