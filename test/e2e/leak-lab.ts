import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { UserPassword } from '../../src/registry/options.js';

/** Texts that must be nowhere, by what they are called when they are found. */
export type Needles = ReadonlyMap<string, string>;

/** The forms in which a login could stand somewhere. Base64 also as a part of something larger that was encoded as a whole. */
export function needlesOf(name: string, { username, password }: UserPassword): [name: string, needle: string][] {
  return [
    [`${name}: password`, password],
    [`${name}: password in JSON`, JSON.stringify(password).slice(1, -1)],
    [`${name}: password in a URL`, encodeURIComponent(password)],
    [`${name}: password in hex`, Buffer.from(password).toString('hex')],
    [`${name}: basic authentication`, Buffer.from(`${username}:${password}`).toString('base64')],
    ...[0, 1, 2].map((shift): [string, string] => [`${name}: password in base64 (${shift})`, insideBase64(password, shift)]),
  ];
}

/** What of the base64 form does not depend on what is around the text, which begins `shift` bytes after a multiple of 3. */
function insideBase64(text: string, shift: number): string {
  const encoded = Buffer.from('\0'.repeat(shift) + text).toString('base64');
  const length = shift + Buffer.byteLength(text);
  return encoded.slice(Math.ceil((shift * 8) / 6), Math.floor((length * 8) / 6));
}

/** The needles in a text, as `WHERE: NAME`. */
export function leaksInText(where: string, text: string | Buffer, needles: Needles): string[] {
  return [...needles].flatMap(([name, needle]) => (text.includes(needle) ? [`${where}: ${name}`] : []));
}

/** The needles in the names and contents of all files below directories; what is packed with gzip is looked into. */
export function leaksInFiles(dirs: readonly string[], needles: Needles): { readonly leaks: string[]; readonly files: number } {
  const leaks: string[] = [];
  let files = 0;
  for (const dir of dirs) {
    for (const path of readdirSync(dir, { recursive: true, encoding: 'utf8' }).map((name) => join(dir, name))) {
      const where = relative(join(dir, '..'), path);
      leaks.push(...leaksInText(`name of ${where}`, path, needles));
      if (!statSync(path, { throwIfNoEntry: false })?.isFile()) continue;
      files++;
      const bytes = readFileSync(path);
      leaks.push(...leaksInText(where, bytes, needles));
      if (bytes[0] === 0x1f && bytes[1] === 0x8b) leaks.push(...leaksInText(`${where} unpacked`, gunzipSync(bytes), needles));
    }
  }
  return { leaks, files };
}

/** Command lines and environments of the processes below one. */
export function leaksInProcesses(pid: number, needles: Needles): { readonly leaks: string[]; readonly commands: string[] } {
  const leaks: string[] = [];
  const commands: string[] = [];
  for (const child of descendantsOf(pid)) {
    const [command, environment] = ['cmdline', 'environ'].map((file) => readProc(child, file));
    if (command === undefined || command === '') continue;
    commands.push(command.replaceAll('\0', ' ').trim());
    leaks.push(...leaksInText(`command line of ${commands.at(-1)}`, command, needles));
    leaks.push(...leaksInText(`environment of ${commands.at(-1)}`, environment ?? '', needles));
  }
  return { leaks, commands };
}

function descendantsOf(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc').filter((each) => /^\d+$/.test(each))) {
    // The name of the program, in parentheses, may have any letters.
    const parent = /.*\) \S (\d+) /s.exec(readProc(Number(name), 'stat') ?? '')?.[1];
    if (parent !== undefined) parents.set(Number(name), Number(parent));
  }
  const isBelow = (one: number | undefined): boolean => one !== undefined && (one === pid || isBelow(parents.get(one)));
  return [...parents.keys()].filter((one) => one !== pid && isBelow(one));
}

function readProc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    // Gone in between.
    return undefined;
  }
}
