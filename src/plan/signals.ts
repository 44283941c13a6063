import { BuildError } from '../base/errors.js';

const NAMES = new Set(
  (
    'ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP TSTP TTIN TTOU URG USR1 ' +
    'USR2 VTALRM WINCH XCPU XFSZ'
  ).split(' '),
);
const REAL_TIME = /^RTM(?:IN(?:\+([1-9][0-9]*))?|AX(?:-([1-9][0-9]*))?)$/;
/** Linux has the signals 34 to 64 for programs; RTMIN+15 and RTMAX-14 are the farthest that have names. */
const MAX_REAL_TIME_OFFSET = { min: 15, max: 14 };

/**
 * STOPSIGNAL takes a name, with or without `SIG`, in any case, or any number other than 0: BuildKit lets negative ones pass, too.
 * @throws BuildError `dockerfile`
 */
export function checkSignal(signal: string): void {
  if (/^[-+]?[0-9]+$/.test(signal) ? Number(signal) !== 0 : isSignalName(signal.toUpperCase().replace(/^SIG/, ''))) return;
  throw new BuildError('dockerfile', `invalid signal: ${signal}`, { hint: 'Give a name such as SIGTERM or a number.' });
}

function isSignalName(name: string): boolean {
  const realTime = REAL_TIME.exec(name);
  if (realTime === null) return NAMES.has(name);
  return Number(realTime[1] ?? 0) <= MAX_REAL_TIME_OFFSET.min && Number(realTime[2] ?? 0) <= MAX_REAL_TIME_OFFSET.max;
}
