/** What a request to a registry is about (distribution specification, "endpoints"). */
export type RequestKind = 'ping' | 'manifest' | 'blob' | 'upload' | 'tags' | 'catalog' | 'other';

export interface RequestSubject {
  readonly kind: RequestKind;
  readonly repository: string;
  /** Tag or digest of a manifest, digest of a blob, of an upload what it shall be called. */
  readonly name: string;
  /** Without what a registry makes up for an upload, so that the same step has the same name in each run. */
  readonly label: string;
}

const PATHS: readonly (readonly [RequestKind, RegExp])[] = [
  ['ping', /^\/v2\/()()$/],
  ['catalog', /^\/v2\/()(_catalog)$/],
  ['manifest', /^\/v2\/(.+)\/manifests\/([^/]+)$/],
  ['upload', /^\/v2\/(.+)\/blobs\/uploads\/?([^/]*)$/],
  ['blob', /^\/v2\/(.+)\/blobs\/([^/]+)$/],
  ['tags', /^\/v2\/(.+)\/(tags)\/list$/],
];

/** @param target path and query */
export function subjectOf(method: string, target: string): RequestSubject {
  const { pathname, searchParams } = new URL(target, 'http://localhost');
  for (const [kind, pattern] of PATHS) {
    const [found, repository = '', last = ''] = pattern.exec(pathname) ?? [];
    if (found === undefined) continue;
    const named = searchParams.get('digest') ?? searchParams.get('mount') ?? '';
    const name = kind === 'upload' ? named : last;
    return { kind, repository, name, label: `${method} ${kind} ${repository} ${name}` };
  }
  return { kind: 'other', repository: '', name: '', label: `${method} ${pathname}` };
}

/** One change of what a registry has: begun when the request came, done when the registry agreed. A mounted blob is one, too. */
export interface Change {
  readonly what: 'blob' | 'manifest' | 'tag';
  readonly phase: 'begun' | 'done';
  readonly repository: string;
  /** Digest, or the tag. */
  readonly name: string;
}

/** What went through to a registry and back. */
export class RegistryTraffic {
  /** Bodies as far as they were let through; uploads that failed count as well. */
  uploadedBlobBytes = 0;
  downloadedBlobBytes = 0;
  uploadedManifestBytes = 0;
  downloadedManifestBytes = 0;
  /** `GET blob` to how often. */
  readonly requests = new Map<string, number>();
  /** By digest, the bytes of it that were let through to the client. */
  readonly downloads = new Map<string, number>();
  /** In their order. */
  readonly changes: Change[] = [];

  /** How often `method` was asked for `kind`. */
  count(method: string, kind: RequestKind): number {
    return this.requests.get(`${method} ${kind}`) ?? 0;
  }

  onRequest(method: string, { kind }: RequestSubject): void {
    this.requests.set(`${method} ${kind}`, this.count(method, kind) + 1);
  }

  onUploaded({ kind }: RequestSubject, byteCount: number): void {
    if (kind === 'upload') this.uploadedBlobBytes += byteCount;
    if (kind === 'manifest') this.uploadedManifestBytes += byteCount;
  }

  onDownloaded({ kind, name }: RequestSubject, byteCount: number): void {
    if (kind === 'manifest') this.downloadedManifestBytes += byteCount;
    if (kind !== 'blob') return;
    this.downloadedBlobBytes += byteCount;
    this.downloads.set(name, (this.downloads.get(name) ?? 0) + byteCount);
  }

  onChange(method: string, { kind, repository, name }: RequestSubject, phase: Change['phase']): void {
    if (name === '' || (method !== 'PUT' && !(method === 'POST' && kind === 'upload'))) return;
    const what = kind === 'upload' ? 'blob' : name.includes(':') ? 'manifest' : 'tag';
    this.changes.push({ what, phase, repository, name });
  }
}
