import { describe, expect, it } from 'vitest';
import { planError, stepOf } from './helpers.js';

describe('entitlements', () => {
  it('132: the network of the host is what the build has, so that no allowance is needed', () => {
    expect(stepOf('RUN --network=host x')).toMatchObject({ network: 'host' });
  });

  it('132: in a build without network it has to be allowed', () => {
    const error = planError('FROM scratch\nRUN --network=host x', { network: 'none' });
    expect(error).toMatchObject({
      kind: 'dockerfile',
      message: 'entitlement network.host is not allowed',
      hint: 'If you trust this Dockerfile with it: --allow network.host.',
      range: { startLine: 2 },
    });
    expect(stepOf('RUN --network=host x', { network: 'none', allowed: ['network.host'] })).toMatchObject({ network: 'host' });
  });

  it('a step is shut in unless it says otherwise and may', () => {
    expect(stepOf('RUN x')).toMatchObject({ security: 'sandbox' });
    expect(stepOf('RUN --security=sandbox x', { allowed: ['security.insecure'] })).toMatchObject({ security: 'sandbox' });
    expect(stepOf('RUN --security=insecure x', { allowed: ['security.insecure'] })).toMatchObject({ security: 'insecure' });
    expect(planError('FROM scratch\nRUN --security=insecure x', { allowed: ['network.host'] })).toMatchObject({
      kind: 'dockerfile',
      message: 'entitlement security.insecure is not allowed',
      range: { startLine: 2 },
    });
  });

  it('are asked for by the steps that are reached alone', () => {
    expect(stepOf('RUN --security=insecure x\nFROM scratch\nRUN y')).toMatchObject({ security: 'sandbox' });
  });

  it('a trigger needs them as well', () => {
    const images = { base: { OnBuild: ['RUN --security=insecure x'] } };
    expect(planError('FROM base', { images }).message).toBe('entitlement security.insecure is not allowed');
  });

  it('devices are refused', () => {
    expect(planError('FROM scratch\nRUN --device=vendor.com/gpu=0 x')).toMatchObject({
      kind: 'unsupported',
      message: 'not supported yet: RUN --device',
      hint: 'No device of this machine is handed to steps: leave --device out.',
    });
  });
});

describe('heredocs that name their interpreter', () => {
  it('31: are files, and history shows their path', () => {
    expect(stepOf('ARG a=1\nRUN <<EOF\n#!/usr/bin/env python3\nprint("$a")\nEOF')).toMatchObject({
      args: ['/bin/sh', '-c', '/dev/pipes/EOF'],
      scripts: [{ name: 'EOF', text: '#!/usr/bin/env python3\nprint("$a")\n' }],
      history: { created_by: 'RUN |1 a=1 /bin/sh -c /dev/pipes/EOF # buildkit' },
    });
  });

  it('31: lose the tabs that <<- drops, so that #! comes first', () => {
    expect(stepOf('RUN <<-"X"\n\t#!/bin/awk -f\n\t\tBEGIN {}\n\tX')).toMatchObject({
      args: ['/bin/sh', '-c', '/dev/pipes/X'],
      scripts: [{ name: 'X', text: '#!/bin/awk -f\nBEGIN {}\n' }],
    });
  });

  it('31: run by the SHELL that there is', () => {
    expect(stepOf('SHELL ["/bin/bash", "-c"]\nRUN <<EOF\n#!/x\nEOF')).toMatchObject({ args: ['/bin/bash', '-c', '/dev/pipes/EOF'] });
  });

  it.each([
    ['RUN cat <<EOF\n#!/x\nEOF', 'cat <<EOF\n#!/x\nEOF'],
    ['RUN <<EOF\n #!/x\nEOF', ' #!/x\n'],
  ])('%j is none', (lines, text) => {
    expect(stepOf(lines)).toMatchObject({ args: ['/bin/sh', '-c', text], scripts: [] });
  });

  it('cannot have names that no file has', () => {
    expect(planError('FROM scratch\nRUN <<a/b\n#!/x\na/b')).toMatchObject({
      kind: 'dockerfile',
      message: 'heredoc "a/b" begins with #!, so its name has to be that of a file',
      range: { startLine: 2 },
    });
  });
});

describe('the host name of steps', () => {
  it('131: is buildkitsandbox, or what the build argument says', () => {
    expect(stepOf('RUN x')).toMatchObject({ hostname: 'buildkitsandbox' });
    expect(stepOf('RUN x', { buildArgs: { BUILDKIT_SANDBOX_HOSTNAME: '' } })).toMatchObject({ hostname: 'buildkitsandbox' });
    const step = stepOf('RUN x', { buildArgs: { BUILDKIT_SANDBOX_HOSTNAME: 'ci-1.example' } });
    expect(step).toMatchObject({ hostname: 'ci-1.example', history: { created_by: 'RUN /bin/sh -c x # buildkit' } });
    expect(JSON.stringify(step.kind === 'run' ? step.env : [])).not.toContain('ci-1');
  });

  it.each(['a b', 'a\nb', 'x'.repeat(65)])('131: %j is refused', (name) => {
    expect(planError('FROM scratch\nRUN x', { buildArgs: { BUILDKIT_SANDBOX_HOSTNAME: name } })).toMatchObject({ kind: 'usage' });
  });
});
