import type { SourceRange } from '../base/source.js';

/** What a check of BuildKit's has to say about a Dockerfile. Every text is BuildKit's own: tools match them. */
export interface LintWarning {
  /** `JSONArgsRecommended` */
  readonly ruleName: string;
  /** What the rule is about, the same for all its warnings. */
  readonly description: string;
  /** Where the rule is explained; `''` for the one rule that has no page. */
  readonly url: string;
  /** What is wrong here. */
  readonly detail: string;
  /** BuildKit has further levels and uses none of them. */
  readonly level: 1;
  /** Whole lines: of the instruction, its heredocs included. */
  readonly range: SourceRange;
}

/** `JSONArgsRecommended: JSON arguments recommended … (line 3)`: how a build tells it. */
export function shortForm({ ruleName, detail, range }: LintWarning): string {
  return `${ruleName}: ${detail} (line ${range.startLine})`;
}
