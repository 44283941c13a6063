import { gzipSync } from 'node:zlib';
import type { FileSpec } from '../helpers/cli.js';
import { directory, member, tarOf } from '../helpers/tar-builder.js';

/** By path below the directory that a case looks at: `mode uid:gid text`, `mode uid:gid/` for a directory, `-> target`. */
type Listing = Readonly<Record<string, string>>;

export interface CopyRow {
  readonly title: string;
  readonly lines: readonly string[];
  readonly files?: Readonly<Record<string, FileSpec>>;
  /** The directory that is looked at. */
  readonly in: string;
  readonly want: Listing;
  /** `created_by` of the last row of the history that a line of the case has made. */
  readonly history?: string;
}

/** What most rows copy from. */
export const SOURCES = {
  'src/a.md': 'a',
  'src/b.txt': 'b',
  'src/sub/c.md': 'c',
  'src/sub/deep/d.txt': 'd',
};

export const COPY_ROWS: readonly CopyRow[] = [
  {
    title: '33: two heredocs are two files, the second as it stands',
    lines: ['ARG name=world', 'COPY <<A <<"B" /d/', 'hello $name', 'A', 'hello $name', 'B'],
    in: 'd',
    want: { A: '0644 0:0 hello world\n', B: '0644 0:0 hello $name\n' },
    history: 'COPY <<A <<B /d/ # buildkit',
  },
  {
    title: '33: a heredoc beside a source, with owner and mode',
    lines: ['ADD --chown=alice:staff --chmod=6750 src/b.txt <<EOF /d/', 'x', 'EOF'],
    files: SOURCES,
    in: '',
    want: { d: '6750 1000:50/', 'd/EOF': '6750 1000:50 x\n', 'd/b.txt': '6750 1000:50 b' },
    history: 'ADD --chown=alice:staff --chmod=6750 src/b.txt <<EOF /d/ # buildkit',
  },
  {
    title: '34, 35: quotes stay, a backslash makes ordinary',
    lines: ['ENV v=1', 'COPY <<EOF /d/quotefile', `"$v" '$v' "it's`, '\\', '\\\\', '\\$v \\n', 'EOF'],
    in: 'd',
    want: { quotefile: `0644 0:0 "1" '1' "it's\n\n\\\n$v n\n` },
  },
  {
    title: '36: <<- drops tabs',
    lines: ['COPY <<-EOF /d/f', '\t\ta', '\t b', '\tEOF'],
    in: 'd',
    want: { f: '0644 0:0 a\n b\n' },
  },
  {
    title: '55: sources, destination, owner and mode come from variables',
    lines: ['ARG s=src/a.md d=/d m=4', 'ENV u=alice', 'COPY --chown=${u}:$m --chmod=${m}00 $s ${d}/$u'],
    files: SOURCES,
    in: 'd',
    want: { alice: '0400 1000:4 a' },
    history: 'COPY --chown=alice:4 --chmod=400 src/a.md /d/alice # buildkit',
  },
  {
    title: '59: nothing is WORKDIR',
    lines: ['WORKDIR /d/w', 'COPY src/a.md $nothing'],
    files: SOURCES,
    in: 'd',
    want: { w: '0755 0:0/', 'w/a.md': '0644 0:0 a' },
    history: 'COPY src/a.md  # buildkit',
  },
  {
    title: '104: --link goes to WORKDIR for . and for nothing',
    lines: ['WORKDIR /d', 'COPY --link src/a.md .', 'COPY --link ["src/b.txt", ""]', 'COPY --link src/b.txt x/y'],
    files: SOURCES,
    in: 'd',
    want: { 'a.md': '0644 0:0 a', 'b.txt': '0644 0:0 b', x: '0755 0:0/', 'x/y': '0644 0:0 b' },
    history: 'COPY src/b.txt x/y # buildkit',
  },
  {
    title: '104: --link follows no symlink of the base and takes no mode from it',
    lines: ['COPY --link src/a.md /place/link/', 'COPY --link src/b.txt /place/private/', 'COPY --link src/a.md /place/file/'],
    files: SOURCES,
    in: 'place',
    want: {
      file: '0755 0:0/',
      'file/a.md': '0644 0:0 a',
      link: '0755 0:0/',
      'link/a.md': '0644 0:0 a',
      private: '0755 0:0/',
      'private/b.txt': '0644 0:0 b',
      'private/there': '0600 7:7 there',
      real: '0755 0:0/',
    },
  },
  {
    title: 'without --link the same goes through the symlink and keeps the modes',
    lines: ['COPY src/a.md /place/link/', 'COPY src/b.txt /place/private/'],
    files: SOURCES,
    in: 'place',
    want: {
      file: '0644 0:0 file',
      link: '-> real',
      private: '0700 7:7/',
      'private/b.txt': '0644 0:0 b',
      'private/there': '0600 7:7 there',
      real: '0755 0:0/',
      'real/a.md': '0644 0:0 a',
    },
  },
  {
    title: '104: --link with numbers for an owner, an archive, and --chmod, which undoes it',
    lines: ['ADD --link --chown=5:6 a.tar /place/link', 'COPY --link --chmod=604 --chown=alice src/a.md /place/private/'],
    files: { ...SOURCES, 'a.tar': tarOf(directory('m'), member({ path: 'm/f', text: 'f', mode: 0o640 })) },
    in: 'place',
    want: {
      file: '0644 0:0 file',
      link: '0755 5:6/',
      'link/m': '0755 5:6/',
      'link/m/f': '0640 5:6 f',
      private: '0700 7:7/',
      'private/a.md': '0604 1000:100 a',
      'private/there': '0600 7:7 there',
      real: '0755 0:0/',
    },
  },
  {
    title: '105: --parents keeps the path, from the pivot on',
    lines: ['COPY --parents src/sub/c.md /d/', 'COPY --parents src/./sub/c.md src/./b.txt /e/'],
    files: SOURCES,
    in: '',
    want: {
      d: '0755 0:0/',
      'd/src': '0755 0:0/',
      'd/src/sub': '0755 0:0/',
      'd/src/sub/c.md': '0644 0:0 c',
      e: '0755 0:0/',
      'e/b.txt': '0644 0:0 b',
      'e/sub': '0755 0:0/',
      'e/sub/c.md': '0644 0:0 c',
    },
    history: 'COPY --parents src/./sub/c.md src/./b.txt /e/ # buildkit',
  },
  {
    title: '106: --parents with wildcards, some of which match nothing',
    lines: ['COPY --parents **/*.txt no/**/such *.none /d/'],
    files: SOURCES,
    in: 'd',
    want: {
      src: '0755 0:0/',
      'src/b.txt': '0644 0:0 b',
      'src/sub': '0755 0:0/',
      'src/sub/deep': '0755 0:0/',
      'src/sub/deep/d.txt': '0644 0:0 d',
    },
  },
  {
    title: '105: --parents from a stage keeps owners and modes of the directories',
    lines: [
      'FROM base AS other',
      'COPY --from=base --parents place/private/there /d/',
      'COPY --from=base --parents --chown=9 /place/./private /e',
    ],
    in: '',
    want: {
      d: '0755 0:0/',
      'd/place': '0755 0:0/',
      'd/place/private': '0700 7:7/',
      'd/place/private/there': '0600 7:7 there',
      e: '0755 9:9/',
      'e/private': '0700 9:9/',
      'e/private/there': '0600 9:9 there',
    },
  },
  {
    title: '107: --exclude is for the top of a source, with ** for all of it',
    lines: ['COPY --exclude=*.md src/ /d/', 'COPY --exclude=**/*.md --exclude=sub/deep src /e'],
    files: SOURCES,
    in: '',
    want: {
      d: '0755 0:0/',
      'd/b.txt': '0644 0:0 b',
      'd/sub': '0755 0:0/',
      'd/sub/c.md': '0644 0:0 c',
      'd/sub/deep': '0755 0:0/',
      'd/sub/deep/d.txt': '0644 0:0 d',
      e: '0755 0:0/',
      'e/b.txt': '0644 0:0 b',
      'e/sub': '0755 0:0/',
    },
    history: 'COPY src /e # buildkit',
  },
  {
    title: '96: --chown by a name that an earlier COPY of the stage has brought',
    lines: [
      'COPY accounts/ /etc/',
      'COPY --chown=carol:crew src/a.md /d/f',
      'COPY <<EOF /etc/passwd',
      'dave:x:44:45::/:/bin/sh',
      'EOF',
      'COPY --chown=dave src/a.md /d/g',
    ],
    files: { ...SOURCES, 'accounts/passwd': 'carol:x:42:43::/:/bin/sh\n', 'accounts/group': 'crew:x:41:\n' },
    in: 'd',
    want: { f: '0644 42:41 a', g: '0644 44:45 a' },
  },
  {
    title: '108: --unpack=false keeps an archive, --unpack unpacks it',
    lines: ['ADD --unpack=false a.tgz /d/', 'ADD --unpack a.tgz /d/x'],
    files: { 'a.tgz': gzipSync(tarOf(member({ path: 'm', text: 'm', uid: 3, gid: 4 }))) },
    in: 'd',
    want: { 'a.tgz': '0644 0:0 <binary>', x: '0755 0:0/', 'x/m': '0644 3:4 m' },
  },
];
