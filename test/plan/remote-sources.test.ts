import { describe, expect, it } from 'vitest';
import { historyOf, plan, planError, planTarget, stepOf } from './helpers.js';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const COMMIT = 'b'.repeat(40);

describe('ADD of remote sources', () => {
  it.each([
    ['ADD http://a/b c', [{ kind: 'http', url: 'http://a/b' }]],
    [`ADD --checksum=${DIGEST} https://a/b?c c`, [{ kind: 'http', url: 'https://a/b?c', checksum: DIGEST }]],
    [`ARG SUM=${DIGEST}\nARG U=http://a/b\nADD --checksum=$SUM \${U} c`, [{ kind: 'http', url: 'http://a/b', checksum: DIGEST }]],
    ['ADD https://a/b.git#v1 c', [{ kind: 'git', remote: { url: 'https://a/b.git', ref: 'v1', submodules: true }, keepGitDir: false }]],
    ['ADD --keep-git-dir git@a:b c', [{ kind: 'git', remote: { url: 'git@a:b', submodules: true }, keepGitDir: true }]],
    ['ADD https://a/b.git?keep-git-dir=1 c', [{ kind: 'git', remote: { url: 'https://a/b.git' }, keepGitDir: true }]],
    ['ADD --keep-git-dir=false https://a/b.git?keep-git-dir=1 c', [{ kind: 'git', keepGitDir: false }]],
    [`ADD --checksum=${COMMIT} git@a:b c`, [{ remote: { ref: COMMIT, checksum: COMMIT } }]],
    [`ADD --checksum=${COMMIT} git@a:b#v1 c`, [{ remote: { ref: 'v1', checksum: COMMIT } }]],
  ])('%s', (lines, remotes) => {
    expect(stepOf(lines)).toMatchObject({ kind: 'copy', sources: [], remotes });
  });

  it('beside files of the context', () => {
    expect(stepOf('ADD a http://a/b github.com/o/r /c/')).toMatchObject({
      sources: ['a', 'github.com/o/r'],
      remotes: [{ url: 'http://a/b' }],
    });
    expect(plan('FROM scratch\nADD http://a/b http://a/c /d').warnings).toMatchObject([
      { message: expect.stringMatching(/several/) as string },
    ]);
  });

  it('leaves no password in the history', () => {
    expect(historyOf(planTarget('FROM scratch\nADD https://user:secret@a/b c'))).toEqual(['ADD https://***@a/b c # buildkit']);
  });

  it.each([
    ['COPY http://x/y a', "source can't be a URL for COPY"],
    ['COPY user@x:y a', "source can't be a git ref for COPY"],
    ['ADD https://a/b.git?x=y c', 'unexpected query "x"'],
    ['ADD http://a:b c', 'invalid URL "http://a:b"'],
    [`115: ADD --checksum=${DIGEST} local c`, 'checksum requires HTTP(S) or Git sources'],
    [`115: ADD --checksum=${DIGEST} http://a/b http://a/c d/`, "checksum can't be specified for multiple sources"],
    ['115: ADD --checksum=md5:7846 http://a/b c', 'unsupported digest algorithm: "md5:7846"'],
    ['115: ADD --checksum=sha256:abc http://a/b c', 'invalid checksum digest length: "sha256:abc"'],
    ['115: ADD --checksum=nonsense http://a/b c', 'invalid checksum digest format: "nonsense"'],
    [`115: ADD --checksum=${DIGEST.toUpperCase().replace('SHA', 'sha')} http://a/b c`, /^invalid checksum digest format/],
    ['115: ADD --checksum=v1 git@a:b c', 'invalid checksum "v1": want the full name of a commit'],
    [`115: ADD --checksum=${COMMIT} git@a:b?checksum=aaaa c`, `checksum conflicts: "aaaa" vs "${COMMIT}"`],
  ])('%s is wrong', (title, message) => {
    const error = planError(`FROM scratch\n${title.replace(/^115: /, '')}`);
    expect(error).toMatchObject({ kind: 'dockerfile', range: { startLine: 2 } });
    expect(error.message).toMatch(message);
  });
});

describe('FROM a directory of --build-context', () => {
  it('begins with everything in it', () => {
    const stage = planTarget('FROM src\nCOPY a /b', { directories: ['src'] });
    expect(stage).toMatchObject({ base: { kind: 'scratch' }, config: { WorkingDir: '/' } });
    expect(stage.steps).toMatchObject([
      { id: '0.1', index: 2, from: { kind: 'context', name: 'src' }, sources: ['.'], dest: '/' },
      { id: '0.2', index: 3, from: { kind: 'context' }, sources: ['a'] },
    ]);
  });

  it('which hides a stage of that name', () => {
    const made = plan('FROM scratch AS src\nCOPY x /\nFROM src\nCOPY --from=src y /', { directories: ['src'] });
    expect(made.stages).toHaveLength(1);
    expect(made.stages[0]?.steps).toMatchObject([{ from: { kind: 'context', name: 'src' } }, { from: { kind: 'context', name: 'src' } }]);
  });
});
