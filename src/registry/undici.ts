import type * as Undici from 'undici';

/** The parts of undici that .ci/vendor/undici.js takes in: all of it would cost every pull 50 ms more. */
export type UndiciParts = Pick<typeof Undici, 'Pool'>;

/**
 * Loaded by the first request. Its parser is WebAssembly, which V8 would optimize in the background: 100 ms of processor time, which a short command
 * waits for at its end, and nothing gained where bodies pass through as they are.
 */
export async function loadUndici(): Promise<UndiciParts> {
  const { setFlagsFromString } = process.getBuiltinModule('node:v8');
  for (const flag of ['--no-wasm-tier-up', '--no-wasm-dynamic-tiering']) setFlagsFromString(flag);
  return import('undici');
}
