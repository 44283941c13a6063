/**
 * An address that an answer names, in the way that its server was reached: a registry behind a proxy that ends TLS does not know that, and calls
 * itself `http:`, with a port of its own perhaps.
 *
 * @param asked the address that the answer is to
 */
export function asReached(address: URL, asked: URL): URL {
  if (address.protocol !== 'http:' || asked.protocol !== 'https:' || address.hostname !== asked.hostname) return address;
  const secure = new URL(address);
  // A port that is the default of the new scheme would get lost with it.
  secure.port = '';
  secure.protocol = asked.protocol;
  secure.port = asked.port;
  return secure;
}
