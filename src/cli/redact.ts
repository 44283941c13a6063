const CREDENTIALS = /(?<scheme>(?<![a-z0-9+.-])(?!docker-image:|oci-layout:)[a-z][a-z0-9+.-]*:\/\/)[^/\s"']+@(?!sha256:[0-9a-f]{64})/gi;

/** Text fit for a terminal or a log: what stands between `://` and `@` in a URL is a password as often as not. */
export function redact(text: string): string {
  return text.includes('@') ? text.replace(CREDENTIALS, '$<scheme>***@') : text;
}
