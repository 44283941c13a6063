import { BuildError } from '../base/errors.js';
import type { Platform } from './types.js';

/** Node's words for machines, where Go's differ. */
const NODE_ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386', mipsel: 'mipsle', ppc64: 'ppc64le' };

const KNOWN_OS = new Set(['linux', 'windows', 'darwin', 'freebsd', 'wasip1']);

/** The platform of this process: `linux/amd64`, `linux/arm64`, `linux/arm/v7`. */
export function hostPlatform(): Platform {
  return normalizePlatform({ os: process.platform, architecture: NODE_ARCHITECTURES[process.arch] ?? process.arch });
}

/** `linux/amd64`, `linux/arm/v7` */
export function formatPlatform(platform: Platform): string {
  return [platform.os, platform.architecture, ...(platform.variant === undefined ? [] : [platform.variant])].join('/');
}

/**
 * `os`, `arch`, `os/arch` or `os/arch/variant`, as containerd reads it: one word alone is an operating system or an architecture of the host's
 * system.
 *
 * @throws BuildError `usage`
 */
export function parsePlatform(text: string): Platform {
  const parts = text.split('/');
  if (parts.length > 3 || !parts.every((part) => /^[A-Za-z0-9_.-]+$/.test(part))) {
    throw new BuildError('usage', `invalid platform ${JSON.stringify(text)}: want os/arch or os/arch/variant`, {
      hint: 'write for example linux/amd64',
    });
  }
  const [first = '', second, variant] = parts;
  const host = hostPlatform();
  if (second !== undefined) {
    return normalizePlatform({ os: first, architecture: second, ...(variant === undefined ? {} : { variant }) });
  }
  return KNOWN_OS.has(normalizeOs(first))
    ? normalizePlatform({ os: first, architecture: host.architecture, ...(host.variant === undefined ? {} : { variant: host.variant }) })
    : normalizePlatform({ os: host.os, architecture: first });
}

/** One spelling for each platform: `x86_64` is `amd64`, `aarch64` and `arm64/v8` are `arm64`, `armhf` and plain `arm` are `arm/v7`. */
export function normalizePlatform(platform: Platform): Platform {
  const { architecture, variant } = normalizeArchitecture(platform.architecture.toLowerCase(), platform.variant?.toLowerCase());
  const version = platform['os.version'];
  return {
    os: normalizeOs(platform.os),
    architecture,
    ...(variant === undefined || variant === '' ? {} : { variant }),
    ...(version === undefined ? {} : { 'os.version': version }),
  };
}

/** Whether two platforms are the same after normalising. */
export function samePlatform(a: Platform, b: Platform): boolean {
  return formatPlatform(normalizePlatform(a)) === formatPlatform(normalizePlatform(b));
}

/** Whether an image for `offered` runs on `wanted`: the same platform, or an older variant of it where newer ones run the programs of older ones. */
export function matchesPlatform(offered: Platform, wanted: Platform): boolean {
  const [image, machine] = [normalizePlatform(offered), normalizePlatform(wanted)];
  if (image.os !== machine.os || image.architecture !== machine.architecture) return false;
  if (image.architecture === 'arm') return (image.variant ?? 'v7') <= (machine.variant ?? 'v7');
  if (image.architecture === 'amd64') return (image.variant ?? 'v1') <= (machine.variant ?? 'v1');
  return image.variant === machine.variant;
}

function normalizeOs(os: string): string {
  const lower = os.toLowerCase();
  return lower === 'macos' ? 'darwin' : lower;
}

function normalizeArchitecture(architecture: string, variant: string | undefined): { architecture: string; variant: string | undefined } {
  switch (architecture) {
    case 'i386':
    case 'i486':
    case 'i586':
    case 'i686':
      return { architecture: '386', variant: undefined };
    case 'x86_64':
    case 'x86-64':
    case 'amd64':
      return { architecture: 'amd64', variant: variant === 'v1' ? undefined : variant };
    case 'aarch64':
    case 'arm64':
      return { architecture: 'arm64', variant: variant === '8' || variant === 'v8' ? undefined : variant };
    case 'armhf':
      return { architecture: 'arm', variant: 'v7' };
    case 'armel':
      return { architecture: 'arm', variant: 'v6' };
    case 'arm':
      return { architecture: 'arm', variant: armVariant(variant) };
    default:
      return { architecture, variant };
  }
}

function armVariant(variant: string | undefined): string {
  if (variant === undefined || variant === '' || variant === '7') return 'v7';
  return /^[5-8]$/.test(variant) ? `v${variant}` : variant;
}
