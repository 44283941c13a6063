import type { NamedOverlay } from './overlay.js';
import { quote } from './quote.js';

/** Something to mount at an empty directory `at`: an overlay, or a directory. */
export type NamedSource = { readonly at: string } & (NamedOverlay | { readonly from: string });

/**
 * The part of a chain's script that is known only when its step's turn has come: mounts the sources and names the overlay of the root. A mount that
 * fails ends the script that reads it.
 */
export function mountScript(overlay: NamedOverlay, sources: readonly NamedSource[]): string {
  const mounts = sources.map((source) => `(${'from' in source ? bindCommand(source) : overlayCommand(source)}) || return\n`);
  return `${mounts.join('')}BASE=${quote(overlay.base)} OPTIONS=${quote(overlay.options)}\n`;
}

function overlayCommand({ at, base, options }: NamedOverlay & { readonly at: string }): string {
  return `cd ${quote(base)} && "$MOUNT" -t overlay -o ${quote(options)} overlay ${quote(at)}`;
}

/** What is mounted is the directory that was entered, and that one is looked at: its path may have become a symlink meanwhile (CVE-2024-23651). */
function bindCommand({ from, at }: { readonly from: string; readonly at: string }): string {
  const moved = `{ echo "the source of a mount has moved" >&2; false; }`;
  return `cd ${quote(from)} && { [ "$(pwd -P)" = ${quote(from)} ] || ${moved}; } && "$MOUNT" --no-canonicalize --bind . ${quote(at)}`;
}
