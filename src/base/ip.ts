/** 4, 6, or 0 for what is no IP address. `node:net` is a large module for one function, and most builds never ask. */
export function ipVersion(text: string): number {
  return process.getBuiltinModule('node:net').isIP(text);
}
