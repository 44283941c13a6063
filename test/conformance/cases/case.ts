import type { FileSpec } from '../../helpers/cli.js';
import type { Difference } from '../../helpers/differences.js';

/** A difference between tsbuild and buildah that is right. */
export interface ExplainedDifference extends Difference {
  /**
   * BuildKit's rule. The number at its end is the section of ../shared/docs/dockerfile-semantics.md (`1.8 D4`: of "COPY / ADD semantics",
   * destination 4), `#65` its case, `peers` section 2 of ../shared/docs/peers.md.
   */
  readonly rule: string;
}

/** One Dockerfile with its context, built by both. */
export interface ConformanceCase {
  readonly title: string;
  readonly dockerfile: string;
  readonly context?: Readonly<Record<string, FileSpec>>;
  /** A shell script that makes in the context what `context` cannot say. */
  readonly script?: string;
  /** Programs of the script that are not everywhere. */
  readonly needs?: readonly string[];
  /** Of the command line, where both have the same words. */
  readonly args?: readonly string[];
  /** Dockerfiles of images that each builder makes for itself before, by name. They see the same context. */
  readonly parents?: Readonly<Record<string, string>>;
  readonly differences?: readonly ExplainedDifference[];
  /** Facts of tsbuild's image, where buildah makes none to compare with. */
  readonly shows?: Readonly<Record<string, unknown>>;
  /** tsbuild's message, for what is no image. */
  readonly fails?: RegExp;
}

/** Seconds: the time of everything in a context, 2001-02-03. What a builder copies is so told from what it makes, whose time is `new`. */
export const CONTEXT_SECONDS = 981_173_106;

/** For the destinations of directories. buildah leaves it at the time of the build. */
export function sourceMtime(...paths: readonly string[]): ExplainedDifference[] {
  const rule = 'the directory that a directory is copied to takes the time of the source, and nothing else of it (1.8 D4)';
  return paths.map((path) => ({ where: `${path} mtime`, tsbuild: CONTEXT_SECONDS, buildah: 'new', rule }));
}

/** For directories of the base, made at `CONTEXT_SECONDS`, that a step puts something into. */
export function keptMtime(...paths: readonly string[]): ExplainedDifference[] {
  const rule =
    'not in the rules: tsbuild leaves the times of directories that a step does not name alone, so that equal steps make equal layers';
  return paths.map((path) => ({ where: `${path} mtime`, tsbuild: CONTEXT_SECONDS, buildah: 'new', rule }));
}

export const SCRATCH_WORKDIR: ExplainedDifference = {
  where: 'config WorkingDir',
  tsbuild: '/',
  buildah: undefined,
  rule: 'the config of scratch has the working directory / (#71)',
};

/** The base of every case: a small system whose `/srv` has something of everything to change, remove or copy into. */
export const BASE = 'tsbuild.local/base:1';

export const BASE_DOCKERFILE = `FROM scratch
COPY --chmod=755 busybox /bin/busybox
COPY root/ /
RUN ["/bin/busybox", "--install", "-s", "/bin"]
RUN chmod 1777 /tmp && chown -R 1000:1000 /home/alice && mkdir -p /srv/tree/sub/deep /srv/empty /srv/owned \\
 && echo a > /srv/tree/a && echo b > /srv/tree/b && echo c > /srv/tree/sub/c && echo d > /srv/tree/sub/deep/d \\
 && chmod 750 /srv/tree/sub && chown 1000:50 /srv/owned /srv/tree/b && chmod 2775 /srv/owned && echo kept > /srv/owned/kept \\
 && ln -s tree /srv/link && ln -s /srv/tree/sub /srv/abs && ln -s nowhere/yet /srv/dangling && ln -s tree/a /srv/filelink \\
 && echo one > /srv/hard1 && ln /srv/hard1 /srv/hard2 && echo s > /srv/suid && chmod 4755 /srv/suid && mkfifo /srv/pipe
ENV PATH=/bin BASE_ENV=inherited
LABEL base=yes
CMD ["/bin/sh"]
`;

/** Besides `busybox`. The directories and files that runtimes mount over are there, so that no builder makes them. */
export const BASE_CONTEXT: Readonly<Record<string, FileSpec>> = {
  'root/dev': undefined,
  'root/proc': undefined,
  'root/sys': undefined,
  'root/run': undefined,
  'root/tmp': undefined,
  'root/home/alice': undefined,
  'root/etc/hosts': '',
  'root/etc/hostname': '',
  'root/etc/resolv.conf': '',
  'root/etc/passwd':
    'root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:2::/:/bin/false\nalice:x:1000:1000::/home/alice:/bin/sh\nbob:x:1001:100::/home/bob:/bin/sh\n',
  'root/etc/group': 'root:x:0:\nbin:x:2:\nstaff:x:50:alice\nusers:x:100:\nalice:x:1000:\n',
};
