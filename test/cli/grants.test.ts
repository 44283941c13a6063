import { describe, expect, it } from 'vitest';
import { BuildError } from '../../src/base/errors.js';
import { parseAllow, parseSecret, parseSsh } from '../../src/cli/grants.js';

function errorOf(action: () => unknown): BuildError {
  try {
    action();
  } catch (error) {
    if (error instanceof BuildError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('--secret', () => {
  const env = { TOKEN: 'x', EMPTY: '' };
  const file = (path: string): object => ({ kind: 'file', path });
  const variable = (name: string): object => ({ kind: 'env', name });

  it.each([
    ['id=a,src=f', 'a', file('f')],
    ['id=a,source=f', 'a', file('f')],
    ['src=dir/f=1,ID=a', 'a', file('dir/f=1')],
    ['id=a,type=file,src=f', 'a', file('f')],
    ['id=a,"src=with,comma"', 'a', file('with,comma')],
    ['id=a,env=TOKEN', 'a', variable('TOKEN')],
    ['id=a,env=UNSET', 'a', variable('UNSET')],
    ['id=a,type=env,env=TOKEN', 'a', variable('TOKEN')],
    ['id=a,type=env,src=TOKEN', 'a', variable('TOKEN')],
    ['id=TOKEN,type=env', 'TOKEN', variable('TOKEN')],
    ['id=a,src=f,env=TOKEN', 'a', variable('TOKEN')],
    ['id=TOKEN', 'TOKEN', variable('TOKEN')],
    ['id=EMPTY', 'EMPTY', variable('EMPTY')],
    ['id=UNSET', 'UNSET', file('UNSET')],
    ['id=TOKEN,type=file', 'TOKEN', file('TOKEN')],
  ])('reads %s', (text, id, source) => {
    expect(parseSecret(text, env)).toEqual({ id, source });
  });

  it.each([
    ['src=f', 'the id is missing'],
    ['id=', 'the id is missing'],
    ['id=a,hunter2', 'every field must be a key=value pair'],
    ['id=a,type=vault', 'want type=file or type=env'],
    ['id=a,sorce=f', 'unexpected key "sorce" (did you mean source?)'],
    ['id=a,value=hunter2', 'unexpected key "value"'],
    ['id=a,"src=hunter2', 'a quote is not closed'],
  ])('refuses %s', (text, reason) => {
    const { kind, message, hint } = errorOf(() => parseSecret(text, env));
    expect([kind, message]).toEqual(['usage', `invalid --secret: ${reason}`]);
    expect(`${message} ${hint}`).not.toContain('hunter2');
  });
});

describe('--ssh', () => {
  it.each([
    [['default'], [{ id: 'default', paths: [] }]],
    [['default='], [{ id: 'default', paths: [] }]],
    [['=/run/agent'], [{ id: 'default', paths: ['/run/agent'] }]],
    [['gh=/run/agent'], [{ id: 'gh', paths: ['/run/agent'] }]],
    [
      ['gh=key1,key2', 'default'],
      [
        { id: 'gh', paths: ['key1', 'key2'] },
        { id: 'default', paths: [] },
      ],
    ],
  ])('reads %j', (texts, specs) => {
    expect(parseSsh(texts)).toEqual(specs);
  });

  it('refuses an id that comes twice', () => {
    expect(errorOf(() => parseSsh(['a=1', 'a=2']))).toMatchObject({ kind: 'usage', message: 'invalid --ssh: duplicate agent ID a' });
  });
});

describe('--allow', () => {
  it.each(['network.host', 'security.insecure'])('takes %s', (text) => {
    expect(parseAllow(text)).toBe(text);
  });

  it.each([
    ['network.hots', 'usage', 'want network.host or security.insecure (did you mean network.host?)'],
    ['', 'usage', 'want network.host or security.insecure'],
    ['device', 'unsupported', '--allow device is not supported'],
    ['device=vendor.com/gpu', 'unsupported', '--allow device is not supported'],
    ['fs.read=/', 'unsupported', '--allow fs.read is not supported'],
  ])('refuses %j', (text, kind, reason) => {
    const error = errorOf(() => parseAllow(text));
    expect(error.kind).toBe(kind);
    expect(error.message).toContain(reason);
  });
});
