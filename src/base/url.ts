const CREDENTIALS = /^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i;

/**
 * A URL fit for messages, logs and the history of an image: without the password that may stand in front of the host, and without the query, where
 * signed URLs have their signature.
 */
export function toShownUrl(url: string): string {
  return url.replace(CREDENTIALS, '$1***@').replace(/\?[^#]*/, '?…');
}
