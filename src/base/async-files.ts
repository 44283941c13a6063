import * as fs from 'node:fs';
import { promisify } from 'node:util';

/** What node:fs/promises has. That module brings readline and the watching of files along, which are 2 ms of a small build. */
export const chmod = promisify(fs.chmod);
export const copyFile = promisify(fs.copyFile);
export const mkdir = promisify(fs.mkdir);
export const readdir = promisify(fs.readdir);
export const rename = promisify(fs.rename);
export const rm = promisify(fs.rm);
export const stat = promisify(fs.stat);
export const writeFile = promisify(fs.writeFile);
