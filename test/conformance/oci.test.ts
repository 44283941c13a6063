import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestOf, hexOf, type Digest } from '../../src/oci/digest.js';
import { expectOciSchema } from '../helpers/oci-schema.js';
import { readLayoutImage } from '../helpers/image-facts.js';
import { BASE, type ConformanceCase } from './cases/case.js';
import { Lab, TAG, whyNoLab } from './lab.js';

const reason = whyNoLab();
if (reason !== undefined) console.warn(`SKIPPED: layouts are not given to other programs: ${reason}`);

const CASES: readonly ConformanceCase[] = [
  {
    title: 'one file on scratch',
    dockerfile: 'FROM scratch\nCOPY file /\n',
    context: { file: 'text' },
  },
  {
    title: 'no layer at all',
    dockerfile: 'FROM scratch\nLABEL a=b\n',
  },
  {
    title: 'every instruction',
    dockerfile: `ARG VERSION=1
FROM tsbuild.local/base:\${VERSION} AS build
RUN mkdir /out && echo built > /out/file && chown -R alice:staff /out
FROM ${BASE}
MAINTAINER Some Body
ARG A=1
ENV B=2 C="three words"
LABEL l="a \\"quoted\\" word" m=$A
SHELL ["/bin/sh", "-e", "-c"]
WORKDIR /work
COPY --from=build /out ./
COPY --chown=1:2 --chmod=640 file /file
ADD archive /unpacked/
RUN rm -r /srv/tree && ln /srv/hard1 /hard && mkfifo /fifo && chmod 6755 /srv/suid
EXPOSE 80 53/udp
VOLUME ["/data"]
USER alice:staff
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --start-period=1s --retries=1 CMD true
ONBUILD RUN echo child
ENTRYPOINT ["/bin/echo"]
CMD ["hello"]
`,
    context: { file: 'x' },
    script: 'mkdir t; echo x > t/x; tar -czf archive -C t .; rm -r t',
  },
  {
    title: 'mounts, heredocs, layers that are independent of others',
    dockerfile: `FROM ${BASE}
RUN --mount=target=/made/for/context --mount=type=cache,target=/srv/empty cp /made/for/context/file /srv/empty/ && cp /srv/empty/file /copied
RUN --mount=type=tmpfs,target=/srv/tree <<EOF
touch /srv/tree/gone
mkdir /kept
EOF
COPY --link file /srv/link/through
COPY --link --chown=5:6 --chmod=u=rwX,go= dir /srv/tree/
COPY --parents --exclude=**/b dir/./sub /parents/
COPY <<one <<"two" /heredocs/
$PATH
one
$PATH
two
`,
    context: { file: 'x', 'dir/a': 'a', 'dir/sub/a': 'a', 'dir/sub/b': 'b' },
  },
  {
    title: 'whiteouts, odd names, empty layers',
    dockerfile: `FROM ${BASE}
RUN rm -r /srv/tree && mkdir /srv/tree
RUN true
RUN touch '/näme' "$(printf '/new\\nline')" "$(printf '/long%0240d' 1)"
RUN rm '/näme'
`,
  },
];

describe.skipIf(reason !== undefined)('layouts as other programs see them', () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await Lab.open();
  });
  afterAll(() => lab?.[Symbol.dispose]());

  for (const compression of ['gzip', 'zstd', 'none'] as const) {
    describe.each(CASES)(`$title, compressed with ${compression}`, (request) => {
      let layout: string;
      beforeAll(async () => {
        const context = lab.context(request);
        const built = await lab.buildLayout(context, { ...request, args: ['--compression', compression] });
        expect(built.status, built.stderr).toBe(0);
        layout = built.layout;
      });

      it('every JSON is what the image-spec says', () => {
        const { manifest, config } = readLayoutImage(layout);
        expectOciSchema('image-layout-schema', JSON.parse(readFileSync(join(layout, 'oci-layout'), 'utf8')));
        expectOciSchema('image-index-schema', JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')));
        // The schema wants a layer at least. Images of scratch without any are what docker, BuildKit and buildah make, too.
        if (manifest.layers.length > 0) expectOciSchema('image-manifest-schema', manifest);
        expectOciSchema('config-schema', config);
        for (const descriptor of [manifest.config, ...manifest.layers]) expectOciSchema('content-descriptor', descriptor);
      });

      it('every blob is what its name says, and all that are named are there', () => {
        const { manifest } = readLayoutImage(layout);
        const blobs = join(layout, 'blobs/sha256');
        const names = readdirSync(blobs);
        expect(names.map((name) => digestOf(readFileSync(join(blobs, name))))).toEqual(names.map((name) => `sha256:${name}`));
        for (const { digest, size } of [manifest.config, ...manifest.layers]) {
          expect(readFileSync(join(blobs, hexOf(digest))).length).toBe(size);
        }
      });

      it('skopeo inspects it', () => {
        const { manifest, config } = readLayoutImage(layout);
        const seen = JSON.parse(execFileSync('skopeo', ['inspect', `oci:${layout}:${TAG}`], { encoding: 'utf8' })) as Inspected;
        expect(seen.Layers ?? []).toEqual(manifest.layers.map((layer) => layer.digest));
        expect(seen.Architecture).toBe(config.architecture);
        expect(seen.Labels ?? {}).toEqual(config.config?.Labels ?? {});
        expect(seen.Env).toEqual(config.config?.Env);
      });

      // umoci 0.4.7 knows no zstd.
      it.skipIf(compression === 'zstd')('umoci unpacks it', () => {
        const bundle = lab.path();
        execFileSync('umoci', ['--log', 'error', 'unpack', '--image', `${layout}:${TAG}`, bundle], { stdio: 'pipe' });
        expect(existsSync(join(bundle, 'rootfs'))).toBe(true);
        expect(existsSync(join(bundle, 'config.json'))).toBe(true);
      });

      it('buildah pulls it, under the id of its config', async () => {
        const { manifest } = readLayoutImage(layout);
        const { status, stdout, stderr } = await lab.buildah.run('buildah', ['pull', '-q', `oci:${layout}:${TAG}`]);
        expect(stderr).toBe('');
        expect({ status, id: stdout.trim() }).toEqual({ status: 0, id: hexOf(manifest.config.digest) });
      });
    });
  }
});

/** Of what skopeo says. */
interface Inspected {
  readonly Architecture: string;
  readonly Layers: readonly Digest[] | null;
  readonly Labels: Readonly<Record<string, string>> | null;
  readonly Env: readonly string[];
}
