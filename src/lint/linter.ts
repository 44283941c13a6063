import { BuildError } from '../base/errors.js';
import type { SourceRange } from '../base/source.js';
import { lineRange } from '../parse/source.js';
import { commentOptions, isOn, type CheckOptions } from './options.js';
import type { Rule } from './rules.js';
import type { LintWarning } from './warning.js';

/** Where a warning points to, and the comments that may switch its rule off there. */
export interface Place {
  readonly range: SourceRange;
  readonly comments: readonly string[];
}

/** Keeps the warnings of the rules that are on, in the order in which they were given. */
export class Linter {
  readonly warnings: LintWarning[] = [];
  readonly #options: CheckOptions;

  constructor(options: CheckOptions) {
    this.#options = options;
  }

  /** Where no comment can switch the rule off, `comments` is left out. */
  warn(rule: Rule, { range, comments = [] }: Partial<Place> & Pick<Place, 'range'>, detail: string): void {
    const options = comments.length === 0 ? [this.#options] : [this.#options, commentOptions(comments)];
    if (!isOn(rule, options)) return;
    const { name, description, url } = rule;
    this.warnings.push({ ruleName: name, description, url, detail, level: 1, range: toLines(range) });
  }

  /** The error that `error=true` makes of the warnings given so far. */
  failure(): BuildError | undefined {
    const [first] = this.warnings;
    if (!this.#options.failsBuild || first === undefined) return undefined;
    const names = new Set(this.warnings.map(({ ruleName }) => ruleName));
    return new BuildError('dockerfile', `lint violation found for rules: ${[...names].join(', ')}`, { range: first.range });
  }
}

/** BuildKit's ranges know lines only. */
function toLines({ file, startLine, endLine }: SourceRange): SourceRange {
  return lineRange(file, startLine, endLine);
}
