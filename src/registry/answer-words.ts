import { toShownUrl } from '../base/url.js';

const MAX_SHOWN_CHARACTERS = 400;

/** Of an answer. */
interface Typed {
  /** Lower case and without parameters. */
  readonly mediaType: string;
}

/**
 * What a server says of an error, and the codes of its errors. @param secrets what it was told in confidence, and might repeat
 */
export function readWords(
  answer: Typed,
  bytes: Buffer,
  secrets: readonly string[] | undefined,
): { words: string; codes: readonly string[] } {
  if (bytes.length === 0) return { words: '', codes: [] };
  if (isWebPage(answer, bytes)) return { words: 'a web page', codes: [] };
  const errors = parseErrors(bytes.toString('utf8'));
  const codes = errors.flatMap(({ code }) => (code === undefined ? [] : [code]));
  const text = errors.length > 0 ? errors.map(({ text: one }) => one).join('; ') : bytes.toString('utf8');
  return { words: toLine(text, secrets), codes };
}

/** `{"errors":[{"code":"DENIED","message":"...","detail":...}]}` (distribution-spec, "Error codes"); token services say `details` or `error`. */
function parseErrors(text: string): { code?: string; text: string }[] {
  const document = parseJson(text);
  if (typeof document !== 'object' || document === null) return [];
  if ('errors' in document && Array.isArray(document.errors)) return document.errors.flatMap(toErrorText);
  const fields = ['error_description', 'error', 'details', 'message'] as const;
  const record = document as Readonly<Record<string, unknown>>;
  const said = fields.map((name) => record[name]).find((value) => typeof value === 'string');
  return typeof said === 'string' ? [{ text: said }] : [];
}

function toErrorText(error: unknown): { code?: string; text: string }[] {
  if (typeof error !== 'object' || error === null) return [];
  const { code, message, detail } = error as { code?: unknown; message?: unknown; detail?: unknown };
  const parts = [code, message, typeof detail === 'string' && detail !== message ? detail : undefined];
  const text = parts.filter((part) => typeof part === 'string' && part !== '').join(': ');
  return text === '' ? [] : [{ text, ...(typeof code === 'string' ? { code } : {}) }];
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Fit for a message: one line, not too long, nothing that moves the cursor, no signature of a URL, no secret of ours. */
export function toLine(text: string, secrets: readonly string[] = []): string {
  const discreet = secrets.filter((secret) => secret.length > 3).reduce((told, secret) => told.replaceAll(secret, '***'), text);
  const line = discreet.replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim();
  const safe = line.replace(/https?:\/\/[^\s"'<>]+/g, toShownUrl);
  return safe.length > MAX_SHOWN_CHARACTERS ? `${safe.slice(0, MAX_SHOWN_CHARACTERS)}…` : safe;
}

/** Whether somebody answers who is no registry: a portal, a load balancer, a web site. */
export function isWebPage(answer: Typed, bytes: Buffer): boolean {
  return (
    /^(text\/html|application\/xhtml\+xml)$/.test(answer.mediaType) ||
    /^\s*<(!doctype|html|head|body)/i.test(bytes.toString('latin1', 0, 64))
  );
}
