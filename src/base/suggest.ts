const MAX_DISTANCE = 2;

/** The candidate nearest to a mistyped word, as BuildKit suggests: at most two edits away, in any case unless told otherwise. */
export function suggest(word: string, candidates: Iterable<string>, { caseSensitive = false } = {}): string | undefined {
  let best: string | undefined;
  let bestDistance = MAX_DISTANCE + 1;
  const fold = (text: string): string => (caseSensitive ? text : text.toLowerCase());
  const folded = fold(word);
  for (const candidate of candidates) {
    // A word can be as long as a file.
    if (Math.abs(candidate.length - word.length) > MAX_DISTANCE) continue;
    // Of candidates equally far, one with the same letters: RNU is RUN rather than ENV.
    const distance = editDistance(folded, fold(candidate)) - (lettersOf(folded) === lettersOf(fold(candidate)) ? 0.5 : 0);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** ` (did you mean X?)`, or nothing. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const best = suggest(word, candidates);
  return best === undefined ? '' : ` (did you mean ${best}?)`;
}

function lettersOf(word: string): string {
  return word.split('').toSorted().join('');
}

/** Levenshtein's distance, row by row. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const substitution = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(substitution, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}
