import { homedir } from 'node:os';
import { join } from 'node:path';

/** What a user has is found through the environment alone, so that a build can be given another one. */
export type Environment = Readonly<Record<string, string | undefined>>;

function homeOf(env: Environment): string {
  return env['HOME'] || homedir();
}

/** XDG base directory specification: `$XDG_CONFIG_HOME`, a relative one being none, else `~/.config`. */
export function configHome(env: Environment): string {
  const given = env['XDG_CONFIG_HOME'];
  return given?.startsWith('/') === true ? given : join(homeOf(env), '.config');
}

/** `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`. */
export function dockerConfigFile(env: Environment): string {
  return join(env['DOCKER_CONFIG'] || join(homeOf(env), '.docker'), 'config.json');
}

/** containers-auth.json(5): where podman, buildah and skopeo store a login, and where they look after that. */
export function containersAuthFiles(env: Environment): string[] {
  const runtime = env['XDG_RUNTIME_DIR'];
  const first = runtime?.startsWith('/') === true ? join(runtime, 'containers') : `/run/containers/${process.getuid?.() ?? 0}`;
  return [join(first, 'auth.json'), join(configHome(env), 'containers', 'auth.json')];
}
