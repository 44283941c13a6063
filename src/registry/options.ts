/** How registries are reached: what the flags and the environment say. Everything has a default. */
export interface RegistryOptions {
  /** Where credential files, proxies, authorities and CI_REGISTRY_* are looked up. The default is the environment of the process. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /**
   * `--creds`: for the registry that an image goes to, where one does; else for every registry that is named. Mirrors, and what a registry
   * redirects to, never get them.
   */
  readonly credentials?: UserPassword;
  /** For single registries; they come before `credentials`. */
  readonly hostCredentials?: readonly HostCredentials[];
  /** `--authfile`: in place of all other files. */
  readonly authFile?: string;
  /** `--tls-verify`; the default is true. False also allows plain http. */
  readonly tlsVerify?: boolean;
  /** `--cert-dir`: `*.crt`, `*.cert` and `*.key`, in place of /etc/containers/certs.d/HOST and /etc/docker/certs.d/HOST. */
  readonly certDir?: string;
  /** `--insecure-registry`: hosts (`HOST[:PORT]`) that may speak plain http or have a certificate that nobody vouches for. */
  readonly insecureRegistries?: readonly string[];
  /** `--registry-mirror HOST=MIRROR`: in their order, before the host itself. */
  readonly mirrors?: readonly RegistryMirror[];
  /** `--registries-conf`: in place of CONTAINERS_REGISTRIES_CONF and the files of the user and the system. */
  readonly registriesConf?: string;
  /** Attempts after the first one; the default is 3. */
  readonly retries?: number;
  /** Before the second attempt, doubled for each one after it; the default is 1,000. */
  readonly retryDelayMs?: number;
  /** Of silence, at any point of a request; the default is 60,000. */
  readonly timeoutMs?: number;
  /** Blobs that are moved at once to or from one registry; the default is 4. */
  readonly jobs?: number;
}

export interface UserPassword {
  readonly username: string;
  readonly password: string;
}

export interface HostCredentials extends UserPassword {
  /** As it stands in names of images: `docker.io`, `registry.example:5000`. */
  readonly host: string;
  /** Where they are from, for `-D` and errors; the default is `--creds`. */
  readonly source?: string;
}

export interface RegistryMirror {
  /** `docker.io`, `registry.example:5000` */
  readonly host: string;
  /** `mirror.example`, `mirror.example:5000/prefix`, or with `http://` in front of it */
  readonly mirror: string;
}

/** `--pull`: whether a registry is asked for an image. `newer` is `always` that makes do with the store when the registry fails. */
export type PullPolicy = 'always' | 'missing' | 'never' | 'newer';
