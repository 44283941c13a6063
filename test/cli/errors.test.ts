import { describe, expect, it } from 'vitest';
import { BuildError, type ErrorKind } from '../../src/base/errors.js';
import { exitCodeOf, renderError } from '../../src/cli/errors.js';
import { redact } from '../../src/cli/redact.js';

const RANGE = {
  file: { name: 'Dockerfile', lines: ['FROM scratch', 'COPY a /', 'RUN make \\', '  all', 'CMD x'] },
  startLine: 3,
  startColumn: 1,
  endLine: 4,
  endColumn: 6,
};

function render(error: unknown, debug = false): string {
  return renderError(error, { debug });
}

describe('renderError', () => {
  it('says what failed, where, why, and what to do', () => {
    const error = new BuildError('step', 'process "make all" ended with status 2', {
      range: RANGE,
      lastLines: ['cc: not found', 'make: *** [all] Error 127'],
      hint: 'install a compiler',
      exitCode: 2,
    });
    expect(render(error)).toBe(
      [
        'ERROR: Dockerfile:3:1: process "make all" ended with status 2',
        'last lines of its output:',
        '  | cc: not found',
        '  | make: *** [all] Error 127',
        '    1 | FROM scratch',
        '    2 | COPY a /',
        '>>> 3 | RUN make \\',
        '>>> 4 |   all',
        '    5 | CMD x',
        'hint: install a compiler',
        '',
      ].join('\n'),
    );
  });

  it('is one line when there is no more to say', () => {
    expect(render(new BuildError('usage', 'x'))).toBe('ERROR: x\n');
    expect(render(new BuildError('usage', 'x'), true)).toBe('ERROR: x\n');
  });

  it('hides passwords in messages, frames and output', () => {
    const file = { name: 'Dockerfile', lines: ['RUN curl https://me:secret@host/'] };
    const range = { file, startLine: 1, startColumn: 1, endLine: 1, endColumn: 2 };
    const error = new BuildError('step', 'failed: https://me:secret@host/', { range, lastLines: ['ftp://secret@host'] });
    expect(render(error)).not.toContain('secret');
    expect(render(new Error('at https://a:secret@b'), true)).not.toContain('secret');
  });

  it('asks for a report of what is a fault of its own, with a stack only when debugging', () => {
    const error = new TypeError('x is not a function', { cause: new Error('below') });
    expect(render(error)).toBe(
      'ERROR: internal error: x is not a function\nhint: this is a fault of tsbuild: please report it, with the output of the same command with --debug\n',
    );
    expect(render(error, true)).toContain('errors.test.ts');
    expect(render(error, true)).toContain('caused by: Error: below');
    expect(render('text')).toContain('internal error: text');
  });

  it('does not take a full disk for a fault of its own', () => {
    const error = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    expect(render(error)).toBe('ERROR: ENOSPC: no space left on device, write\nhint: free some space on that file system\n');
    expect(exitCodeOf(error)).toBe(1);
  });
});

describe('exitCodeOf', () => {
  it.each<[ErrorKind, number]>([
    ['step', 1],
    ['input', 1],
    ['environment', 1],
    ['usage', 2],
    ['dockerfile', 2],
    ['unsupported', 2],
    ['registry', 3],
    ['privilege', 5],
    ['internal', 125],
    ['cancelled', 130],
  ])('%s is %d', (kind, code) => {
    expect(exitCodeOf(new BuildError(kind, ''))).toBe(code);
  });
  it('knows the signal that stopped a build, and faults', () => {
    expect(exitCodeOf(new BuildError('cancelled', ''), 'SIGTERM')).toBe(143);
    expect(exitCodeOf(new BuildError('cancelled', ''), 'SIGINT')).toBe(130);
    expect(exitCodeOf(new BuildError('step', ''), 'SIGINT')).toBe(1);
    expect(exitCodeOf(new Error('x'))).toBe(125);
  });
});

describe('redact', () => {
  it.each([
    ['https://user:pass@host/x', 'https://***@host/x'],
    ['git+ssh://git@host/x', 'git+ssh://***@host/x'],
    ['https://u:p@ss@host/', 'https://***@host/'],
    ['two https://a@b and http://c:d@e', 'two https://***@b and http://***@e'],
    ['"https://a:b@c"', '"https://***@c"'],
    ['https://host/path@1', 'https://host/path@1'],
    ['mail me@host', 'mail me@host'],
    [`docker-image://app@sha256:x`, 'docker-image://app@sha256:x'],
    [`docker://app@sha256:${'0a'.repeat(32)}`, `docker://app@sha256:${'0a'.repeat(32)}`],
    ['docker://user:pass@host/app', 'docker://***@host/app'],
    ['docker://user:pass@sha256:x', 'docker://***@sha256:x'],
  ])('%s', (text, expected) => {
    expect(redact(text)).toBe(expected);
  });
});
