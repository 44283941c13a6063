import { BuildError } from '../base/errors.js';
import type { RunInstruction } from '../parse/instruction.js';
import type { PlanInput, RunStep } from './plan.js';

/**
 * The network of a RUN: its own, or that of the build. The host's has to be allowed where the build does not have it anyway.
 * @throws BuildError `dockerfile`
 */
export function networkOf({ network, range }: RunInstruction, input: PlanInput): RunStep['network'] {
  if (network === 'host' && input.network === 'none') requireAllowed('network.host', range, input);
  return network === 'none' || network === 'host' ? network : input.network;
}

/**
 * How much a RUN is shut in.
 * @throws BuildError `dockerfile` when it would not be at all, and nobody has allowed that
 */
export function securityOf({ security, range }: RunInstruction, input: PlanInput): RunStep['security'] {
  if (security !== 'insecure') return 'sandbox';
  requireAllowed('security.insecure', range, input);
  return 'insecure';
}

function requireAllowed(entitlement: 'network.host' | 'security.insecure', range: RunInstruction['range'], { allowed }: PlanInput): void {
  if (allowed?.has(entitlement) === true) return;
  throw new BuildError('dockerfile', `entitlement ${entitlement} is not allowed`, {
    range,
    hint: `If you trust this Dockerfile with it: --allow ${entitlement}.`,
  });
}
