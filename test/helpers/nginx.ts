import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startDaemon, type Daemon } from './daemon.js';
import { freePort, type Authority } from './web.js';

export interface NginxOptions {
  /** An empty directory of the caller's. */
  readonly dir: string;
  /** Socket of the registry, which need not be there yet. */
  readonly registrySocket: string;
  /** Repositories outside of `PREFIX/` are not found. */
  readonly prefix: string;
  /** Port of the token server, to be reached as `/service/token`. */
  readonly tokenPort?: number;
  readonly authority?: Authority;
  /** Larger bodies of requests are answered with 413; 0, the default, allows any. */
  readonly maxBodyBytes?: number;
}

/** nginx in front of a registry, in the manner of Harbor: one host for the registry and its tokens, repositories below a project. */
export async function startNginx(options: NginxOptions): Promise<Daemon & { readonly port: number }> {
  for (let attempt = 1; ; attempt++) {
    // nginx cannot choose a port by itself: somebody may be quicker.
    const port = await freePort();
    const dir = join(options.dir, String(attempt));
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, 'nginx.conf'), toConf(options, { dir, port }));
    try {
      const daemon = await startDaemon('nginx', ['-p', dir, '-c', join(dir, 'nginx.conf'), '-e', 'stderr'], {
        logFile: join(dir, 'log'),
        ready: /using the "\w+" event method/,
      });
      return { ...daemon, port };
    } catch (error) {
      if (attempt === 3 || !(error as Error).message.includes('Address already in use')) throw error;
    }
  }
}

function toConf(options: NginxOptions, { dir, port }: { dir: string; port: number }): string {
  const { authority, tokenPort } = options;
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${join(dir, kind)};`);
  const tls = authority === undefined ? [] : [`ssl_certificate ${authority.cert};`, `ssl_certificate_key ${authority.key};`];
  const service = tokenPort === undefined ? [] : [`location = /service/token { proxy_pass http://127.0.0.1:${tokenPort}/token; }`];
  return `
    daemon off;
    master_process off;
    user root;
    pid ${join(dir, 'pid')};
    error_log stderr notice;
    events {}
    http {
      access_log ${join(dir, 'access.log')};
      ${temporary.join('\n      ')}
      server {
        listen 127.0.0.1:${port}${authority === undefined ? '' : ' ssl'};
        ${tls.join('\n        ')}
        client_max_body_size ${options.maxBodyBytes ?? 0};
        proxy_http_version 1.1;
        proxy_buffering off;
        proxy_request_buffering off;
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header X-Real-IP $remote_addr;
        ${service.join('')}
        location = /v2/ { proxy_pass http://unix:${options.registrySocket}; }
        location = /v2/_catalog { proxy_pass http://unix:${options.registrySocket}; }
        location /v2/${options.prefix}/ { proxy_pass http://unix:${options.registrySocket}; }
        location /v2/ {
          default_type application/json;
          return 404 '{"errors":[{"code":"NAME_UNKNOWN","message":"project not found"}]}';
        }
        location / {
          default_type text/html;
          return 200 '<!doctype html><title>Portal</title>';
        }
      }
    }
  `;
}
