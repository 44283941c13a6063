import type { Exchange, Scope } from './exchange.js';
import { UploadSession } from './upload-session.js';

/**
 * Whether the registry would take an upload with these credentials: a session is opened and closed again (distribution-spec, "Pushing blobs";
 * the session moves no bytes and names nothing).
 *
 * @param path of the repository at this end: `library/app`
 * @throws BuildError `credentials` or `registry`, as the registry says it
 */
export async function checkPushAccess(exchange: Exchange, path: string, signal?: AbortSignal): Promise<void> {
  const scopes: readonly Scope[] = [{ type: 'repository', name: path, actions: ['pull', 'push'] }];
  const request = { exchange, scopes, aim: `push to ${exchange.host}/${path}`, signal };
  const opened = await exchange.send({
    method: 'POST',
    target: `${path}/blobs/uploads/`,
    scopes,
    headers: { 'content-length': '0' },
    accept: [202],
    aim: request.aim,
    signal,
  });
  await opened.discard();
  await new UploadSession(request, opened).cancel();
}
