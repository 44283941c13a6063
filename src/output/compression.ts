import { BuildError } from '../base/errors.js';
import { didYouMean } from '../base/suggest.js';
import { COMPRESSION_LEVELS, type Compression } from '../image/image.js';

/**
 * buildx's words for compressions, `none` among them.
 * @throws BuildError `usage`, `unsupported` for estargz
 */
export function parseCompression(text: string | undefined): Compression | undefined {
  switch (text) {
    case undefined:
      return undefined;
    case 'gzip':
    case 'zstd':
    case 'none':
      return text;
    case 'uncompressed':
      return 'none';
    case 'estargz':
      throw new BuildError('unsupported', 'compression estargz is not supported yet', { hint: 'use gzip or zstd' });
    default:
      throw new BuildError(
        'usage',
        `unknown compression ${JSON.stringify(text)}${didYouMean(text, ['gzip', 'zstd', 'none'])}: want gzip, zstd or none`,
      );
  }
}

/**
 * A level that suits the compression (gzip when `undefined`).
 * @throws BuildError `usage`
 */
export function parseCompressionLevel(text: string | undefined, compression: Compression | undefined): number | undefined {
  if (text === undefined) return undefined;
  const [lowest, highest] = COMPRESSION_LEVELS[compression ?? 'gzip'];
  const level = /^\d{1,2}$/.test(text) ? Number(text) : Number.NaN;
  if (level >= lowest && level <= highest) return level;
  throw new BuildError(
    'usage',
    `invalid compression level ${JSON.stringify(text)} for ${compression ?? 'gzip'}: want ${lowest} to ${highest}`,
  );
}
