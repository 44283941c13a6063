import { formatPosition } from '../../base/source.js';
import { redact } from '../redact.js';
import type { Renderer } from './renderer.js';

/** Shows warnings and nothing else. */
export function quietRenderer(): Renderer {
  return {
    event: (event) => (event.type === 'warning' ? formatWarning(event) : ''),
    tick: () => '',
    end: () => '',
  };
}

/** `WARNING: Dockerfile:3:1: …` and a line end. */
export function formatWarning(warning: { readonly message: string; readonly range?: Parameters<typeof formatPosition>[0] }): string {
  const position = warning.range === undefined ? '' : `${formatPosition(warning.range)}: `;
  return `WARNING: ${position}${redact(warning.message)}\n`;
}
