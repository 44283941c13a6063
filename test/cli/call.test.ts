import { describe, expect, it } from 'vitest';
import { parseCall } from '../../src/cli/call.js';

const CALL = { format: 'text', ignoresStatus: false } as const;

describe('--check and --call', () => {
  it.each([
    [{}, { ...CALL, method: 'build' }],
    [{ check: true }, { ...CALL, method: 'check' }],
    [
      { check: true, call: 'build' },
      { ...CALL, method: 'check' },
    ],
    [
      { check: true, call: 'check,format=json' },
      { ...CALL, method: 'check', format: 'json' },
    ],
    [{ call: 'build' }, { ...CALL, method: 'build' }],
    [{ call: 'check' }, { ...CALL, method: 'check' }],
    [{ call: 'lint' }, { ...CALL, method: 'check' }],
    [{ call: 'outline,format=text' }, { ...CALL, method: 'outline' }],
    [{ call: 'targets,"format=json"' }, { ...CALL, method: 'targets', format: 'json' }],
    [{ call: 'check,ignorestatus' }, { ...CALL, method: 'check', ignoresStatus: true }],
    [{ call: 'check,ignorestatus=false,format=json' }, { ...CALL, method: 'check', format: 'json' }],
  ])('%j', (flags, call) => expect(parseCall(flags)).toEqual(call));

  it.each([
    [{ call: '' }, 'there is no method ""'],
    [{ call: 'targts' }, '(did you mean targets?)'],
    [{ call: 'check,"' }, 'there is no method'],
    [{ call: 'check,format=jsn' }, '(did you mean json?)'],
    [{ call: 'check,format' }, 'there is no format ""'],
    [{ call: 'check,ignorestatus=maybe' }, '"ignorestatus=maybe" means nothing here'],
    [{ call: 'subrequests.describe' }, 'there is no method'],
    [{ call: 'outline', check: true }, 'ask for different things'],
  ])('%j is refused', (flags, message) => expect(() => parseCall(flags)).toThrow(message));
});
