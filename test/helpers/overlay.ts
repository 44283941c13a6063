import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { mkdtempSync, mkdirSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { join } from 'node:path';

/**
 * Real overlay mounts for tests. They live in the mount namespace of a child and are reached through `/proc/PID/root`, so that nothing stays
 * mounted however a test ends, and the test reads and writes them with plain calls.
 */
export class OverlayLab {
  readonly dir: string;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #answers: AsyncIterator<string>;
  #count = 0;

  private constructor(dir: string, child: ChildProcessWithoutNullStreams) {
    this.dir = dir;
    this.#child = child;
    this.#answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  /** `undefined`, with the reason on standard error, where the machine does not allow such mounts. */
  static async open(): Promise<OverlayLab | undefined> {
    // A file system in memory: overlayfs needs d_type and trusted xattrs of it, and tests make thousands of files.
    const dir = mkdtempSync('/dev/shm/tsbuild-test-overlay-');
    const child = spawn('unshare', ['-m', 'sh', '-c', 'while read -r line; do eval "$line" 2>&1; echo "status $?"; done'], { cwd: dir });
    child.on('error', () => undefined);
    child.stdin.on('error', () => undefined);
    const lab = new OverlayLab(dir, child);
    try {
      await lab.mount([lab.newDir()], lab.newDir());
      return lab;
    } catch (error) {
      process.stderr.write(`skipped: no overlay mounts here: ${String(error)}\n`);
      await lab.close();
      return undefined;
    }
  }

  /** Whose `/proc/PID/root` shows the mounts. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  newDir(): string {
    const path = join(this.dir, String(this.#count++));
    mkdirSync(path);
    return path;
  }

  /** Mounts `upper` over `lowers` (topmost first) with the options that RUN uses, and returns the path of the merged root. */
  async mount(lowers: readonly string[], upper: string): Promise<string> {
    const work = this.newDir();
    const merged = this.newDir();
    const options = `lowerdir=${lowers.join(':')},upperdir=${upper},workdir=${work},redirect_dir=off,metacopy=off,index=off`;
    await this.#run(`mount -t overlay overlay -o ${options} ${merged}`);
    return `/proc/${this.#child.pid}/root${merged}`;
  }

  /** Runs a shell command in a directory that `mount` returned, or in any other. */
  async shell(cwd: string, command: string): Promise<void> {
    const inside = cwd.replace(/^\/proc\/\d+\/root/, '');
    await this.#run(`(cd ${inside} && ${command}) > /dev/null`);
  }

  async unmount(merged: string): Promise<void> {
    await this.#run(`umount ${merged.replace(/^\/proc\/\d+\/root/, '')}`);
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('close', resolve));
    this.#child.stdin.end();
    if (this.#child.pid !== undefined && this.#child.exitCode === null) await ended;
    rmSync(this.dir, { recursive: true, force: true });
  }

  async #run(line: string): Promise<void> {
    this.#child.stdin.write(`${line}\n`);
    const said: string[] = [];
    for (;;) {
      const answer = await this.#answers.next();
      if (answer.done === true) throw new Error('unshare -m is not allowed');
      if (answer.value === 'status 0') return;
      if (answer.value.startsWith('status ')) throw new Error(`${line}: ${said.join('; ')}`);
      said.push(answer.value);
    }
  }
}
