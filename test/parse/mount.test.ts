import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BuildError } from '../../src/base/errors.js';
import { Fault } from '../../src/parse/fault.js';
import { checkMount, mountFrom, parseMount, type MountFields } from '../../src/parse/mount.js';
import { errorOf, parse, parseOne, placeOf } from './helpers.js';

const asIs = (value: string): string => value;

describe('the keys of a mount', () => {
  const rows: [text: string, expected: Partial<MountFields>][] = [
    ['target=/a', { type: 'bind', target: '/a', writable: false, required: false }],
    ['TARGET=/a,Type=CACHE', { type: 'cache', target: '/a', writable: true }],
    ['dst=/a,src=b', { target: '/a', source: 'b' }],
    ['destination=/a,source=b,rw', { writable: true }],
    ['target=/a,readwrite', { writable: true }],
    ['target=/a,rw=true', { writable: true }],
    ['target=/a,rw=0', { writable: false }],
    ['target=/a,rw,ro', { writable: false }],
    ['type=cache,target=/a,ro', { writable: false }],
    ['type=cache,target=/a,readonly=1', { writable: false }],
    ['type=cache,target=/a,ro=false', { writable: true }],
    ['type=tmpfs,target=/a', { writable: true }],
    ['type=tmpfs,target=/a,size=64m', { sizeBytes: 64 * 2 ** 20 }],
    ['type=tmpfs,target=/a,size=1.5kb', { sizeBytes: 1536 }],
    ['type=tmpfs,target=/a,size=4096', { sizeBytes: 4096 }],
    ['type=cache,target=/a,sharing=LOCKED', { sharing: 'locked' }],
    ['type=cache,target=/a,mode=0751,uid=1001,gid=1002', { mode: 0o751, uid: 1001, gid: 1002 }],
    ['type=cache,target=/a,mode=2775', { mode: 0o2775 }],
    ['type=cache,target=/a,id=x,from=stage,source=/b', { id: 'x', from: 'stage', source: '/b' }],
    ['type=secret,id=a,required', { id: 'a', required: true, writable: false }],
    ['type=secret,id=a,required=false', { required: false }],
    ['type=secret,id=a,env=TOKEN', { env: 'TOKEN' }],
    ['type=ssh,required=true', { required: true }],
    ['target=/a=b', { target: '/a=b' }],
    ['"target=/a,b",source=c', { target: '/a,b', source: 'c' }],
    ['target=/a,target=/b', { target: '/b' }],
  ];
  for (const [text, expected] of rows) test(text, () => expect(parseMount(text, asIs)).toMatchObject(expected));

  test('58: every value but that of from is expanded, none that has no value', () => {
    const expand = (value: string): string => value.replaceAll('$x', 'cache');
    expect(parseMount('type=$x,target=/$x,id=$x,source=$x,rw,from=$', expand)).toMatchObject({
      type: 'cache',
      target: '/cache',
      id: 'cache',
      source: 'cache',
      from: '$',
    });
  });

  test('from is found without looking at anything else', () => {
    expect(mountFrom('type=$x,from=a,FROM=b,target')).toBe('b');
    expect(mountFrom('target=/a,from=')).toBeUndefined();
    expect(mountFrom('target=/a')).toBeUndefined();
  });
});

describe('what is wrong with a mount', () => {
  const rows: [text: string, message: string][] = [
    ['target=/a,nothing=y', `unexpected key 'nothing' in 'nothing=y'`],
    ['targt=/a', `unexpected key 'targt' in 'targt=/a' (did you mean target?)`],
    ['type=cache,sharin=locked', `unexpected key 'sharin' in 'sharin=locked' (did you mean sharing?)`],
    ['type=secret,evn=A', `unexpected key 'evn' in 'evn=A' (did you mean env?)`],
    ['type=bnd', 'unsupported mount type "bnd" (did you mean bind?)'],
    ['type=volume', 'unsupported mount type "volume"'],
    ['type=', 'unsupported mount type ""'],
    ['type=cache,sharing=lock', 'unsupported sharing value "lock" (did you mean locked?)'],
    ['type=cache,sharing=anything', 'unsupported sharing value "anything"'],
    ['target', `invalid field 'target' must be a key=value pair`],
    ['', `invalid field '' must be a key=value pair`],
    ['target=/a,', `invalid field '' must be a key=value pair`],
    ['target=/a,ro=maybe', 'invalid value for ro: maybe'],
    ['target=/a,readwrite=2', 'invalid value for readwrite: 2'],
    ['type=secret,id=a,required=x', 'invalid value for required: x'],
    ['target=/a,required', `unexpected key 'required' for mount type 'bind'`],
    ['required,type=secret,id=a', `unexpected key 'required' for mount type 'bind'`],
    ['target=/a,size=1', `unexpected key 'size' for mount type 'bind'`],
    ['size=1,type=tmpfs', `unexpected key 'size' for mount type 'bind'`],
    ['type=tmpfs,size=much', 'invalid value for size: much'],
    ['type=cache,mode=0855', 'invalid value 0855 for mode'],
    ['type=cache,mode=abc', 'invalid value abc for mode'],
    ['type=cache,uid=root', 'invalid value root for uid'],
    ['type=cache,uid=4294967295', 'invalid value 4294967295 for uid'],
    ['type=cache,gid=-1', 'invalid value -1 for gid'],
    ['target=/a,mode=0755', 'mode not allowed for "bind" type mounts'],
    ['type=tmpfs,uid=1', 'uid not allowed for "tmpfs" type mounts'],
    ['gid=1', 'gid not allowed for "bind" type mounts'],
    ['target=/a,sharing=shared', 'invalid cache sharing set for bind mount'],
    ['type=ssh,sharing=shared', 'invalid cache sharing set for ssh mount'],
    ['type=secret', 'invalid secret mount. one of source, target required'],
    ['type=secret,id=a,from=b', 'secret mount should not have a from'],
    ['type=secret,id=a,sharing=shared', 'secret mount should not define sharing'],
    ['type=secret,id=a,source=b', `both source and id can't be set`],
    ['type=ssh,source=a', 'ssh does not support source'],
  ];
  for (const [text, message] of rows) {
    test(`134: ${text === '' ? 'nothing' : text}`, () => {
      expect(errorOf(() => parseMount(text, asIs))).toMatchObject({ kind: 'dockerfile', message });
    });
  }

  test('a key before the type that has it comes with a hint', () => {
    expect(errorOf(() => parseMount('size=1,type=tmpfs', asIs)).hint).toContain('type= stands before size=');
  });
});

test('whatever a mount says is read or told', () => {
  const key = fc.constantFrom(
    'type',
    'from',
    'target',
    'src',
    'ro',
    'RW',
    'size',
    'id',
    'sharing',
    'mode',
    'uid',
    'env',
    'required',
    '"',
    '',
  );
  const value = fc.oneof(fc.constantFrom('bind', 'cache', 'tmpfs', 'secret', 'ssh', 'locked', '0755', '1', '64m', '/a', '$x'), fc.string());
  const field = fc.oneof(
    key,
    fc.tuple(key, value).map(([name, text]) => `${name}=${text}`),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.array(field, { maxLength: 6 }), (fields) => {
      try {
        checkMount(fields.join(','));
        mountFrom(fields.join(','));
        const { type, writable } = parseMount(fields.join(','), asIs);
        expect(['bind', 'cache', 'tmpfs', 'secret', 'ssh']).toContain(type);
        expect(typeof writable).toBe('boolean');
      } catch (error) {
        expect(error instanceof BuildError || error instanceof Fault, String(error)).toBe(true);
      }
    }),
    { numRuns: 3000 },
  );
});

describe('what the parser says, in stages that nothing needs as well', () => {
  const rows: [line: string, message: string][] = [
    ['RUN --mount=from=$x,target=/a b', `'from' doesn't support variable expansion, define alias stage instead`],
    ['RUN --mount=from=a${x}b,target=/a b', `'from' doesn't support variable expansion, define alias stage instead`],
    ['ONBUILD RUN --mount=type=cache,from=$x,target=/a b', `'from' doesn't support variable expansion, define alias stage instead`],
  ];
  for (const [line, message] of rows) {
    test(`57: ${line}`, () => {
      const error = errorOf(() => parse(`FROM scratch\n${line}\nFROM scratch`));
      expect(error).toMatchObject({ kind: 'dockerfile', message });
      expect(placeOf(error)).toMatch(/^2:/);
    });
  }

  test('a quote that is not closed', () => {
    expect(errorOf(() => parse('FROM scratch\nRUN --mount=\\"target=/a b')).message).toMatch(/^failed to parse csv mounts: /);
  });

  test('nothing else: a later stage may never need it', () => {
    expect(parseOne('run', 'RUN --mount=type=nothing,x --mount=target=$y b').mounts).toEqual(['type=nothing,x', 'target=$y']);
  });

  test('43: a heredoc behind mounts', () => {
    expect(parseOne('run', 'RUN --mount=target=/a --mount=type=tmpfs,target=/b <<EOF\nb\nEOF')).toMatchObject({
      mounts: ['target=/a', 'type=tmpfs,target=/b'],
      command: { form: 'shell', text: '<<EOF' },
      heredocs: [{ name: 'EOF', body: 'b\n' }],
    });
  });
});
