import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BuildError } from '../../src/base/errors.js';
import { familiarName, familiarRepository, formatReference, isTag, parseReference } from '../../src/oci/reference.js';

const HEX = 'a'.repeat(64);
const DIGEST = `sha256:${HEX}`;
const LONG_TAG = 'x'.repeat(128);

describe('parseReference', () => {
  it.each([
    // text, complete form, short form
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
  ])('reads %s', (text, complete, short) => {
    const reference = parseReference(text);
    expect(formatReference(reference)).toBe(complete);
    expect(familiarName(reference)).toBe(short);
    expect(parseReference(complete)).toEqual(reference);
    expect(parseReference(short)).toEqual(reference);
    expect(short.startsWith(familiarRepository(reference))).toBe(true);
  });

  it.each([
    ['', 'the name is empty'],
    ['library/ubuntu:', 'the tag after ":" is empty'],
    [`app:${LONG_TAG}x`, 'the tag has 129 characters'],
    ['app:-x', 'no "." or "-" first'],
    ['app:.x', 'no "." or "-" first'],
    ['app:a/b@c', 'is no digest'],
    ['app:ä', 'the tag "ä" may have only'],
    ["c@n'tuse", 'is no digest'],
    ['@unknown:abc123', '"unknown:abc123" is no digest'],
    ['x@sha256:abc', 'is no digest'],
    [`x@sha256:${'A'.repeat(64)}`, '64 lower-case hex digits'],
    [`x@sha512:${'a'.repeat(128)}`, 'is no digest'],
    [`x@sha256:${':'.repeat(64)}`, 'is no digest'],
    [`x@${DIGEST}@${DIGEST}`, 'is no digest'],
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
    ['team/app/', 'part of the path is empty'],
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
  ])('refuses %j: %s', (text, reason) => {
    let error: unknown;
    try {
      parseReference(text);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(BuildError);
    expect((error as BuildError).kind).toBe('usage');
    expect((error as BuildError).message).toContain('invalid image name');
    expect((error as BuildError).message).toContain(reason);
  });

  it('shows how to write a name with upper-case letters', () => {
    expect(() => parseReference('team/MyApp:1')).toThrow(expect.objectContaining({ hint: 'write team/myapp:1' }));
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
