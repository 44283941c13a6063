import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BuildError } from '../../src/base/errors.js';
import type { OutputSpec } from '../../src/output/output.js';
import { parseOciLayout, parseOutputs } from '../../src/output/spec.js';

const OCI = { type: 'oci', dest: '-', tar: true, names: [], annotations: {} } as const;
const REGISTRY = { type: 'registry', names: [], annotations: {} } as const;

describe('parseOutputs', () => {
  it.each<[string, OutputSpec | readonly OutputSpec[]]>([
    ['out', { type: 'local', dest: 'out' }],
    ['./a/b', { type: 'local', dest: './a/b' }],
    ['/abs', { type: 'local', dest: '/abs' }],
    ['-', { type: 'tar', dest: '-' }],
    ['type=local,dest=out', { type: 'local', dest: 'out' }],
    ['dest=out,type=local', { type: 'local', dest: 'out' }],
    ['type=local,dest=out,mode=copy', { type: 'local', dest: 'out' }],
    ['type=local,dest=out,platform-split=false', { type: 'local', dest: 'out', platformSplit: false }],
    ['type=local,dest=out,platform-split=true,source-date-epoch=5', { type: 'local', dest: 'out', platformSplit: true, epochSeconds: 5 }],
    ['type=tar,source-date-epoch=', { type: 'tar', dest: '-', epochSeconds: 'none' }],
    ['type=oci,source-date-epoch=-1', { ...OCI, epochSeconds: -1 }],
    ['type=image,rewrite-timestamp=false,source-date-epoch=', { type: 'image', names: [], rewriteTimestamp: false, epochSeconds: 'none' }],
    ['type=tar', { type: 'tar', dest: '-' }],
    ['type=tar,dest=root.tar', { type: 'tar', dest: 'root.tar' }],
    ['type=oci', OCI],
    ['type=oci,dest=a.tar', { ...OCI, dest: 'a.tar' }],
    ['TYPE=oci,Dest=a.tar', { ...OCI, dest: 'a.tar' }],
    ['type=oci,tar=true,dest=-', OCI],
    ['type=oci,tar=false,dest=dir', { ...OCI, dest: 'dir', tar: false }],
    ['type=oci,tar=0,dest=dir', { ...OCI, dest: 'dir', tar: false }],
    ['type=oci,dest=a=b.tar', { ...OCI, dest: 'a=b.tar' }],
    ['type=oci,"dest=a,b.tar"', { ...OCI, dest: 'a,b.tar' }],
    ['type=oci,"dest=a""b"', { ...OCI, dest: 'a"b' }],
    ['type=oci,name=app:1', { ...OCI, names: ['app:1'] }],
    ['type=oci,name=a,name=b', { ...OCI, names: ['a', 'b'] }],
    ['type=oci,"name=a,b"', { ...OCI, names: ['a', 'b'] }],
    ['type=oci,name=', OCI],
    ['type=oci,annotation.k=v', { ...OCI, annotations: { k: 'v' } }],
    ['type=oci,annotation.Org.K=v=w', { ...OCI, annotations: { 'Org.K': 'v=w' } }],
    ['type=oci,annotation-manifest.k=', { ...OCI, annotations: { k: '' } }],
    ['type=oci,compression=zstd', { ...OCI, compression: 'zstd' }],
    ['type=oci,compression=gzip,compression-level=9', { ...OCI, compression: 'gzip', compressionLevel: 9 }],
    ['type=oci,compression=zstd,compression-level=22', { ...OCI, compression: 'zstd', compressionLevel: 22 }],
    ['type=oci,compression=uncompressed', { ...OCI, compression: 'none' }],
    ['type=oci,compression=none', { ...OCI, compression: 'none' }],
    ['type=oci,oci-mediatypes=true', OCI],
    ['type=oci,rewrite-timestamp=true', { ...OCI, rewriteTimestamp: true }],
    ['type=oci,force-compression=false', OCI],
    ['type=docker,dest=a.tar', { type: 'docker', dest: 'a.tar', names: [] }],
    ['type=docker,dest=-', { type: 'docker', dest: '-', names: [] }],
    ['type=docker,dest=a.tar,oci-mediatypes=true', { type: 'docker', dest: 'a.tar', names: [], ociMediaTypes: true }],
    ['type=docker,dest=a.tar,oci-mediatypes=false', { type: 'docker', dest: 'a.tar', names: [], ociMediaTypes: false }],
    ['type=image', { type: 'image', names: [] }],
    ['type=image,name=app,push=false', { type: 'image', names: ['app'] }],
    ['type=image,store=true,unpack=true', { type: 'image', names: [] }],
    ['type=registry', REGISTRY],
    ['type=registry,push=true,store=false,name-canonical=true,unpack=false', REGISTRY],
    ['type=registry,"name=r.example/a:1,r.example/b",name=c', { ...REGISTRY, names: ['r.example/a:1', 'r.example/b', 'c'] }],
    ['type=registry,push-by-digest=true,registry.insecure=true', { ...REGISTRY, byDigest: true, insecure: true }],
    ['type=registry,push-by-digest=false,registry.insecure=0,oci-mediatypes=true', REGISTRY],
    ['type=registry,oci-mediatypes=false', { ...REGISTRY, dockerMediaTypes: true }],
    ['type=registry,annotation.K=v,annotation-manifest.l=w', { ...REGISTRY, annotations: { K: 'v', l: 'w' } }],
    ['type=registry,compression=zstd,compression-level=7', { ...REGISTRY, compression: 'zstd', compressionLevel: 7 }],
    ['type=registry,store=true', [{ type: 'image', names: [] }, REGISTRY]],
    [
      'type=image,name=app,push=true',
      [
        { type: 'image', names: ['app'] },
        { ...REGISTRY, names: ['app'] },
      ],
    ],
    [
      'type=image,push=true,push-by-digest=true',
      [
        { type: 'image', names: [] },
        { ...REGISTRY, byDigest: true },
      ],
    ],
    ['type=image,push=true,store=false,annotation.k=v', { ...REGISTRY, annotations: { k: 'v' } }],
  ])('%s', (text, expected) => {
    expect(parseOutputs(text)).toEqual([expected].flat());
  });

  it.each([
    ['', 'usage', 'it is empty'],
    ['type=', 'usage', 'unknown type ""'],
    ['dest=out', 'usage', 'type= is missing'],
    ['type=registry,push=false', 'usage', 'type=registry pushes'],
    ['type=registry,push=maybe', 'usage', 'push=maybe: want true or false'],
    ['type=registry,name-canonical=maybe', 'usage', 'name-canonical=maybe: want true or false'],
    ['type=registry,dest=x', 'usage', 'unknown option "dest"'],
    ['type=registry,annotation-index.k=v', 'unsupported', 'annotation-index.k'],
    ['type=image,store=false', 'unsupported', 'store=false'],
    ['type=image,push=true,annotation.k=v', 'unsupported', 'annotation.k'],
    ['type=image,push=true,oci-mediatypes=false', 'unsupported', 'OCI media types only'],
    ['type=oci,push=true', 'usage', 'unknown option "push"'],
    ['type=cacheonly', 'unsupported', 'output type cacheonly'],
    ['type=ocl', 'usage', 'did you mean oci?'],
    ['type=locale,dest=x', 'usage', 'did you mean local?'],
    ['type=local', 'usage', 'dest= is missing'],
    ['type=local,dest=-', 'usage', 'cannot go to standard output'],
    ['type=local,dest=x,mode=delete', 'unsupported', 'mode=delete'],
    ['type=local,dest=x,mode=move', 'usage', 'unknown mode "move"'],
    ['type=local,dest=x,platform-split=both', 'usage', 'platform-split=both: want true or false'],
    ['type=tar,source-date-epoch=now', 'usage', 'source-date-epoch=now: want whole seconds'],
    ['type=local,dest=x,annotation.a=b', 'usage', 'no manifest'],
    ['type=oci,tar=false', 'usage', 'dest= is missing'],
    ['type=oci,tar=false,dest=-', 'usage', 'a directory cannot go to standard output'],
    ['type=oci,tar=maybe', 'usage', 'tar=maybe: want true or false'],
    ['type=oci,dset=x', 'usage', 'did you mean dest?'],
    ['type=oci,nonsense=x', 'usage', 'unknown option "nonsense"'],
    ['type=oci,dest', 'usage', '"dest" is not key=value'],
    ['type=oci,=x', 'usage', '"=x" is not key=value'],
    ['type=oci,', 'usage', '"" is not key=value'],
    ['type=oci,dest=a,dest=b', 'usage', 'dest is given twice'],
    ['type=oci,type=tar', 'usage', 'type is given twice'],
    ['type=oci,"dest=a', 'usage', 'double quote'],
    ['type=oci,dest="a"', 'usage', 'double quote'],
    ['type=oci,name=Upper', 'usage', 'upper-case'],
    ['type=oci,compression=lz4', 'usage', 'unknown compression "lz4"'],
    ['type=oci,compression=gzipp', 'usage', 'did you mean gzip?'],
    ['type=oci,compression=estargz', 'unsupported', 'estargz'],
    ['type=oci,compression-level=10', 'usage', 'want 0 to 9'],
    ['type=oci,compression=zstd,compression-level=23', 'usage', 'want 1 to 22'],
    ['type=oci,compression-level=x', 'usage', 'invalid compression level "x"'],
    ['type=oci,oci-mediatypes=false', 'usage', 'OCI media types'],
    ['type=oci,force-compression=true', 'unsupported', 'force-compression=true'],
    ['type=oci,rewrite-timestamp=yes', 'usage', 'rewrite-timestamp=yes: want true or false'],
    ['type=oci,annotation-index.k=v', 'unsupported', 'annotation-index.k'],
    ['type=oci,annotation[linux/amd64].k=v', 'unsupported', 'annotation[linux/amd64].k'],
    ['type=image,annotation.k=v', 'unsupported', 'annotation.k'],
    ['type=image,oci-mediatypes=false', 'unsupported', 'OCI media types only'],
    ['type=image,dest=x', 'usage', 'unknown option "dest"'],
    ['type=docker', 'usage', 'there is no docker daemon'],
    ['type=tar,compression=gzip', 'usage', 'unknown option "compression"'],
  ])('refuses %s (%s: %s)', (text, kind, reason) => {
    expect(() => parseOutputs(text)).toThrow(expect.objectContaining({ kind, message: expect.stringContaining(reason) as string }));
  });

  it('throws nothing but BuildError', () => {
    const pieces = fc.constantFrom('type=oci', 'dest=', ',', '"', '=', 'tar=false', 'annotation.', '[', 'name=', '-', 'a');
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 8 }), (parts) => {
        try {
          parseOutputs(parts.join(''));
        } catch (error) {
          expect(error).toBeInstanceOf(BuildError);
        }
      }),
    );
  });
});

describe('parseOciLayout', () => {
  it.each([
    ['out', 'out', undefined],
    ['out:1.0', 'out', '1.0'],
    ['./out/dir:latest', './out/dir', 'latest'],
    ['/abs/dir', '/abs/dir', undefined],
    ['a:b/c', 'a:b/c', undefined],
    ['a:b/c:1', 'a:b/c', '1'],
  ])('%s', (text, dest, tag) => {
    expect(parseOciLayout(text)).toEqual({
      type: 'oci',
      dest,
      tar: false,
      names: [],
      annotations: {},
      ...(tag === undefined ? {} : { tag }),
    });
  });

  it.each(['', '-', 'dir:', 'dir:-x', `dir:${'x'.repeat(129)}`])('refuses %j', (text) => {
    expect(() => parseOciLayout(text)).toThrow('invalid --oci-layout');
  });
});
