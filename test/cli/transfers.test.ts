import { describe, expect, it } from 'vitest';
import { plainRenderer } from '../../src/cli/progress/plain.js';
import { startTransferProgress } from '../../src/cli/progress/progress.js';
import { quietRenderer } from '../../src/cli/progress/quiet.js';
import type { Renderer } from '../../src/cli/progress/renderer.js';
import { transferRenderer } from '../../src/cli/progress/transfer-lines.js';
import { ttyRenderer } from '../../src/cli/progress/tty.js';
import { displayWidth } from '../../src/cli/progress/width.js';
import type { BuildEvent } from '../../src/events.js';
import { arrived, finished, line, moved, moving, NOTHING, started } from './events.js';

type Happening = BuildEvent | number;

/** Everything that is written for the events; a number stands for the passing of time up to it. */
function render(renderer: Renderer, happenings: readonly Happening[]): string {
  const written = happenings.map((what) => (typeof what === 'number' ? renderer.tick(what) : renderer.event(what)));
  return written.join('') + renderer.end();
}

/** The picture of a terminal at the last event. */
function picture(happenings: readonly Happening[], { columns = 80, title }: { columns?: number; title?: string } = {}): string[] {
  const renderer = ttyRenderer({ size: () => ({ columns, rows: 24 }), color: false, ...(title === undefined ? {} : { title }) });
  let last = '';
  for (const what of happenings) last = (typeof what === 'number' ? renderer.tick(what) : renderer.event(what)) || last;
  return last
    .replace(/^\x1b\[\d+A\r\x1b\[J/, '')
    .trimEnd()
    .split('\n');
}

const MANIFEST = { what: 'manifest', totalBytes: 1200 };
const CONFIG = { what: 'config', totalBytes: 3400 };

/** Manifest, config and three layers of an image, of which one is there already. */
const PULL: readonly BuildEvent[] = [
  moving('m', 0, MANIFEST),
  arrived('m', 30, { bytes: 1200, durationMs: 30 }),
  moving('c', 40, CONFIG),
  moving('a', 50),
  moving('b', 50, { totalBytes: 20_000_000 }),
  moving('e', 50),
  arrived('e', 51, NOTHING, 'exists'),
  arrived('c', 60, { bytes: 3400, durationMs: 20 }),
  arrived('a', 1050, { bytes: 10_000_000, durationMs: 1000 }),
  arrived('b', 2050, { bytes: 20_000_000, durationMs: 2000 }),
];

describe('transfers in a log', () => {
  it('are a line for each large blob and one for each image', () => {
    expect(render(transferRenderer(), PULL)).toBe(
      [
        'pull app:1 layer sha256:e00000000000 exists',
        'pull app:1 layer sha256:a00000000000 10.0 MB in 1.00s (10.0 MB/s)',
        'pull app:1 layer sha256:b00000000000 20.0 MB in 2.00s (10.0 MB/s)',
        'pull app:1 done: 3 blobs, 30.0 MB in 2.05s (14.6 MB/s), 1 exists',
        '',
      ].join('\n'),
    );
  });

  it('keep images and directions apart', () => {
    const to = { direction: 'push', reference: 'registry.example/app:1' } as const;
    const text = render(transferRenderer(), [
      moving('a', 0),
      moving('b', 0, to),
      moving('c', 0, to),
      arrived('b', 10, NOTHING, 'mounted'),
      arrived('a', 500, { bytes: 10_000_000, durationMs: 500 }),
      arrived('c', 1000, { bytes: 10_000_000, durationMs: 1000 }),
    ]);
    expect(text).toBe(
      [
        'push registry.example/app:1 layer sha256:b00000000000 mounted',
        'pull app:1 layer sha256:a00000000000 10.0 MB in 0.50s (20.0 MB/s)',
        'push registry.example/app:1 layer sha256:c00000000000 10.0 MB in 1.00s (10.0 MB/s)',
        'pull app:1 done: 1 blob, 10.0 MB in 0.50s (20.0 MB/s)',
        'push registry.example/app:1 done: 1 blob, 10.0 MB in 1.00s (10.0 MB/s), 1 mounted',
        '',
      ].join('\n'),
    );
  });

  it('say every half minute how far a slow one is', () => {
    const slow = Array.from({ length: 99 }, (_, index) => moved('a', (index + 1) * 1000, (index + 1) * 100_000));
    expect(render(transferRenderer(), [moving('a', 0), ...slow]).split('\n')).toEqual([
      'pull app:1 layer sha256:a00000000000 3.00 MB of 10.0 MB',
      'pull app:1 layer sha256:a00000000000 6.00 MB of 10.0 MB',
      'pull app:1 layer sha256:a00000000000 9.00 MB of 10.0 MB',
      '',
    ]);
  });

  it('do not call an image done that did not arrive, and leave the reason to the error', () => {
    const events = [moving('a', 0), moving('b', 0), arrived('a', 10, { bytes: 100, durationMs: 10 }, 'failed')];
    expect(render(transferRenderer(), events)).toBe('');
    expect(render(transferRenderer(), [...events, arrived('b', 20, { bytes: 10_000_000, durationMs: 20 })])).not.toContain('done');
  });

  it('show no password, no escape sequence, and nothing that never began', () => {
    const events = [moving('a', 0, { reference: 'https://u:p@host/app\x1b[2J' }), arrived('a', 1, NOTHING, 'exists'), moved('x', 2, 1)];
    expect(render(transferRenderer(), events)).toMatch(/^pull https:\/\/\*\*\*@host\/app layer sha256:a0+ exists\n/);
  });
});

describe('transfers in the log of a build', () => {
  it('are a block of their image', () => {
    expect(render(plainRenderer(), [...PULL, 2200, 3100, started('a', 3200), finished('a', 3210, 10)])).toBe(
      [
        '#1 pull app:1',
        '#1 layer sha256:e00000000000 exists',
        '#1 layer sha256:a00000000000 10.0 MB in 1.00s (10.0 MB/s)',
        '#1 layer sha256:b00000000000 20.0 MB in 2.00s (10.0 MB/s)',
        '#1 DONE 3 blobs, 30.0 MB in 2.05s (14.6 MB/s), 1 exists',
        '',
        '#2 [a 1/1] RUN a',
        '#2 DONE 0.01s',
        '',
        '',
      ].join('\n'),
    );
  });

  it('wait until a step has had its say, and keep their number when there is more', () => {
    const push = { direction: 'push' } as const;
    const text = render(plainRenderer(), [
      started('s', 0),
      line('s', 100, 'one'),
      moving('a', 200, push),
      arrived('a', 300, { bytes: 10_000_000, durationMs: 100 }),
      1400,
      line('s', 1500, 'two'),
      finished('s', 1600, 1600),
      moving('b', 3000, push),
      arrived('b', 3500, NOTHING, 'exists'),
    ]);
    expect(text).toBe(
      [
        '#1 [s 1/1] RUN s',
        '#1 0.100 one',
        '#1 1.500 two',
        '#1 DONE 1.60s',
        '',
        '#2 push app:1',
        '#2 layer sha256:a00000000000 10.0 MB in 0.10s (100 MB/s)',
        '#2 DONE 1 blob, 10.0 MB in 0.10s (100 MB/s)',
        '',
        '#2 push app:1',
        '#2 layer sha256:b00000000000 exists',
        '#2 DONE 1 blob, 10.0 MB in 3.30s (3.03 MB/s), 1 exists',
        '',
        '',
      ].join('\n'),
    );
  });

  it('lose nothing when they go on before the end of the last ones was written', () => {
    const text = render(plainRenderer(), [
      started('s', 0),
      moving('a', 100),
      arrived('a', 200, { bytes: 10_000_000, durationMs: 100 }),
      1300,
      moving('b', 1400),
      arrived('b', 1500, { bytes: 10_000_000, durationMs: 100 }),
      finished('s', 1600, 1600),
    ]);
    expect(text.match(/^#2 .*/gm)).toEqual([
      '#2 pull app:1',
      '#2 layer sha256:a00000000000 10.0 MB in 0.10s (100 MB/s)',
      '#2 DONE 1 blob, 10.0 MB in 0.10s (100 MB/s)',
      '#2 layer sha256:b00000000000 10.0 MB in 0.10s (100 MB/s)',
      '#2 DONE 2 blobs, 20.0 MB in 1.40s (14.3 MB/s)',
    ]);
  });

  it('end with what became of them', () => {
    const failed = [moving('a', 0), arrived('a', 1000, { bytes: 500, durationMs: 1000 }, 'failed')];
    expect(render(plainRenderer(), failed)).toBe('#1 pull app:1\n#1 ERROR after 500 B in 1.00s\n\n');
    expect(render(plainRenderer(), [moving('a', 0)])).toBe('#1 pull app:1\n#1 CANCELED\n\n');
  });
});

describe('transfers in a terminal', () => {
  it('have a row each while they run', () => {
    const events = [
      moving('m', 0, MANIFEST),
      arrived('m', 0, { bytes: 1200, durationMs: 0 }),
      moving('c', 0, CONFIG),
      moving('a', 0),
      moving('b', 0, { totalBytes: 20_000_000 }),
      moved('a', 1000, 5_000_000),
      moved('b', 1000, 20_500_000),
      2000,
    ];
    expect(picture(events, { title: 'Pulling app:1' })).toEqual([
      '[+] Pulling app:1 2.00s (0/3)',
      ' => pull app:1                                                             2.00s',
      ' => => layer sha256:a00000000000 [========>       ] 5.00 MB of 10.0 MB 2.50 MB/s',
      ' => => layer sha256:b00000000000 [================] 20.5 MB of 20.0 MB 10.3 MB/s',
    ]);
  });

  it('are one row for each image when they are done', () => {
    expect(picture([...PULL, 3000])).toEqual([
      '[+] Building 3.00s (4/4)',
      ' => pull app:1                   3 blobs, 30.0 MB in 2.05s (14.6 MB/s), 1 exists',
    ]);
  });

  it('stand before the steps when they come from a registry, behind the outputs when they go to one', () => {
    const push = { direction: 'push', reference: 'host/app' } as const;
    const events = [
      moving('a', 0),
      arrived('a', 1, NOTHING, 'exists'),
      moving('b', 2, push),
      started('s', 3),
      finished('s', 4, 1),
      arrived('b', 5, NOTHING, 'mounted'),
    ];
    expect(picture([...events, 1000]).map((row) => row.split(' ').slice(1, 4).join(' ').trim())).toEqual([
      'Building 1.00s (1/1)',
      '=> pull app:1',
      '=> [s 1/1]',
      '=> push host/app',
    ]);
  });

  it('are marked when they failed', () => {
    expect(picture([moving('a', 0), arrived('a', 1, NOTHING, 'failed'), 500])[1]).toMatch(/^ => ERROR pull app:1/);
  });

  it.each([20, 30, 40, 50, 60, 80, 200])('are never wider than %d columns', (columns) => {
    const rows = picture([moving('a', 0), moving('b', 0, { totalBytes: 9 }), moved('a', 1000, 4_560_000), 2000], { columns });
    expect(rows).toHaveLength(3);
    for (const row of rows) expect(displayWidth(row)).toBeLessThanOrEqual(columns);
  });

  it('slow down in the row of one that stands still', () => {
    const until = (timeMs: number): string | undefined => picture([moving('a', 0), moved('a', 1000, 5_000_000), timeMs])[2];
    expect(until(1200)).toContain('4.17 MB/s');
    expect(until(50_000)).toContain('100 kB/s');
  });

  it('show a rate that is not of long ago', () => {
    const events = Array.from({ length: 20 }, (_, index) => moved('a', (index + 1) * 1000, Math.min(index + 1, 10) * 100_000));
    expect(picture([moving('a', 0), ...events])[2]).toMatch(/1\.00 MB of 10\.0 MB 0 B\/s/);
  });
});

describe('startTransferProgress', () => {
  it.each([
    ['quiet', ''],
    ['plain', 'pull app:1 layer sha256:a00000000000 exists\npull app:1 done: 0 B in 0.00s, 1 exists\n'],
  ] as const)('%s', (mode, expected) => {
    const writes: string[] = [];
    const shown = startTransferProgress({ title: 'Pulling', mode, stream: { write: (text) => writes.push(text) }, env: {} });
    shown.sink(moving('a', 0));
    shown.sink(arrived('a', 1, NOTHING, 'exists'));
    shown.stop();
    expect(writes.join('')).toBe(expected);
  });

  it('shows warnings in every mode', () => {
    for (const renderer of [quietRenderer(), transferRenderer()]) {
      expect(render(renderer, [{ type: 'warning', timeMs: 0, message: 'careful' }])).toBe('WARNING: careful\n');
    }
  });

  it('has its title in a terminal, even in one without a size', () => {
    const writes: string[] = [];
    const stream = { isTTY: true, columns: 0, rows: 0, write: (text: string) => writes.push(text) };
    const shown = startTransferProgress({ title: 'Pushing app:1', mode: 'tty', stream, env: { NO_COLOR: '1' } });
    shown.sink(moving('a', 0, { direction: 'push' }));
    shown.sink(arrived('a', 1, NOTHING, 'exists'));
    shown.stop();
    expect(writes.join('')).toContain('[+] Pushing app:1 0.00s (1/1)\n => push app:1');
  });
});
