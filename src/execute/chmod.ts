import { BuildError } from '../base/errors.js';

/** A parsed `--chmod`. */
export type ModeChange =
  | { readonly kind: 'octal'; readonly mode: number }
  /** Applied one after the other to the mode of each file. */
  | { readonly kind: 'symbolic'; readonly actions: readonly ModeAction[] };

interface ModeAction {
  readonly operator: '+' | '-' | '=';
  /** Bits of the classes named before the operator; 0 for none: all bits, there being no umask. */
  readonly affected: number;
  /** Bits named after the operator; for a copy the bits of the class that is copied from. */
  readonly value: number;
  readonly source: 'bits' | 'copy';
  /** `X`: execute for directories and for what somebody can execute already. */
  readonly conditionalExecute: boolean;
}

const SETUID = 0o4000;
const SETGID = 0o2000;
const STICKY = 0o1000;
const ALL = 0o7777;
const READ = 0o444;
const WRITE = 0o222;
const EXECUTE = 0o111;

const CLASS_BITS: Readonly<Record<string, number>> = { u: SETUID | 0o700, g: SETGID | 0o070, o: STICKY | 0o007, a: ALL };
const COPY_BITS: Readonly<Record<string, number>> = { u: 0o700, g: 0o070, o: 0o007 };
const PERMISSION_BITS: Readonly<Record<string, number>> = { r: READ, w: WRITE, x: EXECUTE, X: 0, s: SETUID | SETGID, t: STICKY };

/**
 * An octal number up to 07777, or the symbolic modes of chmod(1): `u=rwX,go-w`, `g=u`, `+x`.
 * @throws BuildError `dockerfile` with BuildKit's text
 */
export function parseChmod(text: string): ModeChange {
  if (/^[0-7]+$/.test(text)) {
    const mode = Number.parseInt(text, 8);
    if (mode > ALL) throw invalid(text);
    return { kind: 'octal', mode };
  }
  const actions: ModeAction[] = [];
  for (const clause of text.split(',')) {
    const parsed = /^(?<who>[ugoa]*)(?<changes>(?:[-+=](?:[ugo]|[rwxXst]*))+)$/.exec(clause)?.groups;
    if (parsed === undefined) throw invalid(text);
    const affected = bitsOf(parsed['who'] ?? '', CLASS_BITS);
    for (const [, operator, names] of (parsed['changes'] ?? '').matchAll(/([-+=])([^-+=]*)/g)) {
      actions.push(toAction(operator as ModeAction['operator'], affected, names ?? ''));
    }
  }
  return { kind: 'symbolic', actions };
}

function toAction(operator: ModeAction['operator'], affected: number, names: string): ModeAction {
  const copied = COPY_BITS[names];
  return {
    operator,
    affected,
    value: copied ?? bitsOf(names, PERMISSION_BITS),
    source: copied === undefined ? 'bits' : 'copy',
    conditionalExecute: names.includes('X'),
  };
}

function bitsOf(letters: string, table: Readonly<Record<string, number>>): number {
  let bits = 0;
  for (const letter of letters) bits |= table[letter] ?? 0;
  return bits;
}

function invalid(text: string): BuildError {
  return new BuildError('dockerfile', `invalid chmod parameter: '${text}'. it should be octal string and between 0 and 07777`, {
    hint: 'write an octal mode such as 755, or a symbolic one such as u=rwX,go=rX',
  });
}

/** The mode after the change. Permission bits with setuid, setgid and sticky, before and after. */
export function applyChmod(change: ModeChange, mode: number, isDirectory: boolean): number {
  if (change.kind === 'octal') return change.mode;
  let changed = mode;
  for (const action of change.actions) changed = applyAction(action, changed, isDirectory);
  return changed;
}

function applyAction(action: ModeAction, mode: number, isDirectory: boolean): number {
  const { operator, affected } = action;
  let value = action.source === 'copy' ? spread(action.value & mode) : action.value;
  if (action.conditionalExecute && (isDirectory || (mode & EXECUTE) !== 0)) value |= EXECUTE;
  // GNU chmod leaves setuid and setgid of a directory alone unless they are named: they have a meaning of their own there.
  const mentioned = affected === 0 ? action.value : affected & action.value;
  const kept = isDirectory ? (SETUID | SETGID) & ~mentioned : 0;
  value &= (affected === 0 ? ALL : affected) & ~kept;
  if (operator === '+') return mode | value;
  if (operator === '-') return mode & ~value;
  const preserved = (affected === 0 ? 0 : ALL & ~affected) | kept;
  return (mode & preserved) | value;
}

/** The permissions of one class for all three. */
function spread(bits: number): number {
  return ((bits & READ) === 0 ? 0 : READ) | ((bits & WRITE) === 0 ? 0 : WRITE) | ((bits & EXECUTE) === 0 ? 0 : EXECUTE);
}
