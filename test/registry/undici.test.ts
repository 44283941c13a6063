import { describe, expect, it } from 'vitest';
import { loadUndici, type UndiciParts } from '../../src/registry/undici.js';

/** What the bundle has in place of undici; plain JavaScript without types. */
const BUNDLED = '../../.ci/vendor/undici.js';

describe('the bundled part of undici', () => {
  it('has what is used of it', async () => {
    const parts = (await import(BUNDLED)) as UndiciParts;
    const used = ['Pool'] satisfies (keyof UndiciParts)[];
    expect(Object.keys(parts)).toEqual(used);
    expect(await loadUndici()).toHaveProperty('Pool');
    const pool = new parts.Pool('http://localhost');
    expect(pool).toHaveProperty('request', expect.any(Function));
    await pool.destroy();
  });
});
