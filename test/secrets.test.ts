import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openSecrets } from '../src/secrets.js';
import { scratchDir } from './helpers/cli.js';

describe('secrets', () => {
  const scratch = scratchDir();
  afterAll(() => scratch[Symbol.dispose]());
  const at = (name: string): string => join(scratch.path, name);
  const fromFile = (id: string, path = at(id)): Parameters<typeof openSecrets>[0][number] => ({ id, source: { kind: 'file', path } });
  const fromEnv = (id: string, name: string): Parameters<typeof openSecrets>[0][number] => ({ id, source: { kind: 'env', name } });

  it('come as the bytes that the file has', () => {
    const bytes = Buffer.from([0, 255, 10, 13, 0]);
    writeFileSync(at('binary'), bytes);
    const secrets = openSecrets([fromFile('binary')]);
    expect(secrets.has('binary')).toBe(true);
    expect(secrets.read('binary')).toEqual(bytes);
  });

  it('come from variables, empty ones too', () => {
    const secrets = openSecrets([fromEnv('a', 'A'), fromEnv('empty', 'EMPTY'), fromEnv('unset', 'UNSET')], { A: 'ä\n', EMPTY: '' });
    expect(secrets.read('a')).toEqual(Buffer.from('ä\n'));
    expect([secrets.has('empty'), secrets.read('empty')]).toEqual([true, Buffer.alloc(0)]);
    expect([secrets.has('unset'), secrets.read('unset')]).toEqual([false, undefined]);
    expect([secrets.has('other'), secrets.read('other')]).toEqual([false, undefined]);
  });

  it('stay as they were when first read', () => {
    writeFileSync(at('stable'), 'one');
    const secrets = openSecrets([fromFile('stable')]);
    expect(String(secrets.read('stable'))).toBe('one');
    appendFileSync(at('stable'), ' two');
    expect(String(secrets.read('stable'))).toBe('one');
  });

  it('are those given last when an id comes twice', () => {
    expect(String(openSecrets([fromEnv('a', 'A'), fromEnv('a', 'B')], { A: '1', B: '2' }).read('a'))).toBe('2');
  });

  it('can come by a pipe', () => {
    spawnSync('mkfifo', [at('pipe')]);
    spawnSync('sh', ['-c', 'printf piped > "$1" &', 'sh', at('pipe')], { stdio: 'ignore' });
    const secrets = openSecrets([fromFile('pipe')]);
    expect(String(secrets.read('pipe'))).toBe('piped');
    expect(String(secrets.read('pipe'))).toBe('piped');
  });

  it('have 500 KiB at most', () => {
    writeFileSync(at('full'), Buffer.alloc(500 * 1024, 'x'));
    expect(openSecrets([fromFile('full')]).read('full')).toHaveLength(500 * 1024);
    writeFileSync(at('large'), Buffer.alloc(500 * 1024 + 1, 'x'));
    expect(() => openSecrets([fromFile('large')])).toThrow('secret large too big: want at most 500 KiB');
    expect(() => openSecrets([fromEnv('a', 'A')], { A: 'x'.repeat(500 * 1024 + 1) }).read('a')).toThrow('secret a too big');
    expect(() => openSecrets([fromFile('zeros', '/dev/zero')]).read('zeros')).toThrow('secret zeros too big');
  });

  it('are missed at once when their file is', () => {
    expect(() => openSecrets([fromFile('none')])).toThrow(
      `secret none: cannot read ${JSON.stringify(at('none'))}: no such file or directory (ENOENT)`,
    );
    mkdirSync(at('dir'));
    expect(() => openSecrets([fromFile('dir')])).toThrow('is a directory, want a file');
  });
});
