import type { CliContext } from '../context.js';
import { withTransfers, type TransportFlags } from './transport-call.js';

export interface LsFlags extends TransportFlags {
  readonly json?: boolean;
}

/** `tsbuild ls`: the tags of a repository, or the repositories of a registry, one a line as they come. */
export async function listRemote(place: string, flags: LsFlags, context: CliContext): Promise<void> {
  const transport = await context.transport();
  const host = hostOf(place);
  const field = host === undefined ? 'tags' : 'repositories';
  const names: string[] = [];
  await withTransfers({ flags }, context, async (options) => {
    const listed =
      host === undefined ? transport.listTags({ ...options, repository: place }) : transport.listRepositories({ ...options, host });
    for await (const name of listed) {
      if (flags.json === true) names.push(name);
      else context.stdout.write(`${name}\n`);
    }
  });
  if (flags.json === true) context.stdout.write(`${JSON.stringify({ name: host ?? place, [field]: names }, undefined, 2)}\n`);
}

/** `registry.example`, `localhost:5000` and `registry/` are hosts; `debian` and `team/app` are repositories, `debian:12` is neither. */
function hostOf(place: string): string | undefined {
  const [, name = '', slash = ''] = /^(?:docker:\/\/)?([^/]*)(\/?)$/.exec(place) ?? [];
  if (name === '') return undefined;
  return slash === '/' || /^localhost$|^[^:]*\.|:(?:80|443|\d{4,5})$|^\[/.test(name) ? name : undefined;
}
