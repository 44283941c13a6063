import type { Candidate } from './measure.js';

export interface Workload {
  readonly title: string;
  readonly prepare: () => void;
  readonly candidates: () => readonly Candidate[];
  /** Highest ratio of tsbuild's median to that of the other. */
  readonly limits: Readonly<Record<string, number>>;
  /** Highest median of a candidate, for what nobody else is measured at. */
  readonly limitsSeconds?: Readonly<Record<string, number>>;
  /** Of tsbuild's largest process; 300 MB where nothing is said. */
  readonly maxPeakBytes?: number;
}
