import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { applyChmod, parseChmod } from '../../src/execute/chmod.js';

describe('--chmod', () => {
  it.each([
    ['777', 0o644, 0o777],
    ['0', 0o644, 0],
    ['4755', 0o644, 0o4755],
    ['07777', 0, 0o7777],
    ['go-w', 0o666, 0o644],
    ['a+X', 0o644, 0o644],
    ['a+X', 0o744, 0o755],
    ['u=rw,g=r,o=r', 0o777, 0o644],
    ['+x', 0o600, 0o711],
    ['=', 0o755, 0],
    ['u=', 0o755, 0o055],
    ['g=u,o=g', 0o750, 0o777],
    ['u+s,g+s,+t', 0o755, 0o7755],
    ['u+rw-x', 0o100, 0o600],
  ])('%s on a file of mode %o: %o', (text, mode, want) => {
    expect(applyChmod(parseChmod(text), mode, false)).toBe(want);
  });

  it('takes X for directories', () => {
    expect(applyChmod(parseChmod('u=rwX,go=rX'), 0o600, true)).toBe(0o755);
  });

  it.each(['64a', '10000', '', 'u', 'u+rwz', 'x+r', 'u=rw,', ',u=r', 'u+gr', '-1', '0x1', '8'])(
    '%j is refused with the text of BuildKit',
    (text) => {
      expect(() => parseChmod(text)).toThrow(`invalid chmod parameter: '${text}'. it should be octal string and between 0 and 07777`);
    },
  );

  describe('compared with chmod(1)', () => {
    let dir: string;
    beforeAll(() => {
      dir = mkdtempSync(join(tmpdir(), 'tsbuild-chmod-'));
      writeFileSync(join(dir, 'file'), '');
      mkdirSync(join(dir, 'directory'));
    });
    afterAll(() => {
      rmSync(dir, { recursive: true, force: true });
    });

    const changes = [
      'u+s',
      'g-s',
      '=rx',
      'g=rx',
      'o=t',
      '+t',
      'a=s',
      'u=rwxs,g=',
      'g=o',
      'o=u-x',
      'ug+X',
      '-rwx,+X',
      'a-st',
      'uo=rt',
      'g+s,g=r',
    ];
    const modes = [0o000, 0o644, 0o755, 0o7777, 0o2755, 0o4711, 0o1070];
    it.each(changes)('%s', (change) => {
      for (const name of ['file', 'directory']) {
        for (const mode of modes) {
          const path = join(dir, name);
          chmodSync(path, mode);
          // The shell's umask must not count: an operator without a class heeds it.
          execFileSync('sh', ['-c', 'umask 0; exec chmod -- "$1" "$2"', 'sh', change, path]);
          const want = statSync(path).mode & 0o7777;
          expect(applyChmod(parseChmod(change), mode, name === 'directory'), `${mode.toString(8)} of a ${name}`).toBe(want);
        }
      }
    });
  });
});
