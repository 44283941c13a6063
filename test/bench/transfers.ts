import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { shell } from './measure.js';
import { startRegistry, type BenchRegistry } from './registry.js';
import type { Workload } from './workload.js';

const MAX_PEAK_BYTES = 250e6;
const MIN_UNPACKED_BYTES = 300e6;
const TSBUILD = 'tsbuild';
const CURL = 'curl, gunzip, tar';
const SKOPEO = 'skopeo copy + umoci unpack';

/**
 * Pull, push and copy of a Debian with Node.js, a handful of layers, between tsbuild or its peers and registries on this machine. Everything that is
 * written, the registries' part too, lies on the journaled file system, and is on disk before the next candidate has its turn.
 */
export class TransferBench implements Disposable {
  readonly #place: string;
  readonly #tsbuild: string;
  readonly #environment: Record<string, string>;
  #registries: { readonly from: BenchRegistry; readonly to: BenchRegistry } | undefined;

  /**
   * @param tsbuild how it is started
   * @param environment of every command; `FROM` and `TO` come in: `127.0.0.1:PORT`
   */
  constructor(place: string, tsbuild: string, environment: Record<string, string>) {
    this.#place = place;
    this.#tsbuild = tsbuild;
    this.#environment = environment;
  }

  readonly workloads: Readonly<Record<string, Workload>> = {
    pull: {
      title: 'pull of a Debian with Node.js, unpacked',
      prepare: () => this.#prepare(),
      candidates: () => [
        { name: TSBUILD, prepare: EMPTY, command: `${this.#tsbuild} pull -q --extract $FROM/base:1` },
        { name: 'buildah pull', prepare: EMPTY, command: 'buildah pull -q --tls-verify=false docker://$FROM/base:1' },
        {
          name: SKOPEO,
          prepare: EMPTY,
          command:
            'skopeo copy -q --src-tls-verify=false docker://$FROM/base:1 oci:$B/out/oci:1; umoci unpack --image $B/out/oci:1 $B/out/bundle >/dev/null',
        },
        { name: CURL, prepare: EMPTY, command: PIPELINE },
      ],
      limits: { 'buildah pull': 0.6, [SKOPEO]: 0.6, [CURL]: 1.3 },
      maxPeakBytes: MAX_PEAK_BYTES,
    },
    push: {
      title: 'push of the same image to an empty registry',
      prepare: () => {
        this.#prepare();
        this.#shell(`${EMPTY}; ${this.#tsbuild} pull -q $FROM/base:1; buildah pull -q --tls-verify=false docker://$FROM/base:1`);
      },
      candidates: () => [
        { name: TSBUILD, prepare: EMPTY_TARGET, command: `${this.#tsbuild} push -q $FROM/base:1 $TO/base:1` },
        { name: 'buildah push', prepare: EMPTY_TARGET, command: 'buildah push -q --tls-verify=false $FROM/base:1 docker://$TO/base:1' },
      ],
      limits: { 'buildah push': 0.7 },
      maxPeakBytes: MAX_PEAK_BYTES,
    },
    cp: {
      title: 'copy of the same image to another registry, empty',
      prepare: () => this.#prepare(),
      candidates: () => [
        { name: TSBUILD, prepare: EMPTY_TARGET, command: `${this.#tsbuild} cp -q docker://$FROM/base:1 docker://$TO/base:1` },
        {
          name: 'skopeo copy',
          prepare: EMPTY_TARGET,
          command: 'skopeo copy -q --src-tls-verify=false --dest-tls-verify=false docker://$FROM/base:1 docker://$TO/base:1',
        },
      ],
      limits: { 'skopeo copy': 1 },
      maxPeakBytes: MAX_PEAK_BYTES,
    },
  };

  [Symbol.dispose](): void {
    this.#registries?.from[Symbol.dispose]();
    this.#registries?.to[Symbol.dispose]();
  }

  /** Once for all of them: the registries, and the image in one. */
  #prepare(): void {
    if (this.#registries !== undefined) return;
    const at = (name: string): string => join(this.#place, 'registries', name);
    this.#registries = { from: startRegistry(at('from')), to: startRegistry(at('to')) };
    const { from, to } = this.#registries;
    Object.assign(this.#environment, { FROM: from.host, TO: to.host, TO_STORAGE: to.storage });
    const kept = process.env['BENCH_BASE'];
    const layout = kept !== undefined && existsSync(kept) ? kept : this.#makeBase(kept ?? join(this.#place, 'base-layout'));
    this.#shell(`skopeo copy -q --dest-tls-verify=false oci:${layout}:1 docker://$FROM/base:1`);
    const [layers, packed, unpacked] = this.#shell(SIZES).trim().split('\n').map(Number);
    process.stderr.write(`base: ${layers} layers, ${packed} bytes, unpacked ${unpacked}\n`);
    if ((unpacked ?? 0) < MIN_UNPACKED_BYTES) throw new Error('the image is too small to be compared');
  }

  /** @returns `layout`: the path of an OCI layout that has the image as `1` now */
  #makeBase(layout: string): string {
    const context = join(this.#place, 'base-context');
    mkdirSync(context, { recursive: true });
    writeFileSync(join(context, 'Dockerfile'), BASE);
    this.#shell(`mmdebstrap --quiet --variant=minbase --mode=root bookworm ${context}/rootfs.tar`);
    this.#shell(`${this.#tsbuild} build -q --oci-layout ${layout}:1 ${context}`);
    rmSync(context, { recursive: true });
    return layout;
  }

  #shell(command: string): string {
    return shell(command, this.#environment);
  }
}

const INSTALL = 'apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends';
const FORGET = 'rm -rf /var/lib/apt/lists/* /var/cache/apt/*';
const BASE = `FROM scratch
ADD rootfs.tar /
RUN ${INSTALL} ca-certificates curl git && ${FORGET}
RUN ${INSTALL} nodejs npm && ${FORGET}
RUN mkdir /app && echo '{ "name": "app", "private": true }' > /app/package.json
WORKDIR /app
CMD ["node"]
`;

/** Nobody has anything of the image. */
const EMPTY = 'rm -rf $B/out $B/store; mkdir -p $B/out; buildah rmi -a -f >/dev/null 2>&1 || true; sync';
const EMPTY_TARGET = 'rm -rf $TO_STORAGE/*; sync';

const BLOBS = '$FROM/v2/base/blobs';
const MANIFEST = `curl -sf -H 'Accept: application/vnd.oci.image.manifest.v1+json' $FROM/v2/base/manifests/1`;
/** The first digest is that of the config. */
const LAYERS = `$(${MANIFEST} | tr , '\\n' | grep -o 'sha256:[0-9a-f]*' | tail -n +2)`;

/** The least that a pull can be: every layer side by side, no digest is compared. */
const PIPELINE = `pids=
for digest in ${LAYERS}; do
  mkdir $B/out/\${digest#*:}
  curl -sf ${BLOBS}/$digest | gunzip | tar -x -C $B/out/\${digest#*:} &
  pids="$pids $!"
done
for pid in $pids; do wait $pid; done`;

/** Number of layers, and their bytes with and without compression. */
const SIZES = `layers=0; packed=0; unpacked=0
for digest in ${LAYERS}; do
  layers=$((layers + 1))
  packed=$((packed + $(curl -sf ${BLOBS}/$digest | wc -c)))
  unpacked=$((unpacked + $(curl -sf ${BLOBS}/$digest | gunzip | wc -c)))
done
printf '%s\\n' $layers $packed $unpacked`;
