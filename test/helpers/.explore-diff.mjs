var __knownSymbol = (name, symbol) => (symbol = Symbol[name]) ? symbol : /* @__PURE__ */ Symbol.for("Symbol." + name);
var __typeError = (msg) => {
  throw TypeError(msg);
};
var __using = (stack, value, async) => {
  if (value != null) {
    if (typeof value !== "object" && typeof value !== "function") __typeError("Object expected");
    var dispose, inner;
    if (async) dispose = value[__knownSymbol("asyncDispose")];
    if (dispose === void 0) {
      dispose = value[__knownSymbol("dispose")];
      if (async) inner = dispose;
    }
    if (typeof dispose !== "function") __typeError("Object not disposable");
    if (inner) dispose = function() {
      try {
        inner.call(this);
      } catch (e) {
        return Promise.reject(e);
      }
    };
    stack.push([async, dispose, value]);
  } else if (async) {
    stack.push([async]);
  }
  return value;
};
var __callDispose = (stack, error, hasError) => {
  var E = typeof SuppressedError === "function" ? SuppressedError : function(e, s, m, _2) {
    return _2 = Error(m), _2.name = "SuppressedError", _2.error = e, _2.suppressed = s, _2;
  };
  var fail = (e) => error = hasError ? new E(e, error, "An error was suppressed during disposal") : (hasError = true, e);
  var next = (it) => {
    while (it = stack.pop()) {
      try {
        var result = it[1] && it[1].call(it[2]);
        if (it[0]) return Promise.resolve(result).then(next, (e) => (fail(e), next()));
      } catch (e) {
        fail(e);
      }
    }
    if (hasError) throw error;
  };
  return next();
};

// test/conformance/lab.ts
import { execFileSync as execFileSync2, spawnSync as spawnSync3 } from "node:child_process";
import { existsSync, lutimesSync, mkdirSync as mkdirSync3, mkdtempSync as mkdtempSync2, readdirSync as readdirSync2, rmSync as rmSync3 } from "node:fs";
import { tmpdir } from "node:os";
import { join as join4 } from "node:path";

// src/base/bytes.ts
var NON_ASCII = /[\u0080-\uffff]/;
function fromText(text) {
  return NON_ASCII.test(text) ? Buffer.from(text, "utf8").toString("latin1") : text;
}
function toText(bytes) {
  return NON_ASCII.test(bytes) ? Buffer.from(bytes, "latin1").toString("utf8") : bytes;
}
function toFsPath(bytes) {
  return NON_ASCII.test(bytes) ? Buffer.from(bytes, "latin1") : bytes;
}

// test/helpers/buildah.ts
import { spawnSync } from "node:child_process";
import { linkSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

// src/oci/digest.ts
import { createHash } from "node:crypto";

// src/base/errors.ts
var BuildError = class extends Error {
  kind;
  range;
  hint;
  exitCode;
  lastLines;
  constructor(kind, message, details = {}) {
    super(message, details.cause === void 0 ? void 0 : { cause: details.cause });
    this.name = "BuildError";
    this.kind = kind;
    this.range = details.range;
    this.hint = details.hint;
    this.exitCode = details.exitCode;
    this.lastLines = details.lastLines;
  }
};
function errnoOf(error) {
  if (!(error instanceof Error) || !("code" in error)) return void 0;
  return typeof error.code === "string" ? error.code : void 0;
}

// src/oci/digest.ts
function digestOf(bytes) {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
function hexOf(digest) {
  return digest.slice("sha256:".length);
}

// src/oci/types.ts
var MediaType = {
  ociManifest: "application/vnd.oci.image.manifest.v1+json",
  ociIndex: "application/vnd.oci.image.index.v1+json",
  ociConfig: "application/vnd.oci.image.config.v1+json",
  ociLayer: "application/vnd.oci.image.layer.v1.tar",
  ociLayerGzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  ociLayerZstd: "application/vnd.oci.image.layer.v1.tar+zstd",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerIndex: "application/vnd.docker.distribution.manifest.list.v2+json",
  dockerConfig: "application/vnd.docker.container.image.v1+json",
  dockerLayer: "application/vnd.docker.image.rootfs.diff.tar",
  dockerLayerGzip: "application/vnd.docker.image.rootfs.diff.tar.gzip",
  dockerLayerZstd: "application/vnd.docker.image.rootfs.diff.tar.zstd"
};

// test/helpers/buildah.ts
var Buildah = class {
  #dir;
  #env;
  /** @param dir an empty directory of the caller's, who removes it */
  constructor(dir, driver) {
    this.#dir = dir;
    const conf = join(dir, "storage.conf");
    writeFileSync(conf, `[storage]
driver = "${driver}"
graphroot = "${dir}/graph"
runroot = "${dir}/run"
`);
    const registries = join(dir, "registries.conf");
    writeFileSync(registries, "unqualified-search-registries = []\n");
    mkdirSync(join(dir, "tmp"));
    this.#env = { CONTAINERS_STORAGE_CONF: conf, CONTAINERS_REGISTRIES_CONF: registries, TMPDIR: join(dir, "tmp"), LC_ALL: "C" };
  }
  /** The image `tag` of an OCI layout becomes `name` in the storage. */
  load(layout, tag, name) {
    expectSuccess(this.run("skopeo", ["copy", "-q", `oci:${layout}:${tag}`, `containers-storage:${name}`]));
  }
  /**
   * Builds, layer by layer, and in docker's format, which unlike OCI's has HEALTHCHECK, ONBUILD and SHELL.
   *
   * @param name in the storage, or `dir:PATH`
   */
  build(context, name, args = []) {
    const isolation = ["--isolation", "oci", "--runtime", "runc", "--network", "host"];
    const image = ["--format", "docker", "--layers", "--identity-label=false", "--pull-never", "-t", name];
    return this.run("buildah", ["bud", "-q", ...isolation, ...image, ...args, context]);
  }
  run(command, args) {
    const { status, stdout, stderr } = spawnSync("unshare", ["--mount", command, ...args], {
      encoding: "utf8",
      cwd: this.#dir,
      env: { PATH: process.env["PATH"] ?? "", HOME: this.#dir, ...this.#env },
      timeout: 12e4
    });
    return { status, stdout, stderr };
  }
};
function expectSuccess({ status, stderr }) {
  if (status !== 0) throw new Error(`exit code ${status}: ${stderr}`);
}
var OCI_MEDIA_TYPES = {
  [MediaType.dockerConfig]: MediaType.ociConfig,
  [MediaType.dockerLayer]: MediaType.ociLayer,
  [MediaType.dockerLayerGzip]: MediaType.ociLayerGzip
};
function dirToLayout(dir, layout, tag) {
  const docker = JSON.parse(readFileSync(join(dir, "manifest.json"), "utf8"));
  const blobs = join(layout, "blobs/sha256");
  mkdirSync(blobs, { recursive: true });
  const adopt = (descriptor2) => {
    const hex = hexOf(descriptor2.digest);
    try {
      linkSync(join(dir, hex), join(blobs, hex));
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    const mediaType = OCI_MEDIA_TYPES[descriptor2.mediaType];
    if (mediaType === void 0) throw new Error(`${dir}: unknown media type ${descriptor2.mediaType}`);
    return { ...descriptor2, mediaType };
  };
  const manifest = { schemaVersion: 2, config: adopt(docker.config), layers: docker.layers.map(adopt) };
  const bytes = Buffer.from(JSON.stringify(manifest));
  const digest = digestOf(bytes);
  writeFileSync(join(blobs, hexOf(digest)), bytes);
  const annotations = { "org.opencontainers.image.ref.name": tag };
  const descriptor = { mediaType: MediaType.ociManifest, digest, size: bytes.length, annotations };
  writeFileSync(join(layout, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [descriptor] }));
  writeFileSync(join(layout, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
}

// test/helpers/cli.ts
import { spawn, spawnSync as spawnSync2 } from "node:child_process";
import { mkdirSync as mkdirSync2, mkdtempSync, rmSync, symlinkSync, writeFileSync as writeFileSync2 } from "node:fs";
import { dirname, join as join2 } from "node:path";
import { fileURLToPath } from "node:url";
var TSBUILD = fileURLToPath(new URL("../../bin/tsbuild.js", import.meta.url));
function cleanEnvironment(extra = {}) {
  const { NODE_EXTRA_CA_CERTS: _ca, SOURCE_DATE_EPOCH: _epoch, BUILDKIT_PROGRESS: _progress, ...env } = process.env;
  return { ...env, ...extra };
}
function tsbuild(args, options = {}) {
  const { status, stdout, stderr } = spawnSync2(process.execPath, [TSBUILD, ...args], {
    encoding: "utf8",
    maxBuffer: 1 << 28,
    timeout: options.timeoutMs ?? 12e4,
    env: cleanEnvironment(options.env),
    ...options.cwd === void 0 ? {} : { cwd: options.cwd }
  });
  return { status, stdout, stderr };
}
function writeFiles(dir, files) {
  for (const [name, spec] of Object.entries(files)) {
    const path = join2(dir, name);
    if (spec === void 0) {
      mkdirSync2(path, { recursive: true });
      continue;
    }
    mkdirSync2(dirname(path), { recursive: true });
    if (typeof spec === "string" || Buffer.isBuffer(spec)) writeFileSync2(path, spec);
    else if ("link" in spec) symlinkSync(spec.link, path);
    else writeFileSync2(path, spec.text, { mode: spec.mode });
  }
  return dir;
}

// test/helpers/differences.ts
import { isDeepStrictEqual } from "node:util";
function compareImages(tsbuild2, buildah) {
  return [
    ...compareRecords("config ", tsbuild2.config, buildah.config),
    ...compareRecords("", { history: tsbuild2.history }, { history: buildah.history }),
    ...compareTrees(tsbuild2.tree, buildah.tree)
  ];
}
function compareTrees(tsbuild2, buildah) {
  const paths = [.../* @__PURE__ */ new Set([...tsbuild2.keys(), ...buildah.keys()])].toSorted();
  return paths.flatMap((path) => {
    const ours = tsbuild2.get(path);
    const theirs = buildah.get(path);
    if (ours === void 0 || theirs === void 0) {
      return [{ where: path, tsbuild: ours && summary(ours), buildah: theirs && summary(theirs) }];
    }
    return compareRecords(`${path} `, { ...ours }, { ...theirs });
  });
}
function compareRecords(prefix, tsbuild2, buildah) {
  const keys = [.../* @__PURE__ */ new Set([...Object.keys(tsbuild2), ...Object.keys(buildah)])];
  return keys.filter((key) => !isDeepStrictEqual(tsbuild2[key], buildah[key])).map((key) => ({ where: prefix + key, tsbuild: tsbuild2[key], buildah: buildah[key] }));
}
function summary({ type, mode, owner, content, target }) {
  const rest = target ?? (content === void 0 ? void 0 : JSON.stringify(content));
  return [type, mode, owner, rest].filter((word) => word !== void 0).join(" ");
}

// test/helpers/image-facts.ts
import { execFileSync } from "node:child_process";
import { readFileSync as readFileSync3, rmSync as rmSync2 } from "node:fs";
import { join as join3 } from "node:path";

// test/helpers/tree.ts
import { createHash as createHash2 } from "node:crypto";
import { readdirSync, readFileSync as readFileSync2 } from "node:fs";

// src/os/native.ts
import { createRequire } from "node:module";
import { constants } from "node:os";
var XATTR_MAX_BYTES = 65536;
var PATH_MAX_BYTES = 4096;
var loaded;
function libc() {
  loaded ??= loadLibc();
  return loaded;
}
function loadLibc() {
  try {
    const koffi = createRequire(import.meta.url)("koffi");
    return bind(koffi, openLibc(koffi));
  } catch (cause) {
    throw new BuildError("environment", `package "koffi" cannot call this machine's C library (${process.platform} ${process.arch})`, {
      hint: "tsbuild needs Linux with glibc or musl on a processor that koffi supports.",
      cause
    });
  }
}
function openLibc(koffi) {
  try {
    const process2 = koffi.load(null);
    process2.func("int flock(int fd, int operation)");
    return process2;
  } catch {
    return koffi.load("libc.so.6");
  }
}
function bind(koffi, library) {
  return {
    errno: () => koffi.errno(),
    llistxattr: library.func("int64_t llistxattr(const char *path, void *list, size_t size)"),
    lgetxattr: library.func("int64_t lgetxattr(const char *path, const char *name, void *value, size_t size)"),
    lsetxattr: library.func("int lsetxattr(const char *path, const char *name, const void *value, size_t size, int flags)"),
    lremovexattr: library.func("int lremovexattr(const char *path, const char *name)"),
    mknod: bindMknod(library),
    utimensat: library.func("int utimensat(int fd, const char *path, const void *times, int flags)"),
    flock: library.func("int flock(int fd, int operation)"),
    buffer: Buffer.alloc(XATTR_MAX_BYTES),
    times: new BigInt64Array(4)
  };
}
function bindMknod(library) {
  try {
    return library.func("int mknod(const char *path, uint32_t mode, uint64_t device)");
  } catch {
    const xmknod = library.func("int __xmknod(int version, const char *path, uint32_t mode, const void *device)");
    return (path, mode, device) => xmknod(0, path, mode, BigUint64Array.of(BigInt(device)));
  }
}
function listXattrs(path) {
  const c = libc();
  const target = toCString(path);
  const length = c.llistxattr(target, c.buffer, XATTR_MAX_BYTES);
  if (length === 0) return [];
  if (length < 0) {
    const code = errnoName(c.errno());
    if (code === "ENOTSUP" || code === "EPERM") return [];
    throw failure("llistxattr", path, code);
  }
  const names = c.buffer.toString("latin1", 0, length - 1).split("\0");
  const found = [];
  for (const name of names.toSorted()) {
    const value = getXattr(path, name);
    if (value !== void 0) found.push([name, value]);
  }
  return found;
}
function getXattr(path, name) {
  const c = libc();
  const length = c.lgetxattr(toCString(path), toXattrName(name), c.buffer, XATTR_MAX_BYTES);
  if (length >= 0) return Buffer.from(c.buffer.subarray(0, length));
  const code = errnoName(c.errno());
  if (code === "ENODATA" || code === "ENOTSUP" || code === "EPERM") return void 0;
  throw failure("lgetxattr", path, code);
}
var cPath = Buffer.alloc(PATH_MAX_BYTES);
function toCString(path) {
  if (typeof path === "string") {
    if (path.includes("\0")) throw failure("path", path, "EINVAL");
    return path;
  }
  if (path.length >= PATH_MAX_BYTES) throw failure("path", path, "ENAMETOOLONG");
  if (path.includes(0)) throw failure("path", path, "EINVAL");
  cPath.set(path);
  cPath[path.length] = 0;
  return cPath;
}
function toXattrName(name) {
  const bytes = toFsPath(name);
  return typeof bytes === "string" ? bytes : Buffer.concat([bytes, Buffer.alloc(1)]);
}
var ERRNO_NAMES = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));
ERRNO_NAMES.set(constants.errno.EAGAIN, "EAGAIN").set(constants.errno.ENOTSUP, "ENOTSUP");
function errnoName(number) {
  return ERRNO_NAMES.get(number) ?? `errno ${number}`;
}
function failure(call, path, code) {
  return Object.assign(new Error(`${call} ${path.toString()}: ${code}`), { code, syscall: call, path: path.toString() });
}

// src/os/stat.ts
import { lstatSync, readlinkSync } from "node:fs";
var TYPE_MASK = 61440;
var TYPES = {
  32768: "file",
  16384: "directory",
  40960: "symlink",
  4096: "fifo",
  8192: "char",
  24576: "block",
  49152: "socket"
};
function tryLstat(path) {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    const code = errnoOf(error);
    if (code === "ENOTDIR" || code === "ENAMETOOLONG") return void 0;
    throw error;
  }
}
function toNodeStat(stats, fsPath) {
  const type = nodeTypeOf(stats);
  const isDevice = type === "char" || type === "block";
  const stat = {
    type,
    mode: stats.mode & 4095,
    uid: stats.uid,
    gid: stats.gid,
    sizeBytes: type === "file" ? stats.size : 0,
    mtimeSeconds: mtimeSecondsOf(stats),
    devMajor: isDevice ? majorOf(stats.rdev) : 0,
    devMinor: isDevice ? minorOf(stats.rdev) : 0,
    inode: inodeOf(stats, fsPath),
    linkCount: stats.nlink,
    fsPath
  };
  return type === "symlink" ? { ...stat, linkTarget: readlinkSync(fsPath, "latin1") } : stat;
}
function nodeTypeOf(stats) {
  return TYPES[stats.mode & TYPE_MASK] ?? "file";
}
function mtimeSecondsOf(stats) {
  return Math.floor(stats.mtimeMs / 1e3);
}
function inodeOf(stats, fsPath) {
  if (Number.isSafeInteger(stats.ino)) return `${stats.dev}:${stats.ino}`;
  const exact = lstatSync(fsPath, { bigint: true });
  return `${exact.dev}:${exact.ino}`;
}
function majorOf(device) {
  const high = Math.floor(device / 2 ** 32);
  return device >>> 8 & 4095 | high & 4294963200;
}
function minorOf(device) {
  return device & 255 | device >>> 12 & 1048320;
}

// test/helpers/tree.ts
var OVERLAY_XATTR = /^(?:trusted|user)\.overlay\./;
function readTree(dir) {
  const tree = /* @__PURE__ */ new Map();
  const links = /* @__PURE__ */ new Map();
  const root = fromText(dir);
  const visit = (path) => {
    const full = path === "" ? `${root}/` : `${root}/${path}`;
    const stats = tryLstat(toFsPath(full));
    if (stats === void 0) throw new Error(`${full} vanished`);
    const stat = toNodeStat(stats, toFsPath(full));
    const first = links.get(stat.inode);
    if (stat.type !== "directory" && stat.linkCount > 1 && first === void 0) links.set(stat.inode, path);
    const bytes = stat.type === "file" ? readFileSync2(toFsPath(full)) : void 0;
    const xattrs = stat.type === "symlink" ? [] : listXattrs(toFsPath(full)).filter(([name]) => !OVERLAY_XATTR.test(name));
    tree.set(path, toTreeNode(stat, { bytes, xattrs, linkOf: first }));
    if (stat.type !== "directory") return;
    const names = readdirSync(toFsPath(full), "latin1").toSorted();
    for (const name of names) visit(path === "" ? name : `${path}/${name}`);
  };
  visit("");
  return tree;
}
function toTreeNode(stat, extra) {
  const { type, mode, uid, gid, sizeBytes, mtimeSeconds, linkTarget } = stat;
  return {
    type,
    mode: mode.toString(8).padStart(4, "0"),
    uid,
    gid,
    sizeBytes,
    mtimeSeconds,
    ...extra.bytes === void 0 ? {} : { sha256: createHash2("sha256").update(extra.bytes).digest("hex") },
    ...linkTarget === void 0 ? {} : { linkTarget },
    ...type === "char" || type === "block" ? { device: `${stat.devMajor}, ${stat.devMinor}` } : {},
    xattrs: Object.fromEntries(extra.xattrs.map(([name, value]) => [name, value.toString("hex")])),
    ...extra.linkOf === void 0 ? {} : { linkOf: extra.linkOf }
  };
}

// test/helpers/image-facts.ts
function readLayoutImage(layout) {
  const index = JSON.parse(readFileSync3(join3(layout, "index.json"), "utf8"));
  const [descriptor, ...others] = index.manifests;
  if (descriptor === void 0 || others.length > 0) throw new Error(`${layout}: want one image, got ${index.manifests.length}`);
  const manifest = readBlob(layout, descriptor.digest);
  return { manifest, config: readBlob(layout, manifest.config.digest) };
}
function readBlob(layout, digest) {
  return JSON.parse(readFileSync3(join3(layout, "blobs", digest.replace(":", "/")), "utf8"));
}
function imageFacts(layout, tag, { bundle, bornSeconds }) {
  const { config } = readLayoutImage(layout);
  execFileSync("umoci", ["--log", "error", "unpack", "--image", `${layout}:${tag}`, bundle], { stdio: ["ignore", "ignore", "pipe"] });
  try {
    const tree = readFacts(join3(bundle, "rootfs"), bornSeconds);
    return { config: configFacts(config), history: (config.history ?? []).map(historyFact), tree };
  } finally {
    rmSync2(bundle, { recursive: true, force: true });
  }
}
function readFacts(root, bornSeconds) {
  const nodes = [...readTree(root)].map(([path, node]) => {
    const fact = nodeFacts(node, () => readFileSync3(toFsPath(`${fromText(root)}/${path}`)));
    return [`/${toText(path)}`, { ...fact, mtime: node.mtimeSeconds >= bornSeconds ? "new" : node.mtimeSeconds }];
  });
  return new Map(nodes);
}
function nodeFacts(node, read) {
  return {
    type: node.type,
    ...node.type === "symlink" ? {} : { mode: node.mode },
    owner: `${node.uid}:${node.gid}`,
    ...node.type === "file" ? { content: contentFact(node, read) } : {},
    ...node.linkTarget === void 0 ? {} : { target: toText(node.linkTarget) },
    ...node.device === void 0 ? {} : { device: node.device },
    ...Object.keys(node.xattrs).length === 0 ? {} : { xattrs: node.xattrs },
    ...node.linkOf === void 0 ? {} : { linkOf: `/${toText(node.linkOf)}` }
  };
}
var LONGEST_TEXT_BYTES = 1e3;
function contentFact(node, read) {
  const text = node.sizeBytes <= LONGEST_TEXT_BYTES ? read().toString("latin1") : void 0;
  return text !== void 0 && /^[\n\x20-\x7e]*$/.test(text) ? text : `${node.sizeBytes} bytes, sha256 ${node.sha256}`;
}
var NO_FACTS = /* @__PURE__ */ new Set([
  "Hostname",
  "Domainname",
  "AttachStdin",
  "AttachStdout",
  "AttachStderr",
  "Tty",
  "OpenStdin",
  "StdinOnce",
  "Image",
  "ArgsEscaped"
]);
function configFacts({ config = {}, author, os, architecture }) {
  const fields = Object.entries({ ...config, author, os, architecture }).filter(([key, value]) => !NO_FACTS.has(key) && !isEmpty(value));
  return Object.fromEntries(fields.toSorted(([a], [b]) => a < b ? -1 : 1));
}
function isEmpty(value) {
  if (value === null || value === void 0 || value === "") return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}
function historyFact({ created_by: text = "", empty_layer: isEmptyLayer = false }) {
  const [word = ""] = text.replace(/^\/bin\/sh -c #\(nop\) +/, "").split(" ");
  const name = /^[A-Z]+$/.test(word) ? word : "RUN";
  return isEmptyLayer ? `${name} (empty)` : name;
}

// test/conformance/cases/case.ts
var BASE = "tsbuild.local/base:1";
var BASE_DOCKERFILE = `FROM scratch
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
var BASE_CONTEXT = {
  "root/dev": void 0,
  "root/proc": void 0,
  "root/sys": void 0,
  "root/run": void 0,
  "root/tmp": void 0,
  "root/home/alice": void 0,
  "root/etc/hosts": "",
  "root/etc/hostname": "",
  "root/etc/resolv.conf": "",
  "root/etc/passwd": "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:2::/:/bin/false\nalice:x:1000:1000::/home/alice:/bin/sh\nbob:x:1001:100::/home/bob:/bin/sh\n",
  "root/etc/group": "root:x:0:\nbin:x:2:\nstaff:x:50:alice\nusers:x:100:\nalice:x:1000:\n"
};

// test/conformance/lab.ts
var CONTEXT_SECONDS = 981173106;
var TAG = "1";
var Lab = class {
  dir = mkdtempSync2(join4(tmpdir(), "tsbuild-conformance-"));
  buildah;
  #store = join4(this.dir, "store");
  /** Older than any file that a build makes, by more than the clock of the file system lags. */
  #bornSeconds = Math.floor(Date.now() / 1e3) - 1;
  #count = 0;
  constructor() {
    const storage = join4(this.dir, "buildah");
    mkdirSync3(storage);
    this.buildah = new Buildah(storage, canOverlay(this.dir) ? "overlay" : "vfs");
    const context = writeFiles(this.path(), { ...BASE_CONTEXT, Dockerfile: BASE_DOCKERFILE });
    execFileSync2("sh", ["-c", 'cp "$(PATH=$PATH:/usr/sbin:/sbin command -v busybox)" busybox'], { cwd: context });
    setTimes(context);
    const layout = this.path();
    const { status, stderr } = this.#tsbuild(["-t", BASE, "-o", "type=image", "-o", `type=oci,tar=false,dest=${layout}`, context]);
    if (status !== 0) throw new Error(`the base image: ${stderr}`);
    this.buildah.load(layout, TAG, BASE);
  }
  [Symbol.dispose]() {
    rmSync3(this.dir, { recursive: true, force: true, maxRetries: 3 });
  }
  /** A fresh path. */
  path() {
    return join4(this.dir, String(this.#count++));
  }
  context({ context = {}, dockerfile, script, parents = {} }) {
    const dir = this.path();
    mkdirSync3(dir);
    writeFiles(dir, context);
    if (script !== void 0) execFileSync2("sh", ["-e", "-c", script], { cwd: dir, stdio: ["ignore", "ignore", "pipe"] });
    writeFiles(dir, { Dockerfile: dockerfile });
    for (const [index, text] of Object.values(parents).entries()) writeFiles(dir, { [`Dockerfile.parent${index}`]: text });
    setTimes(dir);
    return dir;
  }
  /** tsbuild's image of a context, as an OCI layout whose only tag is `1`. */
  buildLayout(context, { parents = {}, args = [] }) {
    for (const [index, name] of Object.keys(parents).entries()) {
      const parent = this.#tsbuild(["-t", name, "-f", join4(context, `Dockerfile.parent${index}`), context]);
      if (parent.status !== 0) throw new Error(`${name}: ${parent.stderr}`);
    }
    const layout = this.path();
    return { layout, ...this.#tsbuild([...args, "-t", `case:${TAG}`, "-o", `type=oci,tar=false,dest=${layout}`, context]) };
  }
  withTsbuild(context, request) {
    const { status, stderr, layout } = this.buildLayout(context, request);
    return { said: stderr, image: status === 0 ? this.#facts(layout) : void 0 };
  }
  withBuildah(context, { parents = {}, args = [] }) {
    for (const [index, name] of Object.keys(parents).entries()) {
      const parent = this.buildah.build(context, name, ["-f", join4(context, `Dockerfile.parent${index}`)]);
      if (parent.status !== 0) throw new Error(`${name}: ${parent.stderr}`);
    }
    const dir = this.path();
    const { status, stderr } = this.buildah.build(context, `dir:${dir}`, args);
    if (status !== 0 || !existsSync(join4(dir, "manifest.json"))) return { said: stderr, image: void 0 };
    const layout = this.path();
    dirToLayout(dir, layout, TAG);
    return { said: stderr, image: withBuildKitHistory(this.#facts(layout)) };
  }
  #facts(layout) {
    return imageFacts(layout, TAG, { bundle: this.path(), bornSeconds: this.#bornSeconds });
  }
  #tsbuild(args) {
    return tsbuild(["build", "--progress", "plain", ...args], { env: { TSBUILD_ROOT: this.#store } });
  }
};
function compareOutcomes(tsbuild2, buildah) {
  if (tsbuild2.image !== void 0 && buildah.image !== void 0) {
    return compareImages(tsbuild2.image, buildah.image).filter((difference) => !isHabit(difference));
  }
  const word = ({ image }) => image === void 0 ? "failed" : "done";
  return word(tsbuild2) === word(buildah) ? [] : [{ where: "build", tsbuild: word(tsbuild2), buildah: word(buildah) }];
}
function isHabit({ where, buildah }) {
  return where === "/run mtime" && buildah === "new";
}
function withBuildKitHistory(image) {
  const history = image.history.filter((entry) => entry !== "ONBUILD (empty)").map((entry) => entry === "WORKDIR (empty)" ? "WORKDIR" : entry);
  return { ...image, history };
}
function setTimes(dir) {
  const names = readdirSync2(dir, { recursive: true, encoding: "latin1" });
  for (const name of [...names, ""]) lutimesSync(toFsPath(`${dir}/${name}`), CONTEXT_SECONDS, CONTEXT_SECONDS);
}
function canOverlay(dir) {
  const script = 'cd "$0" && mkdir l u w m && mount -t overlay overlay -o lowerdir=l,upperdir=u,workdir=w m; s=$?; umount m; rm -r l u w m; exit $s';
  return spawnSync3("unshare", ["--mount", "sh", "-c", script, dir], { stdio: "ignore" }).status === 0;
}

// test/conformance/cases/add.ts
var MAKE_TREE = `mkdir -p t/sub/empty; echo one > t/one; echo two > t/sub/two; chmod 750 t/sub; chmod 4711 t/one
ln t/one t/sub/hard; ln -s ../one t/sub/soft; ln -s /etc t/abs; mkfifo t/fifo; touch -d '2005-05-05 05:05:05Z' t/sub/two t/sub
n=$(printf '%0150d' 3); echo long > t/$n; ln -s $n t/longlink; chown -R 21:22 t`;
var addCases = [
  {
    title: "ADD files and directories as COPY does",
    dockerfile: `FROM ${BASE}
ADD file /as
ADD file /into/
ADD dir /dir
ADD --chown=alice:staff dir /owned
ADD --chmod=604 file /mode
ADD *.txt file /wild/
WORKDIR /w
ADD ["file", "json"]
`,
    context: { file: "text", "dir/a": "a", "dir/sub/b": "b", "x.txt": "x", "y.txt": "y" }
  },
  ...["", "z", "j", "J", "-zstd"].map((flag, index) => {
    const name = ["tar", "gzip", "bzip2", "xz", "zstd"][index] ?? "";
    return {
      title: `ADD unpacks ${name}, whatever it is called`,
      dockerfile: `FROM ${BASE}
ADD archive /new/place
ADD archive /srv/tree
WORKDIR /w
ADD archive .
`,
      script: `${MAKE_TREE}; tar -c${flag.length === 1 ? flag : ""}f archive ${flag.length > 1 ? `-${flag}` : ""} -C t .; rm -r t`,
      needs: index < 2 ? [] : [name]
    };
  }),
  {
    title: "ADD --chown of an archive is for every member",
    dockerfile: `FROM ${BASE}
ADD --chown=100:200 archive.tar /out/
ADD --chown=alice archive.tar /srv/
`,
    script: `${MAKE_TREE}; tar -cf archive.tar t; rm -r t`
  },
  {
    title: "ADD of what is no archive copies it",
    dockerfile: `FROM ${BASE}
ADD fake.tar.gz /x/
ADD plain.gz /x/
ADD empty.tar /x/
ADD plain.gz /renamed
`,
    context: { "fake.tar.gz": "not at all", "empty.tar": "" },
    script: 'printf "plain text" | gzip -n > plain.gz'
  },
  {
    title: "ADD: several archives, found by a wildcard",
    dockerfile: `FROM ${BASE}
ADD *.tar other /dest/
`,
    script: "for i in 1 2 3; do echo $i > f$i; echo $i > common; tar -cf a$i.tar f$i common; done; rm f? common; echo other > other"
  },
  {
    title: "ADD an archive whose members lack their directories",
    dockerfile: `FROM ${BASE}
ADD archive.tar /out
ADD archive.tar /
`,
    script: "mkdir -p a/b/c srv/tree/sub; echo x > a/b/c/x; echo y > srv/tree/sub/y; tar -cf archive.tar a/b/c/x srv/tree/sub/y; rm -r a srv"
  },
  {
    title: "ADD an archive through the image's symlinks",
    dockerfile: `FROM ${BASE}
ADD archive.tar /
ADD archive.tar /srv/link
`,
    script: "mkdir -p srv/abs srv/link; echo x > srv/abs/x; echo y > srv/link/y; tar -cf archive.tar srv/abs/x srv/link/y; rm -r srv"
  },
  {
    title: "ADD an archive: extended attributes and sparse files",
    dockerfile: `FROM ${BASE}
ADD archive.tar /out
`,
    script: 'mkdir t; echo x > t/x; setfattr -n user.note -v value t/x; echo x > t/cap; setcap cap_net_raw+ep t/cap; truncate -s 3000000 t/sparse; echo end >> t/sparse; tar --xattrs --xattrs-include="*" -Scf archive.tar -C t .; rm -r t',
    needs: ["setfattr", "setcap"]
  },
  {
    title: "ADD an archive: devices, times before 1970, large ids, repeated members",
    dockerfile: `FROM ${BASE}
ADD archive.tar /out
`,
    script: `mkdir t; mknod t/null c 1 3; mknod t/loop b 7 1; echo 1 > t/twice; touch -d '1960-01-01 00:00:00Z' t/old; echo x > t/big; chown 3000000:3000001 t/big
tar -cf archive.tar --format=pax -C t null loop twice old big; echo 2 > t/twice; tar -rf archive.tar --format=pax -C t twice; rm -r t`
  },
  {
    title: "ADD an archive over what is there",
    dockerfile: `FROM ${BASE}
ADD archive.tar /srv
`,
    script: `mkdir -p s/tree/sub s/owned s/link s/empty; echo new > s/tree/a; chmod 701 s/tree/sub; echo x > s/owned/x; rmdir s/link; echo file > s/link
rmdir s/empty; ln -s tree s/empty; tar -cf archive.tar -C s tree owned link; rm -r s`
  }
];

// test/conformance/cases/config.ts
var configCases = [
  {
    title: "ENV: quotes, escapes and the old form",
    dockerfile: `FROM ${BASE}
ENV PLAIN=1 QUOTED="two  words" ESCAPED=three\\ little\\ words SINGLE='no $PLAIN here'
ENV OLD   the rest of the line
ENV EMPTY= EQUALS=a=b=c HASH="#not a comment" JOINED=a"b c"'d e'f
ENV WINDOWS="c:\\dir" TAB="a\\tb" UNQUOTED=a\\tb
RUN printf '%s|%s|%s|%s|%s' "$PLAIN" "$QUOTED" "$OLD" "$JOINED" "$EMPTY" > /seen
`
  },
  {
    title: "ENV: expansion",
    dockerfile: `FROM ${BASE}
ENV A=one B=
ENV A=two OLD_A=$A
ENV BRACES=\${A}x LONG=$A_B SET=\${A:+yes} UNSET=\${NOPE:-\${A}-default} BLANK=\${B:-blank} NOT_SET=\${NOPE:+no}end
ENV LITERAL=\\$A SINGLE='$A' DOUBLE="$A \\$A" OF_BASE=$BASE_ENV:$PATH
`
  },
  {
    title: "ENV: prefixes and suffixes are cut off, parts replaced, unset is not empty",
    dockerfile: `FROM ${BASE}
ENV FILE=archive.tar.gz EMPTY=
ENV STEM=\${FILE%%.*} SHORT=\${FILE%.*} LAST=\${FILE##*.} REST=\${FILE#*.} DASHES=\${FILE//./-} DASH=\${FILE/./-}
ENV UNSET=\${NOPE-default} SET=\${EMPTY-default} PLUS=\${EMPTY+plus}
`,
    differences: []
  },
  {
    title: "ENV: a name set again keeps its place",
    dockerfile: `FROM ${BASE}
ENV ONE=1
ENV TWO=2 THREE=3
ENV ONE=uno
ENV BASE_ENV=changed
`
  },
  {
    title: "LABEL: quotes, several lines, keys that need quoting, variables",
    dockerfile: `FROM ${BASE}
ENV VERSION=1.2
LABEL "com.example.vendor"="ACME Incorporated" com.example.version=$VERSION
LABEL multi="first \\
second" single='$VERSION' escaped=a\\ b
LABEL old the rest, all of it
LABEL base=no empty=""
`
  },
  {
    title: "CMD in shell form drops nothing and is wrapped",
    dockerfile: `FROM ${BASE}
CMD echo "$HOME" && exec sleep 1
`
  },
  {
    title: "ENTRYPOINT drops the base's CMD",
    dockerfile: `FROM ${BASE}
ENTRYPOINT ["/bin/echo", "a b", "c"]
`
  },
  {
    title: "ENTRYPOINT keeps the CMD of its own stage, whichever comes first",
    dockerfile: `FROM ${BASE}
CMD ["first"]
ENTRYPOINT ["/bin/echo"]
`
  },
  {
    title: "CMD and ENTRYPOINT: the last one counts, an empty list clears",
    dockerfile: `FROM ${BASE}
ENTRYPOINT exec one
CMD ["one"]
CMD ["two", "three"]
ENTRYPOINT []
`
  },
  {
    title: "what is no JSON is shell form",
    dockerfile: `FROM ${BASE}
ENTRYPOINT ['/bin/echo', 'single']
CMD ["unfinished
`
  },
  {
    title: "SHELL wraps RUN, CMD and ENTRYPOINT from there on, and is inherited",
    dockerfile: `FROM ${BASE} AS first
RUN echo "$0" > /before
SHELL ["/bin/sh", "-e", "-c"]
RUN false || echo "$-" > /after
CMD echo first
FROM first
RUN case $- in *e*) echo inherited > /inherited;; esac
ENTRYPOINT echo entry
CMD echo "a"
`
  },
  {
    title: "EXPOSE: protocols, ranges, variables",
    dockerfile: `FROM ${BASE}
ENV PORT=9000
EXPOSE 80 53/udp 443/tcp
EXPOSE 8000-8003/tcp \${PORT} \${NOPE:-9001}/udp 7/sctp
`
  },
  {
    title: "EXPOSE: a variable with several ports",
    dockerfile: `FROM ${BASE}
ENV PORTS="3000 4000/udp"
EXPOSE $PORTS
`
  },
  {
    title: "VOLUME: list, JSON and variables",
    dockerfile: `FROM ${BASE}
ENV WHERE=/vol/three
VOLUME /vol/one /vol/two
VOLUME ["/vol with blank", "$WHERE"]
`
  },
  {
    title: "VOLUME does not undo what later steps write there",
    dockerfile: `FROM ${BASE}
VOLUME /srv/tree
RUN echo later > /srv/tree/later && rm /srv/tree/a
`
  },
  {
    title: "USER: a name, a number, a group, a variable",
    dockerfile: `FROM ${BASE}
USER alice
RUN id > /tmp/name
USER 1001
RUN id > /tmp/number
USER 1000:users
RUN id > /tmp/group
USER 4242:4343
RUN id > /tmp/unknown
ENV WHO=bob
USER $WHO
RUN id > /tmp/variable && pwd && echo $HOME >> /tmp/variable
`
  },
  {
    title: "WORKDIR: relative, missing, with variables and a slash at the end",
    dockerfile: `FROM ${BASE}
ENV DIR=sub/dir
WORKDIR /made
WORKDIR one
WORKDIR $DIR
RUN pwd > /pwd
WORKDIR ../up
RUN pwd >> /pwd
WORKDIR /srv/tree/
RUN pwd >> /pwd && touch here
`
  },
  {
    title: "WORKDIR after USER: the directory is of the user",
    dockerfile: `FROM ${BASE}
USER alice:users
WORKDIR /home/alice/project/src
RUN echo mine > file
WORKDIR /srv/tree
RUN pwd > /tmp/pwd
`
  },
  {
    title: "WORKDIR: the last instruction makes a directory, too",
    dockerfile: `FROM ${BASE}
WORKDIR /never/used
`
  },
  {
    title: "WORKDIR through symlinks",
    dockerfile: `FROM ${BASE}
WORKDIR /srv/link/new
RUN pwd > where
WORKDIR /srv/abs
RUN pwd > where
`
  },
  {
    title: "STOPSIGNAL by name",
    dockerfile: `FROM ${BASE}
STOPSIGNAL SIGQUIT
`
  },
  {
    title: "STOPSIGNAL by number, from a variable",
    dockerfile: `FROM ${BASE}
ARG SIGNAL=9
STOPSIGNAL $SIGNAL
`
  },
  {
    title: "HEALTHCHECK with every option",
    dockerfile: `FROM ${BASE}
HEALTHCHECK --interval=1m30s --timeout=3s --start-period=500ms --retries=4 CMD wget -q http://localhost/ || exit 1
`
  },
  {
    title: "HEALTHCHECK in exec form; the last one counts",
    dockerfile: `FROM ${BASE}
HEALTHCHECK CMD one
HEALTHCHECK --retries=2 CMD ["/bin/true", "a b"]
`
  },
  {
    title: "HEALTHCHECK NONE over that of a stage",
    dockerfile: `FROM ${BASE} AS checked
HEALTHCHECK CMD true
FROM checked
HEALTHCHECK NONE
`
  },
  {
    title: "ONBUILD is kept for children",
    dockerfile: `FROM ${BASE}
ONBUILD RUN echo "$A" > /onbuild
ONBUILD COPY --chown=1:2 . /src/
ONBUILD ENV X=y
`,
    context: { file: "x" }
  },
  {
    title: "ONBUILD of a base image runs right after FROM, and once",
    parents: { "tsbuild.local/onbuild:1": `FROM ${BASE}
ONBUILD COPY file /copied
ONBUILD ENV TRIGGERED=yes
ONBUILD RUN cat /copied > /ran
` },
    dockerfile: `FROM tsbuild.local/onbuild:1
RUN cat /ran > /after; echo $TRIGGERED >> /after
`,
    context: { file: "from the child\n" }
  },
  {
    title: "ONBUILD of a stage runs in the stage that is made from it",
    dockerfile: `FROM ${BASE} AS parent
ONBUILD RUN echo triggered >> /ran
RUN test ! -e /ran
FROM parent AS child
RUN cat /ran > /after
FROM child
RUN cat /ran > /grandchild
`
  },
  {
    title: "MAINTAINER sets the author",
    dockerfile: `FROM ${BASE}
MAINTAINER Some Body <some@body.example>
`
  },
  {
    title: "ARG: defaults, arguments, scopes",
    dockerfile: `ARG TAG=1
ARG GLOBAL=global
FROM tsbuild.local/base:\${TAG} AS one
ARG GLOBAL
ARG LOCAL=local
ARG GIVEN=default
ARG UNSET
ENV SAW=$GLOBAL:$LOCAL:$GIVEN:$UNSET
RUN echo "$GLOBAL:$LOCAL:$GIVEN:\${UNSET-unset}" > /one
FROM ${BASE}
ARG GIVEN
RUN echo "\${GLOBAL-unset}:\${LOCAL-unset}:\${GIVEN-unset}" > /two
COPY --from=one /one /one
`,
    args: ["--build-arg", "GIVEN=given", "--build-arg", "NEVER=declared"]
  },
  {
    title: "ARG: inherited by a stage made from the stage",
    dockerfile: `FROM ${BASE} AS one
ARG WHO=parent
FROM one
RUN echo "\${WHO-unset}" > /who
`
  },
  {
    title: "ARG after ENV of the same name",
    dockerfile: `FROM ${BASE}
ENV X=env
ARG X=arg
RUN echo $X > /x
ENV Y=$X
`
  },
  {
    title: "another escape character, comments, blank lines, any case",
    dockerfile: [
      "# escape=`",
      "# a comment",
      `from ${BASE} as Stage`,
      "",
      "eNv A=1 `",
      "  # in between",
      "    B=2 `",
      "",
      '    C="c:\\dir"',
      "  run echo one `",
      "   two > /out",
      "Copy file /dir\\name",
      'cmd ["/bin/true"]',
      ""
    ].join("\n"),
    context: { file: "x" }
  },
  {
    title: "a config without any layer of its own",
    dockerfile: `FROM ${BASE}
ENV A=1
LABEL a=1
USER 1:2
EXPOSE 1
VOLUME /v
STOPSIGNAL TERM
CMD []
`
  }
];

// test/conformance/cases/copy.ts
var copyCases = [
  {
    title: "COPY a file: as, into, beside, relative to WORKDIR",
    dockerfile: `FROM ${BASE}
COPY file /as
COPY file /into/
COPY file /srv/tree
COPY file /new/parents/as
COPY file exec /both/
WORKDIR /work
COPY file .
COPY file relative
COPY file sub/
COPY file ../up
COPY ["file", "./json"]
COPY /file ./././slash
`,
    context: { file: "text\n", exec: { text: "#!/bin/sh\n", mode: 493 } }
  },
  {
    title: "COPY a directory: its contents, with their modes",
    dockerfile: `FROM ${BASE}
COPY dir /new
COPY dir/ /new/slash/
COPY dir /srv/tree
COPY . /all
COPY dir/sub ./
`,
    context: { "dir/a": "a", "dir/sub/b": "b", "dir/empty": void 0, "dir/sub/x": { text: "x", mode: 489 } },
    script: "chmod 700 dir; chmod 711 dir/sub; chmod 1777 dir/empty"
  },
  {
    title: "COPY a directory over one that is there: metadata of directories below",
    dockerfile: `FROM ${BASE}
COPY new /srv
COPY new/tree /srv/tree
`,
    context: { "new/tree/sub/added": "x", "new/tree/a": "changed", "new/owned/added": "y" },
    script: "chmod 711 new; chmod 705 new/tree/sub; chmod 700 new/owned"
  },
  {
    title: "COPY with wildcards",
    dockerfile: `FROM ${BASE}
COPY *.txt /star/
COPY ?.md [xy].md /classes/
COPY d*/ /dirs/
COPY */*.c /nested/
COPY arr[[]0].txt /brackets
COPY .hid* /hidden/
COPY one* /single
`,
    context: {
      "a.txt": "a",
      "b.txt": "b",
      "x.md": "x",
      "y.md": "y",
      "z.md": "z",
      "zz.md": "zz",
      "arr[0].txt": "array",
      "one-only": "1",
      "d1/p": "p",
      "d2/q": "q",
      "d2/r/s": "s",
      "src/m.c": "m",
      "lib/n.c": "n",
      ".hidden": "h"
    }
  },
  {
    title: "COPY with a wildcard that matches nothing",
    dockerfile: `FROM ${BASE}
COPY a.txt nothing* /some/
COPY nothing*.* /none/
`,
    context: { "a.txt": "a" }
  },
  {
    title: "COPY of a missing file fails the build",
    dockerfile: `FROM ${BASE}
COPY missing /x
`,
    fails: /"\/?missing"/
  },
  {
    title: "COPY symlinks: followed when named, kept inside of directories",
    dockerfile: `FROM ${BASE}
COPY tofile /named
COPY todir /named-dir
COPY dir /dir
COPY to* /matched/
COPY todir/inner /through
COPY chain /chain
COPY up /up
`,
    context: {
      "dir/inner": "inner",
      "dir/rel": { link: "inner" },
      "dir/abs": { link: "/etc/passwd" },
      "dir/broken": { link: "nowhere" },
      "dir/deep/out": { link: "../../file" },
      file: "file",
      tofile: { link: "file" },
      todir: { link: "dir" },
      chain: { link: "tofile" },
      up: { link: "../../../../file" }
    }
  },
  {
    title: "COPY to symlinks: in the image's paths they are followed",
    dockerfile: `FROM ${BASE}
COPY file /srv/link/file
COPY file /srv/link/
COPY file /srv/abs/new/file
COPY dir /srv/link
COPY dir /srv/abs
`,
    context: { file: "text", "dir/x": "x" }
  },
  {
    title: "COPY to a dangling symlink makes what it points to",
    dockerfile: `FROM ${BASE}
COPY file /srv/dangling/
`,
    context: { file: "text" }
  },
  {
    title: "COPY over a symlink to a file replaces the link",
    dockerfile: `FROM ${BASE}
COPY file /srv/filelink
`,
    context: { file: "text" }
  },
  {
    title: "COPY a file over a directory",
    dockerfile: `FROM ${BASE}
COPY dir /srv
`,
    context: { "dir/tree": "a file" },
    fails: /tree/
  },
  {
    title: "COPY a directory over a file",
    dockerfile: `FROM ${BASE}
COPY dir /srv/tree
`,
    context: { "dir/a/b": "below a file" },
    fails: /srv\/tree\/a/
  },
  {
    title: "COPY a directory over a symlink to one",
    dockerfile: `FROM ${BASE}
COPY dir /srv
`,
    context: { "dir/link/x": "x" },
    fails: /srv\/link/
  },
  {
    title: "COPY --chown: names, numbers, both",
    dockerfile: `FROM ${BASE}
COPY --chown=alice file /names/user
COPY --chown=daemon file /names/daemon
COPY --chown=alice:staff file /names/both
COPY --chown=1234 file /numbers/user
COPY --chown=1234:5678 file /numbers/both
COPY --chown=1000:users dir /mixed
COPY --chown=:50 file /group
ARG U=bob
COPY --chown=\${U}:\${U}s file /vars || true
`.replace(":${U}s file /vars || true", " file /vars"),
    context: { file: "x", "dir/sub/f": "f", "dir/l": { link: "sub" } }
  },
  {
    title: "COPY --chown over what is there",
    dockerfile: `FROM ${BASE}
COPY --chown=7:8 dir /srv/tree
COPY --chown=9:9 file /srv/owned/kept
COPY --chown=9:9 file /srv/empty/
`,
    context: { file: "x", "dir/sub/f": "f" }
  },
  {
    title: "COPY as USER is still for root",
    dockerfile: `FROM ${BASE}
USER alice
WORKDIR /home/alice
COPY file .
COPY file made/
`,
    context: { file: "x" }
  },
  {
    title: "COPY --chmod",
    dockerfile: `FROM ${BASE}
COPY --chmod=4750 file /file
COPY --chmod=0 file /nothing
COPY --chmod=640 --chown=1:2 file /both
COPY --chmod=751 dir /dir
COPY --chmod=777 file /made/file
`,
    context: { file: "x", "dir/sub/f": "f", "dir/l": { link: "sub" } }
  },
  {
    title: "COPY with variables",
    dockerfile: `FROM ${BASE}
ENV SRC=file DEST=/dest
ARG DIR=dir
COPY $SRC \${DEST}/\${SRC}.copy
COPY ["\${DIR}/a b", "/json/\${DIR}/"]
COPY \${NOPE:-file} $DEST$NOPE/
COPY \\$file '$file' /literal/
`,
    context: { file: "x", "dir/a b": "blank", $file: "dollar" }
  },
  {
    title: "COPY: modes of the context, with all bits",
    dockerfile: `FROM ${BASE}
COPY . /all/
COPY suid sgid /alone/
`,
    context: { suid: "s", sgid: "s", none: "n", "sticky/f": "f", "sgiddir/f": "f" },
    script: "chmod 4755 suid; chmod 2755 sgid; chmod 0 none; chmod 1777 sticky; chmod 2775 sgiddir; chown 1000:1000 sgiddir sgiddir/f"
  },
  {
    title: "COPY: hard links of the context",
    dockerfile: `FROM ${BASE}
COPY dir /dir
COPY dir/one dir/two /named/
`,
    script: "mkdir dir; echo x > dir/one; ln dir/one dir/two; mkdir dir/sub; ln dir/one dir/sub/three"
  },
  {
    title: "COPY: a fifo of the context",
    dockerfile: `FROM ${BASE}
COPY dir /dir
`,
    script: "mkdir dir; mkfifo -m 620 dir/fifo; echo x > dir/file"
  },
  {
    title: "COPY: extended attributes",
    dockerfile: `FROM ${BASE}
COPY dir /dir
COPY dir/user /user
COPY dir/capable /capable
COPY --from=0 /srv/tree/a /moved
`.replace("COPY --from=0 /srv/tree/a /moved\n", ""),
    script: 'mkdir -p dir/sub; echo x > dir/user; setfattr -n user.note -v "a value" dir/user; setfattr -n user.dir -v d dir/sub; echo x > dir/capable; chmod 755 dir/capable; setcap cap_net_raw+ep dir/capable',
    needs: ["setfattr", "setcap"]
  },
  {
    title: "COPY --from: extended attributes, owners, modes, hard links and times of another stage",
    dockerfile: `FROM ${BASE} AS source
COPY dir /dir
RUN chown 11:12 /dir/sub /dir/user && chmod 2750 /dir/sub && ln /dir/user /dir/linked && touch -d '2002-02-02 02:02:02' /dir/linked
FROM ${BASE}
COPY --from=source /dir /dir
COPY --from=source /srv/suid /srv/pipe /srv/link /files/
`,
    script: 'mkdir -p dir/sub; echo x > dir/user; setfattr -n user.note -v "a value" dir/user; echo x > dir/capable; setcap cap_net_raw+ep dir/capable',
    needs: ["setfattr", "setcap"]
  },
  {
    title: "COPY: names with everything in them",
    dockerfile: `FROM ${BASE}
COPY . /all/
COPY ["with blank", "/with blank/"]
COPY \xFCn\xEF* /matched/
COPY \u65E5\u672C/\u8A9E /\u65E5\u672C/
`,
    context: {
      "with blank": "1",
      \u00FCn\u00EFcode: "2",
      "\u65E5\u672C/\u8A9E": "3",
      "quo'te": "4",
      "dash-": "5",
      "-dash": "6",
      "a\\b": "7",
      "star*": "8",
      "~tilde": "9",
      "#hash": "10",
      "semi;colon": "11",
      $dollar: "12",
      [`${"n".repeat(120)}/${"m".repeat(200)}`]: "13"
    }
  },
  {
    title: "COPY: many files, deep directories, an empty file, an empty directory",
    dockerfile: `FROM ${BASE}
COPY wide /wide
COPY deep /deep
COPY empty /empty
COPY none /none
`,
    script: "mkdir wide empty; for i in $(seq 1 400); do echo $i > wide/file$i; done; p=deep; for i in $(seq 1 60); do p=$p/d$i; done; mkdir -p $p; echo x > $p/x; : > none"
  },
  {
    title: "COPY twice to one place: the later one wins",
    dockerfile: `FROM ${BASE}
COPY one /x/
COPY two /x/
COPY one/a two/b /x/last/
`,
    context: { "one/a": "1", "one/b": "1", "two/b": "2", "two/c": "2" }
  },
  {
    title: "COPY FROM scratch only",
    dockerfile: `FROM scratch
COPY file /
COPY dir /usr/share/dir
COPY --chown=5:6 file /owned/file
ENV A=1
`,
    context: { file: "x", "dir/f": "f" }
  }
];

// test/conformance/cases/ignore.ts
var TREE = {
  "a.txt": "a",
  "b.md": "b",
  "src/a.txt": "a",
  "src/keep.txt": "k",
  "src/deep/a.txt": "a",
  "src/deep/keep.txt": "k",
  "node_modules/x/index.js": "x",
  "node_modules/x/keep.txt": "k",
  ".git/HEAD": "ref",
  "docs/b.md": "b",
  "empty/dir": void 0
};
function ignoring(title, lines, rest = {}) {
  return {
    title: `.dockerignore: ${title}`,
    dockerfile: `FROM ${BASE}
COPY . /all
COPY src /src
`,
    context: { ...TREE, ".dockerignore": `${lines.join("\n")}
` },
    ...rest
  };
}
var ignoreCases = [
  ignoring("names, directories, wildcards", ["# comment", "", ".git", "node_modules", "*.md", "/empty/"]),
  ignoring("any depth", ["**/a.txt", "**/*.md", "**/node_modules/**"]),
  ignoring("exceptions", ["*.txt", "!a.txt", "docs/*", "!docs/b.md", "**/deep/*.txt", "!src/deep/keep.txt"]),
  ignoring("exceptions inside of an ignored directory", ["src", "!src/deep/keep.txt", "node_modules", "!node_modules/x/keep.txt"]),
  ignoring("everything but", ["*", "!src", "!a.txt", "src/deep"]),
  ignoring("the last line that matches decides", ["*.txt", "!*.txt", "a.txt", "src/*", "!src/keep.txt", "src/keep.txt"]),
  ignoring("Dockerfile and .dockerignore themselves", ["Dockerfile", ".dockerignore", "?.md"]),
  ignoring("a source that is ignored is not there", ["src"], { fails: /"\/?src"/ })
];

// test/conformance/cases/run.ts
var runCases = [
  {
    title: "RUN in shell form and in exec form",
    dockerfile: `FROM ${BASE}
RUN echo "a  b" 'c' > /shell; echo \\$HOME >> /shell; echo "$HOME" >> /shell
RUN ["/bin/sh", "-c", "echo \\"$0 $1\\" > /exec", "zero", "one two"]
RUN ["touch", "/found by PATH"]
RUN echo one && \\
    # a comment in between
    echo two > /continued
`
  },
  {
    title: "RUN sees the environment, and no other",
    dockerfile: `FROM ${BASE}
ENV A=1 "B=x y"
ARG C=3
RUN env | sort > /env; pwd > /pwd; umask > /umask
WORKDIR /srv
USER alice
RUN env | sort > /tmp/env; pwd > /tmp/pwd; umask > /tmp/umask
`
  },
  {
    title: "RUN: capabilities, limits and stdin of the sandbox",
    dockerfile: `FROM ${BASE}
RUN grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status > /status
RUN readlink /proc/self/fd/0 > /stdin; wc -c < /dev/stdin >> /stdin
USER alice
RUN grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status > /tmp/status
`
  },
  {
    title: "RUN rm: files, directories, and all of a directory",
    dockerfile: `FROM ${BASE}
RUN rm /srv/tree/a /srv/hard1 /srv/filelink /srv/pipe
RUN rm -r /srv/tree/sub
RUN rm /srv/owned/kept
`
  },
  {
    title: "RUN: a directory is removed and made again",
    dockerfile: `FROM ${BASE}
RUN rm -r /srv/tree && mkdir /srv/tree && echo new > /srv/tree/new
RUN rm -r /srv/owned
RUN mkdir -p /srv/owned && echo other > /srv/owned/kept
`
  },
  {
    title: "RUN: one type of file takes the place of another",
    dockerfile: `FROM ${BASE}
RUN rm /srv/tree/a && mkdir /srv/tree/a && echo x > /srv/tree/a/x
RUN rm -r /srv/tree/sub && echo file > /srv/tree/sub
RUN rm /srv/link && mkdir -p /srv/link/real && rm -r /srv/empty && ln -s tree /srv/empty
RUN rm /srv/pipe && echo no pipe > /srv/pipe && rm /srv/filelink && mkfifo /srv/filelink
`
  },
  {
    title: "RUN: layers take away and give back",
    dockerfile: `FROM ${BASE}
RUN mkdir /d && echo 1 > /d/one && echo 2 > /d/two
RUN rm /d/one
RUN echo again > /d/one && rm /d/two
RUN rm -r /d
RUN mkdir /d && echo end > /d/three
`
  },
  {
    title: "RUN mv: directories and files of the base",
    dockerfile: `FROM ${BASE}
RUN mv /srv/tree /srv/moved && mv /srv/owned/kept /srv/kept
RUN mv /srv/moved/sub /srv/moved/renamed
`
  },
  {
    title: "RUN: hard links, new, to the base, and broken up",
    dockerfile: `FROM ${BASE}
RUN mkdir /l && echo x > /l/one && ln /l/one /l/two && ln /l/one /srv/three && ln -s one /l/symlink
RUN ln /srv/hard1 /l/of-base
RUN echo changed >> /l/two
RUN rm /srv/hard2 && rm /l/one
`
  },
  {
    title: "RUN chmod and chown: metadata alone, and the bits",
    dockerfile: `FROM ${BASE}
RUN chmod 600 /srv/tree/a && chown 1000:50 /srv/tree/a && chmod 700 /srv/tree && chown 7:8 /srv/empty
RUN chmod u+s,g+s /srv/tree/b && chmod +t /srv/empty && chmod 0 /srv/tree/sub/c && chown -h 5:6 /srv/link
RUN chown 1000 /srv/suid && cp -p /srv/suid /copy && cp /bin/busybox /suid && chmod 6755 /suid
`
  },
  {
    title: "RUN: fifos, devices, empty files and directories, large files",
    dockerfile: `FROM ${BASE}
RUN mkfifo -m 640 /fifo && mknod /null c 1 3 && mknod /disk b 7 5 && chmod 666 /null && chown 3:4 /fifo
RUN mkdir -p /empty/a/b /empty/c && : > /empty/file
RUN dd if=/dev/zero of=/large bs=1000 count=5000 2> /dev/null && dd if=/dev/zero of=/sparse bs=1 count=1 seek=20000000 2> /dev/null
`
  },
  {
    title: "RUN: names with everything in them",
    dockerfile: `FROM ${BASE}
RUN mkdir '/n\xE4me \u2713' && echo x > '/n\xE4me \u2713/\u65E5\u672C\u8A9E' && touch '/a b' '/-dash' '/quo"te' "/it's" '/back\\\\slash' '/star*'
RUN touch "$(printf '/new\\nline')" "$(printf '/tab\\tbed')" /.hidden /..dots "/trailing "
`
  },
  {
    title: "RUN: a name that is not UTF-8",
    dockerfile: `FROM ${BASE}
RUN mkdir /bytes && touch "$(printf '/bytes/a\\377b')"
`
  },
  {
    title: "RUN: deep trees and long names",
    dockerfile: `FROM ${BASE}
RUN p=/deep; for i in $(seq 1 80); do p=$p/level$i; done; mkdir -p $p && echo bottom > $p/file
RUN n=$(printf '%0200d' 7); mkdir /long && echo x > /long/$n && ln -s $n /long/link && ln -s /long/$n$n /long/dangling
RUN n=$(printf '%090d' 1); mkdir -p /long/$n && touch /long/$n/$n
`
  },
  {
    title: "RUN: symlinks of all kinds",
    dockerfile: `FROM ${BASE}
RUN mkdir /s && cd /s && ln -s loop loop && ln -s ../../../etc/passwd up && ln -s /nowhere absolute && ln -s . dot && ln -s 'with blank' blank
RUN echo through > /srv/link/through && echo x > /srv/abs/x && rm /srv/link/b
`
  },
  {
    title: "RUN touch: times of files, directories and links",
    dockerfile: `FROM ${BASE}
RUN mkdir /t && touch -d '2001-02-03 04:05:06' /t/file && mkdir /t/dir && touch -d '2010-01-01 00:00:00' /t/dir /srv/tree/a
RUN touch -d '1965-01-01 00:00:00' /t/old && touch -d '2040-01-01 00:00:00' /t/future
`
  },
  {
    title: "RUN that changes nothing still is a layer",
    dockerfile: `FROM ${BASE}
RUN true
RUN echo x > /x && rm /x
RUN true
`
  },
  {
    title: "RUN in many layers",
    dockerfile: [
      `FROM ${BASE}`,
      ...Array.from({ length: 12 }, (_2, i) => `RUN echo ${i} >> /count; echo ${i} > /file${i}; rm -f /file${i - 2}
ENV COUNT=${i}`),
      ""
    ].join("\n")
  },
  {
    title: "RUN: the places that a container mounts over",
    dockerfile: `FROM ${BASE}
RUN mkdir -p /dev/shm/x /run/mine && echo x > /run/mine/file && echo x > /tmp/file
RUN echo changed > /etc/motd; cat /etc/resolv.conf > /dev/null; ls /proc/self > /dev/null
`
  },
  {
    title: "RUN on a base without the places that a container mounts over",
    dockerfile: `FROM scratch
COPY busybox /bin/sh
RUN echo x > /x
`,
    script: 'cp "$(PATH=$PATH:/usr/sbin:/sbin command -v busybox)" busybox && chmod 755 busybox'
  },
  {
    title: "RUN that fails fails the build",
    dockerfile: `FROM ${BASE}
RUN echo before; exit 3
`,
    fails: /exit code: 3/
  },
  {
    title: "RUN with a user that is not there fails the build",
    dockerfile: `FROM ${BASE}
USER nobody-here
RUN true
`,
    fails: /unable to find user nobody-here/
  }
];

// test/conformance/cases/stages.ts
var stageCases = [
  {
    title: "a stage inherits files and config of the stage it is made from",
    dockerfile: `FROM ${BASE} AS first
ENV A=1
LABEL l=first
WORKDIR /work
USER alice
EXPOSE 1
VOLUME /v
STOPSIGNAL SIGINT
ENTRYPOINT ["/bin/echo"]
CMD ["hello"]
FROM first AS second
ENV B=$A$A
USER root
RUN echo $A $B > file
FROM second
LABEL l=third
CMD ["bye"]
`
  },
  {
    title: "ENTRYPOINT drops the CMD of the stage it is made from",
    dockerfile: `FROM ${BASE} AS first
CMD ["hello"]
FROM first
ENTRYPOINT ["/bin/echo"]
`
  },
  {
    title: "COPY --from: by name in any case, by number, from an image",
    dockerfile: `FROM ${BASE} AS Build
WORKDIR /out
RUN echo built > artifact && echo second > second
FROM scratch AS middle
COPY --from=0 /out/artifact /from-number
FROM scratch
COPY --from=build /out /from-name
COPY --from=BUILD out/artifact /relative
COPY --from=1 / /from-second/
COPY --from=${BASE} /srv/tree /from-image
COPY --from=${BASE} /etc/pass* /etc/group /wild/
`
  },
  {
    title: "COPY --from: owners are kept, unless --chown; symlinks stay inside",
    dockerfile: `FROM ${BASE} AS source
RUN mkdir /d && echo x > /d/x && chown 10:20 /d /d/x && chmod 2770 /d && ln -s /d /alias && ln -s /etc/passwd /d/abs
FROM ${BASE}
COPY --from=source /d /kept
COPY --from=source --chown=alice:staff /d /owned
COPY --from=source /alias/x /through
COPY --from=source /alias /alias
COPY --from=source /d/abs /named
COPY --from=source /srv/owned /srv/tree/b /mixed/
`
  },
  {
    title: "--target: stages after it are not built",
    dockerfile: `FROM ${BASE} AS wanted
RUN echo yes > /yes
FROM wanted AS unwanted
RUN false
`,
    args: ["--target", "wanted"]
  },
  {
    title: "a stage that nothing needs is not built",
    dockerfile: `FROM ${BASE} AS unused
RUN false
FROM ${BASE}
RUN echo yes > /yes
`,
    shows: { "/yes": 'file 0644 0:0 "yes\\n"' }
  },
  {
    title: "a stage without instructions",
    dockerfile: `FROM ${BASE} AS first
FROM first AS second
FROM second
`
  },
  {
    title: "FROM an image of several layers that take away",
    parents: {
      "tsbuild.local/parent:1": `FROM ${BASE}
RUN rm -r /srv/tree/sub && rm /srv/hard1
RUN mkdir /srv/tree/sub && echo n > /srv/tree/sub/n
USER 5
ENV P=parent
`
    },
    dockerfile: `FROM tsbuild.local/parent:1
COPY file /srv/tree/sub/
RUN id -u > /tmp/id; echo $P > /tmp/p
USER root
RUN rm /srv/tree/sub/n
`,
    context: { file: "x" }
  },
  {
    title: "COPY --from of a stage with removed and replaced files",
    dockerfile: `FROM ${BASE} AS source
RUN rm -r /srv/tree/sub /srv/empty && mkdir /srv/empty && echo y > /srv/empty/y && rm /srv/tree/a && mkdir /srv/tree/a
FROM scratch
COPY --from=source /srv /srv
`
  },
  {
    title: "a stage copies from several, and they from each other",
    dockerfile: `FROM ${BASE} AS a
RUN echo a > /a
FROM ${BASE} AS b
COPY --from=a /a /from-a
RUN echo b > /b
FROM a AS c
COPY --from=b /b /from-a /in-c/
FROM ${BASE}
COPY --from=c /in-c /a /final/
COPY --from=b /b /final/
`
  },
  {
    title: "a later stage is no source",
    dockerfile: `FROM ${BASE}
COPY --from=later /x /x
FROM ${BASE} AS later
RUN echo > /x
`,
    args: ["--target", "later"],
    fails: /later/
  }
];

// test/.explore-diff.ts
var _stack = [];
try {
  var t = Date.now();
  var lab = __using(_stack, new Lab());
  console.log("lab", Date.now() - t);
  var want = new RegExp(process.argv[2] ?? ".");
  for (const c of [...configCases, ...runCases, ...copyCases, ...addCases, ...ignoreCases, ...stageCases]) {
    if (!want.test(c.title)) continue;
    try {
      const ctx = lab.context(c);
      const t0 = Date.now();
      const ours = lab.withTsbuild(ctx, c);
      const t1 = Date.now();
      const theirs = lab.withBuildah(ctx, c);
      const t2 = Date.now();
      const d = compareOutcomes(ours, theirs);
      console.log(`
### ${c.title}  (${t1 - t0} / ${t2 - t1} ms)`);
      if (ours.image === void 0) console.log("   ours failed:", ours.said.split("\n").slice(-8).join("\n      "));
      if (theirs.image === void 0) console.log("   theirs failed:", theirs.said.trim().split("\n").slice(-3).join("\n      "));
      for (const x of d) console.log("  ", JSON.stringify(x.where), "\n       T", JSON.stringify(x.tsbuild), "\n       B", JSON.stringify(x.buildah));
    } catch (e) {
      console.log(`
### ${c.title} THREW`, e);
    }
  }
} catch (_) {
  var _error = _, _hasError = true;
} finally {
  __callDispose(_stack, _error, _hasError);
}
