import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BuildError } from '../../src/base/errors.js';
import { parseDigest } from '../../src/oci/digest.js';
import { familiarName, familiarRepository, formatReference, isTag, parseReference, type Reference } from '../../src/oci/reference.js';

const HEX = 'a'.repeat(64);
const DIGEST = `sha256:${HEX}`;
const LONG_TAG = 'x'.repeat(128);
const HUB = 'docker.io/library';

/** Text, complete form, short form. */
const GOOD: readonly (readonly [string, string, string])[] = [
  // The Hub: what is left out is docker.io, library and latest.
  ['app', 'docker.io/library/app:latest', 'app:latest'],
  ['ubuntu', 'docker.io/library/ubuntu:latest', 'ubuntu:latest'],
  ['ubuntu:22.04', 'docker.io/library/ubuntu:22.04', 'ubuntu:22.04'],
  ['library/ubuntu', 'docker.io/library/ubuntu:latest', 'ubuntu:latest'],
  ['docker.io/ubuntu', 'docker.io/library/ubuntu:latest', 'ubuntu:latest'],
  ['docker.io/library/ubuntu', 'docker.io/library/ubuntu:latest', 'ubuntu:latest'],
  ['index.docker.io/ubuntu', 'docker.io/library/ubuntu:latest', 'ubuntu:latest'],
  ['index.docker.io/team/app:1', 'docker.io/team/app:1', 'team/app:1'],
  ['team/app', 'docker.io/team/app:latest', 'team/app:latest'],
  ['team/group/app:v1', 'docker.io/team/group/app:v1', 'team/group/app:v1'],
  ['localhost/x:y', 'localhost/x:y', 'localhost/x:y'],
  ['localhost:5000/x', 'localhost:5000/x:latest', 'localhost:5000/x:latest'],
  ['host:9001/x', 'host:9001/x:latest', 'host:9001/x:latest'],
  ['registry.example/team/app:1.2', 'registry.example/team/app:1.2', 'registry.example/team/app:1.2'],
  ['registry.example:443/app', 'registry.example:443/app:latest', 'registry.example:443/app:latest'],
  ['127.0.0.1:5000/app', '127.0.0.1:5000/app:latest', '127.0.0.1:5000/app:latest'],
  ['[::1]:5000/app:2', '[::1]:5000/app:2', '[::1]:5000/app:2'],
  ['[2001:db8::1]/app', '[2001:db8::1]/app:latest', '[2001:db8::1]/app:latest'],
  ['MyHost/app', 'MyHost/app:latest', 'MyHost/app:latest'],
  ['xn--n3h.com/app', 'xn--n3h.com/app:latest', 'xn--n3h.com/app:latest'],
  ['gcr.io/p/a/b/c', 'gcr.io/p/a/b/c:latest', 'gcr.io/p/a/b/c:latest'],
  [`x@${DIGEST}`, `docker.io/library/x@${DIGEST}`, `x@${DIGEST}`],
  [`x:tag@${DIGEST}`, `docker.io/library/x:tag@${DIGEST}`, `x:tag@${DIGEST}`],
  [`host:1/x@${DIGEST}`, `host:1/x@${DIGEST}`, `host:1/x@${DIGEST}`],
  [`app:${LONG_TAG}`, `docker.io/library/app:${LONG_TAG}`, `app:${LONG_TAG}`],
  ['a_b', 'docker.io/library/a_b:latest', 'a_b:latest'],
  ['a__b', 'docker.io/library/a__b:latest', 'a__b:latest'],
  ['a.b', 'docker.io/library/a.b:latest', 'a.b:latest'],
  ['a--b', 'docker.io/library/a--b:latest', 'a--b:latest'],
  ['a-----b/c', 'docker.io/a-----b/c:latest', 'a-----b/c:latest'],
  ['0/1', 'docker.io/0/1:latest', '0/1:latest'],
  ['app:Tag_1.2-3', 'docker.io/library/app:Tag_1.2-3', 'app:Tag_1.2-3'],
  ['app:_x', 'docker.io/library/app:_x', 'app:_x'],
  ['host:5000', 'docker.io/library/host:5000', 'host:5000'],
  ['a'.repeat(63), `docker.io/library/${'a'.repeat(63)}:latest`, `${'a'.repeat(63)}:latest`],
  [`${HEX}:1`, `docker.io/library/${HEX}:1`, `${HEX}:1`],
  ['docker.io/app:1', 'docker.io/library/app:1', 'app:1'],
  ['index.docker.io/library/app:1', 'docker.io/library/app:1', 'app:1'],
  ['library/app:1', 'docker.io/library/app:1', 'app:1'],
  ['docker.io/library/group/app', 'docker.io/library/group/app:latest', 'library/group/app:latest'],
  ['docker.io/a.b/c', 'docker.io/a.b/c:latest', 'docker.io/a.b/c:latest'],
  ['docker.io/localhost/c', 'docker.io/localhost/c:latest', 'docker.io/localhost/c:latest'],
  ['library/library', 'docker.io/library/library:latest', 'library:latest'],
  ['docker.io:443/app', 'docker.io:443/app:latest', 'docker.io:443/app:latest'],
  ['registry-1.docker.io/library/app', 'registry-1.docker.io/library/app:latest', 'registry-1.docker.io/library/app:latest'],
  ['docker.com/app', 'docker.com/app:latest', 'docker.com/app:latest'],
  ['docker/app', 'docker.io/docker/app:latest', 'docker/app:latest'],
  // Without a slash nothing is a host.
  ['localhost', `${HUB}/localhost:latest`, 'localhost:latest'],
  ['localhost:5000', `${HUB}/localhost:5000`, 'localhost:5000'],
  ['registry.example', `${HUB}/registry.example:latest`, 'registry.example:latest'],
  ['127.0.0.1', `${HUB}/127.0.0.1:latest`, '127.0.0.1:latest'],
  ['127.0.0.1:5000', `${HUB}/127.0.0.1:5000`, '127.0.0.1:5000'],
  // Hosts
  ['localhost/x', 'localhost/x:latest', 'localhost/x:latest'],
  ['localhost/library/x', 'localhost/library/x:latest', 'localhost/library/x:latest'],
  ['localhosts/x', 'docker.io/localhosts/x:latest', 'localhosts/x:latest'],
  ['host.docker.internal/x', 'host.docker.internal/x:latest', 'host.docker.internal/x:latest'],
  ['host.docker.internal:5000/x', 'host.docker.internal:5000/x:latest', 'host.docker.internal:5000/x:latest'],
  ['localhost.localdomain/x', 'localhost.localdomain/x:latest', 'localhost.localdomain/x:latest'],
  ['LOCALHOST/x', 'LOCALHOST/x:latest', 'LOCALHOST/x:latest'],
  ['App/x', 'App/x:latest', 'App/x:latest'],
  ['Team/group/app:1', 'Team/group/app:1', 'Team/group/app:1'],
  ['REGISTRY.EXAMPLE/app', 'REGISTRY.EXAMPLE/app:latest', 'REGISTRY.EXAMPLE/app:latest'],
  ['a.b/c', 'a.b/c:latest', 'a.b/c:latest'],
  ['a-b.c-d/e', 'a-b.c-d/e:latest', 'a-b.c-d/e:latest'],
  ['a--b.com/c', 'a--b.com/c:latest', 'a--b.com/c:latest'],
  ['1.2/3', '1.2/3:latest', '1.2/3:latest'],
  ['192.0.2.1/x', '192.0.2.1/x:latest', '192.0.2.1/x:latest'],
  ['192.0.2.1:1/x:1', '192.0.2.1:1/x:1', '192.0.2.1:1/x:1'],
  ['a:0/x', 'a:0/x:latest', 'a:0/x:latest'],
  ['a:65535/x', 'a:65535/x:latest', 'a:65535/x:latest'],
  ['a:5000/5000:5000', 'a:5000/5000:5000', 'a:5000/5000:5000'],
  ['[::1]/x', '[::1]/x:latest', '[::1]/x:latest'],
  ['[::1]:5000/x/y:1', '[::1]:5000/x/y:1', '[::1]:5000/x/y:1'],
  ['[2001:DB8::FF]:443/x', '[2001:DB8::FF]:443/x:latest', '[2001:DB8::FF]:443/x:latest'],
  ['[fe80:0:0:0:1:2:3:4]/x', '[fe80:0:0:0:1:2:3:4]/x:latest', '[fe80:0:0:0:1:2:3:4]/x:latest'],
  // Paths
  ['a', `${HUB}/a:latest`, 'a:latest'],
  ['0', `${HUB}/0:latest`, '0:latest'],
  ['a/b/c/d/e/f/g/h', 'docker.io/a/b/c/d/e/f/g/h:latest', 'a/b/c/d/e/f/g/h:latest'],
  ['a.b_c__d-e--f', `${HUB}/a.b_c__d-e--f:latest`, 'a.b_c__d-e--f:latest'],
  ['host.com/a.b/c_d/e__f/g-h', 'host.com/a.b/c_d/e__f/g-h:latest', 'host.com/a.b/c_d/e__f/g-h:latest'],
  [`host.com/${'x'.repeat(255)}`, `host.com/${'x'.repeat(255)}:latest`, `host.com/${'x'.repeat(255)}:latest`],
  [`${'h'.repeat(300)}.com/x`, `${'h'.repeat(300)}.com/x:latest`, `${'h'.repeat(300)}.com/x:latest`],
  ['x'.repeat(247), `${HUB}/${'x'.repeat(247)}:latest`, `${'x'.repeat(247)}:latest`],
  [`host.com/${HEX}`, `host.com/${HEX}:latest`, `host.com/${HEX}:latest`],
  [`team/${HEX}`, `docker.io/team/${HEX}:latest`, `team/${HEX}:latest`],
  [`${HEX}0`, `${HUB}/${HEX}0:latest`, `${HEX}0:latest`],
  // Tags
  ['app:0', `${HUB}/app:0`, 'app:0'],
  ['app:_', `${HUB}/app:_`, 'app:_'],
  ['app:LATEST', `${HUB}/app:LATEST`, 'app:LATEST'],
  ['app:a..b--c__d', `${HUB}/app:a..b--c__d`, 'app:a..b--c__d'],
  ['app:1.', `${HUB}/app:1.`, 'app:1.'],
  ['app:1-', `${HUB}/app:1-`, 'app:1-'],
  [`app:${HEX}`, `${HUB}/app:${HEX}`, `app:${HEX}`],
  ['host:1/app:2', 'host:1/app:2', 'host:1/app:2'],
  // Digests; a tag beside one is kept.
  [`team/app@${DIGEST}`, `docker.io/team/app@${DIGEST}`, `team/app@${DIGEST}`],
  [`[::1]:1/x:2@${DIGEST}`, `[::1]:1/x:2@${DIGEST}`, `[::1]:1/x:2@${DIGEST}`],
  [`docker.io/app:latest@${DIGEST}`, `${HUB}/app:latest@${DIGEST}`, `app:latest@${DIGEST}`],
  [DIGEST, `${HUB}/${DIGEST}`, DIGEST],
  [`localhost:5000@${DIGEST}`, `${HUB}/localhost:5000@${DIGEST}`, `localhost:5000@${DIGEST}`],
];

/** Text and what its error says. */
const BAD: readonly (readonly [string, string])[] = [
  ['', 'the name is empty'],
  ['library/ubuntu:', 'the tag after ":" is empty'],
  [`app:${LONG_TAG}x`, 'the tag has 129 characters'],
  ['app:-x', 'no "." or "-" first'],
  ['app:.x', 'no "." or "-" first'],
  ['app:a/b@c', 'is no digest'],
  ['app:ä', 'the tag "ä" may have only'],
  ['@unknown:abc123', '"unknown:abc123" is no digest'],
  [`x@sha256:${':'.repeat(64)}`, 'is no digest'],
  [`@${DIGEST}`, 'a part of the path is empty'],
  ['a b', 'white space'],
  [' app', 'white space'],
  ['app\n', 'white space'],
  ['gcr?com', '"gcr?com" may have only'],
  ['App', 'upper-case'],
  ['team/App:1', '"App" has upper-case letters'],
  ['docker.io/Team/app', '"Team" has upper-case letters'],
  ['https://example.com/app', 'no scheme'],
  ['docker://app', 'no scheme'],
  [HEX, 'image id'],
  ['/app', 'part of the path is empty'],
  ['team//app', 'part of the path is empty'],
  ['-app', '"-app" may have only'],
  ['app-', '"app-" may have only'],
  ['a___b', '"a___b" may have only'],
  ['a..b', '"a..b" may have only'],
  ['a.-b', '"a.-b" may have only'],
  ['-host.com/app', '"-host.com" is no registry host'],
  ['host.com:x/app', '"host.com:x" is no registry host'],
  ['host..com/app', 'is no registry host'],
  ['[::g]:5000/app', 'is no registry host'],
  ['a_b.com:1/app', 'is no registry host'],
  [`team/${'x'.repeat(256)}`, 'the path has 261 characters'],
  ['../../etc/passwd', 'is no registry host'],
  ['app\\x', 'may have only'],
  ['app?tag', 'may have only'],
  // Slashes
  ['/', 'nothing follows the last "/"'],
  ['team/app/', 'nothing follows the last "/"'],
  ['localhost:5000/', 'nothing follows the last "/"'],
  ['host.com/', 'nothing follows the last "/"'],
  ['host.com//app', 'a part of the path is empty'],
  ['//host.com/app', 'a part of the path is empty'],
  ['host.com/:1', 'nothing follows the last "/"'],
  [':1', 'a part of the path is empty'],
  ['./app', '"." is no registry host'],
  ['app/./x', '"." may have only'],
  ['host.com/../x', '".." may have only'],
  ['~/app', '"~" may have only'],
  // Hosts
  [':5000/app', '":5000" is no registry host'],
  ['host:/app', '"host:" is no registry host'],
  ['host:-1/app', '"host:-1" is no registry host'],
  ['host:1:2/app', '"host:1:2" is no registry host'],
  ['host-.com/app', '"host-.com" is no registry host'],
  ['host.-x/app', '"host.-x" is no registry host'],
  ['host./app', '"host." is no registry host'],
  ['.host/app', '".host" is no registry host'],
  ['Ä/app', '"Ä" is no registry host'],
  ['bücher.example/app', '"bücher.example" is no registry host'],
  ['[]/app', '"[]" is no registry host'],
  ['[::1/app', '"[::1" is no registry host'],
  ['::1/app', '"::1" is no registry host'],
  ['[::1]5000/app', '"[::1]5000" is no registry host'],
  ['[fe80::1%eth0]/app', '"[fe80::1%eth0]" is no registry host'],
  ['[127.0.0.1]/app', '"[127.0.0.1]" is no registry host'],
  ['[::1]', 'the tag ":1]" may have only'],
  ['user@host.com/app', '"host.com/app" is no digest'],
  ['user:password@host.com/app', '"host.com/app" is no digest'],
  ['http://host.com', 'no scheme'],
  ['oci://app', 'no scheme'],
  // Paths
  ['_app', '"_app" may have only'],
  ['.app', '".app" may have only'],
  ['app_', '"app_" may have only'],
  ['app.', '"app." may have only'],
  ['app__', '"app__" may have only'],
  ['a____b', '"a____b" may have only'],
  ['a._b', '"a._b" may have only'],
  ['a-_b', '"a-_b" may have only'],
  ['a_-b', '"a_-b" may have only'],
  ['a-.b', '"a-.b" may have only'],
  ['team/-app', '"-app" may have only'],
  ['team/app+1', '"app+1" may have only'],
  ['ä', '"ä" may have only'],
  ['host.com/日本', '"日本" may have only'],
  ['$IMAGE', '"$IMAGE" may have only'],
  ['${IMAGE}:1', '"${IMAGE}" may have only'],
  ['app,app2', '"app,app2" may have only'],
  ['"app"', 'may have only'],
  ['app\0', 'may have only'],
  ['host.com/Team/App', '"Team" has upper-case letters'],
  ['localhost/App', '"App" has upper-case letters'],
  ['APP:1', '"APP" has upper-case letters'],
  ['x'.repeat(248), 'the path has 256 characters, at most 255'],
  [`host.com/${'x'.repeat(256)}`, 'the path has 256 characters, at most 255'],
  [`host.com/${'a/'.repeat(130)}b`, 'the path has 261 characters'],
  // Tags
  ['app::', '"app::"'],
  ['app:1:2', 'the tag "1:2" may have only'],
  ['host.com/app:', 'the tag after ":" is empty'],
  [`app:@${DIGEST}`, 'the tag after ":" is empty'],
  ['app:+1', 'the tag "+1" may have only'],
  ['app:1+2', 'the tag "1+2" may have only'],
  ['app:1\u200b', 'may have only'],
  ['app: 1', 'white space'],
  ['app\u00a0', 'white space'],
  ['app:1\t', 'white space'],
  // Digests
  ["c@n'tuse", '"n\'tuse" is no digest'],
  ['app@', 'the digest after "@" is empty'],
  ['app:1@', 'the digest after "@" is empty'],
  ['@', 'the digest after "@" is empty'],
  ['app@sha256', '"sha256" is no digest'],
  ['app@sha256:', '"sha256:" is no digest'],
  ['app@latest', '"latest" is no digest'],
  ['x@sha256:abc', '"sha256:abc" is no digest'],
  [`app@${HEX}`, 'is no digest: want sha256:'],
  [`app@:${HEX}`, 'is no digest: want sha256:'],
  [`app@256:${HEX}`, 'is no digest: want sha256:'],
  [`app@sha256+:${HEX}`, 'is no digest: want sha256:'],
  [`app@sha256:${'g'.repeat(64)}`, 'is no digest: want sha256:'],
  [`app@sha256:${'a'.repeat(40)}`, 'the digest has 40 hex digits: want sha256: and 64'],
  [`app@sha256:${HEX}a`, 'the digest has 65 hex digits'],
  [`x@sha256:${'A'.repeat(64)}`, 'the digest has upper-case letters: want'],
  [`x@sha512:${'a'.repeat(128)}`, 'digests of the algorithm "sha512" are not supported: want sha256:'],
  [`x@SHA256:${HEX}`, 'digests of the algorithm "SHA256" are not supported'],
  [`x@tarsum.v1+sha256:${HEX}`, 'digests of the algorithm "tarsum.v1+sha256" are not supported'],
  [`x@md5:${'a'.repeat(32)}`, 'digests of the algorithm "md5" are not supported'],
  [`x@${DIGEST}@${DIGEST}`, 'a name has one "@" at most'],
  [`x@${DIGEST}:1`, 'is no digest'],
];

const joined = (part: fc.Arbitrary<string>, separator: fc.Arbitrary<string>, maxParts: number): fc.Arbitrary<string> =>
  fc
    .array(fc.tuple(separator, part), { minLength: 1, maxLength: maxParts })
    .map((pairs) => pairs.map(([between, text], index) => (index === 0 ? text : between + text)).join(''));

/** Names made by the rules of the grammar, complete and no longer than a path may be. */
const COMPONENT = joined(fc.stringMatching(/^[a-z0-9]{1,6}$/), fc.constantFrom('.', '_', '__', '-', '--', '---'), 3);
const LABELS = joined(fc.stringMatching(/^[a-zA-Z0-9]([a-zA-Z0-9-]{0,5}[a-zA-Z0-9])?$/), fc.constant('.'), 4);
const HOST = fc.oneof(
  LABELS.filter((host) => /[.A-Z]/.test(host) && host !== 'index.docker.io'),
  fc.constantFrom('localhost', 'docker.io', '127.0.0.1', '[::1]', '[2001:db8::1]'),
);
const PORT = fc.integer({ min: 0, max: 65_535 }).map((port) => `:${port}`);
const NAME = fc
  .record({
    domain: fc.oneof(
      HOST,
      fc.tuple(fc.oneof(HOST, LABELS), PORT).map(([host, port]) => host + port),
    ),
    path: joined(COMPONENT, fc.constant('/'), 5),
    tag: fc.option(fc.stringMatching(/^\w[\w.-]{0,127}$/), { nil: undefined }),
    digest: fc.option(
      fc.stringMatching(/^[0-9a-f]{64}$/).map((hex) => `sha256:${hex}`),
      { nil: undefined },
    ),
  })
  .filter(({ domain, path }) => domain !== 'docker.io' || path.includes('/'));

describe('parseReference', () => {
  it('is held against many names', () => {
    const texts = [...GOOD, ...BAD].map(([text]) => text);
    expect(texts.filter((text, at) => texts.indexOf(text) !== at)).toEqual([]);
    expect(texts.length).toBeGreaterThanOrEqual(200);
  });

  it.each(GOOD)('reads %s', (text, complete, short) => {
    const reference = parseReference(text);
    expect(formatReference(reference)).toBe(complete);
    expect(familiarName(reference)).toBe(short);
    expect(parseReference(complete)).toEqual(reference);
    expect(parseReference(short)).toEqual(reference);
    expect(short.startsWith(familiarRepository(reference))).toBe(true);
  });

  it.each(BAD)('refuses %j: %s', (text, reason) => {
    let error: unknown;
    try {
      parseReference(text);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(BuildError);
    expect((error as BuildError).kind).toBe('usage');
    expect((error as BuildError).message).toContain(`invalid image name ${JSON.stringify(text)}`);
    expect((error as BuildError).message).toContain(reason);
  });

  it.each<[string, Reference]>([
    ['app', { domain: 'docker.io', path: 'library/app', tag: 'latest' }],
    ['host:1/a/b', { domain: 'host:1', path: 'a/b', tag: 'latest' }],
    [`[::1]:1/a:2@${DIGEST}`, { domain: '[::1]:1', path: 'a', tag: '2', digest: parseDigest(DIGEST) }],
    [`team/app@${DIGEST}`, { domain: 'docker.io', path: 'team/app', digest: parseDigest(DIGEST) }],
  ])('takes %s apart', (text, reference) => {
    expect(parseReference(text)).toEqual(reference);
  });

  it.each([
    ['team/MyApp:1', 'write team/myapp:1'],
    ['App', 'write app'],
    ['docker.io/App', 'write docker.io/app'],
    ['App.com/App:App', 'write App.com/app:App'],
    [`Host/Team/App:Tag@${DIGEST}`, `write Host/team/app:Tag@${DIGEST}`],
  ])('shows how to write %s', (text, hint) => {
    expect(() => parseReference(text)).toThrow(expect.objectContaining({ hint }));
  });

  it('reads every name of the grammar, and its complete and its short form as the same', () => {
    fc.assert(
      fc.property(NAME, ({ domain, path, tag, digest }) => {
        const text = `${domain}/${path}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
        const reference = parseReference(text);
        expect(reference.domain).toBe(domain);
        expect(reference.path).toBe(path);
        expect(reference.tag).toBe(tag ?? (digest === undefined ? 'latest' : undefined));
        expect(reference.digest).toBe(digest);
        expect(parseReference(formatReference(reference))).toEqual(reference);
        expect(parseReference(familiarName(reference))).toEqual(reference);
        if (reference.tag === tag) expect(formatReference(reference)).toBe(text);
      }),
    );
  });

  it('throws nothing but BuildError, and what it reads it reads again from its complete form', () => {
    const pieces = fc.constantFrom('a', 'B', '/', ':', '@', '.', '-', '_', '5000', 'localhost', DIGEST, '[::1]', ' ', 'ä');
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 8 }), (parts) => {
        let reference;
        try {
          reference = parseReference(parts.join(''));
        } catch (error) {
          expect(error).toBeInstanceOf(BuildError);
          return;
        }
        expect(parseReference(formatReference(reference))).toEqual(reference);
        expect(parseReference(familiarName(reference))).toEqual(reference);
      }),
    );
  });
});

describe('isTag', () => {
  it.each([
    ['latest', true],
    ['1.2_3-x', true],
    [LONG_TAG, true],
    ['', false],
    ['-x', false],
    ['a/b', false],
    [`${LONG_TAG}x`, false],
  ])('%s: %s', (text, expected) => {
    expect(isTag(text)).toBe(expected);
  });
});
