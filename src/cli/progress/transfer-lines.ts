import { formatWarning } from './quiet.js';
import type { Renderer } from './renderer.js';
import { totalText, TransferBoard } from './transfers.js';

/** A log that says nothing looks like a command that hangs. */
const LINE_EVERY_MS = 30_000;

/** For a log: a line for each large blob as it ends, and one for each image at the end. Every line names its image. */
export function transferRenderer(): Renderer {
  const board = new TransferBoard();
  return {
    event(event) {
      switch (event.type) {
        case 'transfer-started':
        case 'transfer-progress':
        case 'transfer-finished': {
          const { group, line } = board.apply(event, LINE_EVERY_MS) ?? {};
          return group === undefined || line === undefined ? '' : `${group.title} ${line}\n`;
        }
        case 'warning':
          return formatWarning(event);
        default:
          return '';
      }
    },
    tick: () => '',
    end() {
      // Of an image that did not arrive the command's error tells.
      const whole = [...board.groups.values()].filter(({ running, failed }) => running.size === 0 && failed === 0);
      return whole.map((group) => `${group.title} done: ${totalText(group)}\n`).join('');
    },
  };
}
