import { describe, expect, test } from 'vitest';
import { checkRunAbility, requireMountPrivilege } from '../../src/os/privilege.js';
import { findRuntime, runtimeVersion, vulnerabilityWarning } from '../../src/os/runtime.js';
import { whyNoContainers } from '../execute/sandbox.js';

describe('what the machine allows', () => {
  test('a runtime that is missing is named', () => {
    expect(() => findRuntime('no-such-runtime')).toThrow(
      expect.objectContaining({ kind: 'environment', message: 'OCI runtime "no-such-runtime" not found on PATH' }) as Error,
    );
    expect(() => findRuntime('/no/such')).toThrow('OCI runtime "/no/such" not found');
  });

  test('not root, and root without the capability', () => {
    const status = 'Name:\tnode\nCapEff:\t00000000a80425fb\n';
    expect(() => requireMountPrivilege(1000, status)).toThrow(expect.objectContaining({ kind: 'privilege' }) as Error);
    expect(() => requireMountPrivilege(0, status)).toThrow(/CAP_SYS_ADMIN/);
    expect(() => requireMountPrivilege(0, 'CapEff:\t000001ffffffffff\n')).not.toThrow();
  });

  const reason = whyNoContainers('runc');
  test.skipIf(reason !== undefined)('this machine runs runc', async () => {
    const runtime = checkRunAbility('runc');
    expect(runtime.kind).toBe('runc');
    expect(await runtimeVersion(runtime)).toMatch(/^runc \d+\.\d+\.\d+/);
  });
});

test.each([
  ['runc 1.1.5+ds1', true],
  ['runc 1.2.7', true],
  ['runc 1.2.8', false],
  ['runc 1.3.2', true],
  ['runc 1.3.3', false],
  ['runc 1.4.0', false],
  ['runc 2.0.0', false],
  ['crun 1.8.1', false],
  ['youki 0.5.0', false],
])('%s: warned of %s', (version, warned) => {
  expect(vulnerabilityWarning(version) !== undefined).toBe(warned);
});
