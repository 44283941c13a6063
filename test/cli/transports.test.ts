import { describe, expect, it } from 'vitest';
import { BuildError } from '../../src/base/errors.js';
import { formatLocation, parseLocation, type ImageLocation } from '../../src/oci/transports.js';

const DIGEST = `sha256:${'a'.repeat(64)}`;

/** What is read, with references as their text. */
function shown(text: string): object {
  const location = parseLocation(text);
  return location.kind === 'registry' ? { kind: 'registry', is: formatLocation(location) } : location;
}

describe('places of images', () => {
  const registry = (is: string): object => ({ kind: 'registry', is: `docker://${is}` });
  const store = (name: string): object => ({ kind: 'store', name });
  it.each<readonly [string, object]>([
    ['docker://app', registry('docker.io/library/app:latest')],
    ['docker://team/app:1', registry('docker.io/team/app:1')],
    ['docker://registry.example:5000/a/b/c:1.2', registry('registry.example:5000/a/b/c:1.2')],
    ['docker://localhost/app', registry('localhost/app:latest')],
    ['docker://[::1]:5000/app:1', registry('[::1]:5000/app:1')],
    [`docker://app@${DIGEST}`, registry(`docker.io/library/app@${DIGEST}`)],
    [`docker://app:1@${DIGEST}`, registry(`docker.io/library/app:1@${DIGEST}`)],
    ['oci:out', { kind: 'oci', path: 'out' }],
    ['oci:/abs/out', { kind: 'oci', path: '/abs/out' }],
    ['oci:../out:1.0', { kind: 'oci', path: '../out', tag: '1.0' }],
    ['oci:out:latest', { kind: 'oci', path: 'out', tag: 'latest' }],
    [
      'oci:out:registry.example:5000/app:1',
      { kind: 'oci', path: 'out', tag: 'registry.example:5000/app:1', name: 'registry.example:5000/app:1' },
    ],
    ['oci:out:team/app', { kind: 'oci', path: 'out', tag: 'team/app', name: 'docker.io/team/app:latest' }],
    [`oci:out@${DIGEST}`, { kind: 'oci', path: 'out', digest: DIGEST }],
    [`oci:out:1@${DIGEST}`, { kind: 'oci', path: 'out', tag: '1', digest: DIGEST }],
    ['oci:with space:1', { kind: 'oci', path: 'with space', tag: '1' }],
    ['oci:me@home', { kind: 'oci', path: 'me@home' }],
    ['oci-archive:app.tar', { kind: 'oci-archive', path: 'app.tar' }],
    ['oci-archive:app.tar:1.0', { kind: 'oci-archive', path: 'app.tar', tag: '1.0' }],
    ['oci-archive:-', { kind: 'oci-archive', path: '-' }],
    ['docker-archive:app.tar', { kind: 'docker-archive', path: 'app.tar' }],
    ['docker-archive:app.tar:app', { kind: 'docker-archive', path: 'app.tar', name: 'docker.io/library/app:latest' }],
    ['docker-archive:app.tar:app:1', { kind: 'docker-archive', path: 'app.tar', name: 'docker.io/library/app:1' }],
    ['docker-archive:/d/app.tar:r.example:5000/app:1', { kind: 'docker-archive', path: '/d/app.tar', name: 'r.example:5000/app:1' }],
    ['store:app:1', store('app:1')],
    ['app', store('app')],
    ['app:1', store('app:1')],
    ['team/app', store('team/app')],
    ['registry.example/app:1', store('registry.example/app:1')],
    ['localhost:5000/app', store('localhost:5000/app')],
    [`app@${DIGEST}`, store(`app@${DIGEST}`)],
    ['0123456789ab', store('0123456789ab')],
    [DIGEST, store(DIGEST)],
    // Repositories that are called like a transport, or nearly so.
    ['docker:dind', store('docker:dind')],
    ['registry:2', store('registry:2')],
    ['dir:1', store('dir:1')],
    ['docker:5000/app', store('docker:5000/app')],
    ['stores:5000/team/app:1', store('stores:5000/team/app:1')],
    ['oic:1', store('oic:1')],
    ['docker', store('docker')],
  ])('%s', (text, want) => {
    expect(shown(text)).toEqual(want);
  });

  it.each([
    'docker://docker.io/library/app:1',
    'oci:out',
    'oci:out:1',
    `oci:out@${DIGEST}`,
    'oci:out:team/app:1',
    'oci-archive:app.tar:1',
    'docker-archive:app.tar:docker.io/library/app:1',
    'app:1',
  ])('%s is written as it was read', (text) => {
    const location: ImageLocation = parseLocation(text);
    expect(formatLocation(location)).toBe(text);
    expect(parseLocation(formatLocation(location))).toEqual(location);
  });
});

const BAD: readonly (readonly [text: string, message: RegExp, hint?: RegExp])[] = [
  ['', /the name is empty/, /docker:\/\/REF/],
  ['store:', /the name is empty/],
  ['docker://', /the name is empty/],
  ['docker://App', /upper-case/, /docker:\/\/|app/],
  ['docker:/registry.example/app', /unknown transport "docker:"/, /docker:\/\/registry\.example\/app/],
  ['docker:registry.example/app', /unknown transport "docker:"/, /docker:\/\/registry\.example\/app/],
  ['docker:///app', /empty|no registry host|invalid/],
  ['Docker://app', /unknown transport "Docker:"/, /docker:\/\/app/],
  ['dockr://app', /unknown transport "dockr"/, /did you mean docker:\/\/app\?/],
  ['oci://out', /takes no "\/\/"/, /oci:out/],
  ['oci-archive://a.tar', /takes no "\/\/"/, /oci-archive:a\.tar/],
  ['oci-dir:out', /unknown transport "oci-dir"/, /oci:out/],
  ['oci-layout://out', /unknown transport "oci-layout"/, /oci:out/],
  ['docker-image://app', /unknown transport/, /docker:\/\/app/],
  ['registry://r.example/app', /unknown transport/, /docker:\/\/r\.example\/app/],
  ['oci-archve:a.tar', /unknown transport "oci-archve"/, /did you mean oci-archive:a\.tar\?/],
  ['docker-archiv:a.tar', /unknown transport/, /did you mean docker-archive:a\.tar\?/],
  ['docker-tar:a.tar', /unknown transport/, /docker-archive:a\.tar/],
  ['OCI:out', /unknown transport "OCI"/, /did you mean oci:out\?/],
  ['containers-storage:[overlay@/x]app', /containers-storage: is not supported/, /docker:\/\/REF/],
  ['docker-daemon:r.example/app:1', /docker-daemon: is not supported/],
  ['dir:/tmp/x', /dir: is not supported/],
  ['https://registry.example/app', /not named by a URL/, /docker:\/\/registry\.example\/app/],
  ['ftp://x/y', /unknown transport "ftp"/, /docker:\/\/REF/],
  ['1x://y', /unknown transport/],
  ['oci:', /the directory is missing/],
  ['oci::1', /the directory is missing/],
  ['oci-archive:', /the file is missing/],
  ['oci:out:', /nothing follows/, /leave out the colon/],
  ['docker-archive:a.tar:', /nothing follows/],
  ['oci:out:a b', /white space/],
  ['oci:out@sha256:abc', /no digest/],
  ['docker-archive:a.tar:UPPER', /upper-case/],
  ['app:', /the tag after ":" is empty/],
  ['a b', /white space/],
];

describe('what is no place of an image', () => {
  it.each(BAD.map(([text, message, hint]) => ({ text, message, hint })))('$text', ({ text, message, hint }) => {
    let error: unknown;
    try {
      parseLocation(text);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(BuildError);
    expect(error).toMatchObject({ kind: 'usage', message: expect.stringMatching(message) as string });
    if (hint !== undefined) expect((error as BuildError).hint).toMatch(hint);
  });
});
