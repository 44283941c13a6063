import { splitCsv } from '../base/csv.js';
import { BuildError } from '../base/errors.js';
import { didYouMean } from '../base/suggest.js';
import type { Entitlement, SecretSpec, SshSpec } from '../options.js';

const SECRET_KEYS = ['id', 'type', 'src', 'source', 'env'];

/**
 * `id=ID[,src=FILE|,source=FILE|,env=VARIABLE][,type=file|env]`. With the id alone it is the variable of that name when it is set, the file of
 * that name otherwise. Errors name keys and ids only: somebody may have put the secret itself there.
 *
 * @throws BuildError `usage`
 */
export function parseSecret(text: string, env: Readonly<Record<string, string | undefined>>): SecretSpec {
  const values = secretFields(text);
  const id = values.get('id');
  if (id === undefined || id === '') throw secretError('the id is missing');
  const type = values.get('type');
  if (type !== undefined && type !== 'file' && type !== 'env') throw secretError('want type=file or type=env');
  const file = values.get('src');
  const variable = values.get('env') ?? (type === 'env' ? (file ?? id) : undefined);
  // A variable goes before a file, as it does in buildx.
  if (variable !== undefined && variable !== '') return { id, source: { kind: 'env', name: variable } };
  if (file !== undefined && file !== '') return { id, source: { kind: 'file', path: file } };
  const isVariable = type === undefined && env[id] !== undefined;
  return { id, source: isVariable ? { kind: 'env', name: id } : { kind: 'file', path: id } };
}

/** By key; `source` is `src`. */
function secretFields(text: string): ReadonlyMap<string, string> {
  const fields = splitCsv(text);
  if (fields === undefined) throw secretError('a quote is not closed');
  const values = new Map<string, string>();
  for (const field of fields) {
    const equals = field.indexOf('=');
    if (equals === -1) throw secretError('every field must be a key=value pair');
    const key = field.slice(0, equals).toLowerCase();
    if (!SECRET_KEYS.includes(key)) throw secretError(`unexpected key ${JSON.stringify(key)}${didYouMean(key, SECRET_KEYS)}`);
    values.set(key === 'source' ? 'src' : key, field.slice(equals + 1));
  }
  return values;
}

function secretError(reason: string): BuildError {
  return new BuildError('usage', `invalid --secret: ${reason}`, { hint: 'want id=ID,src=FILE or id=ID,env=VARIABLE' });
}

/**
 * `default` or `ID[=SOCKET|KEY[,KEY…]]`; nothing behind the id is the agent of the environment.
 * @throws BuildError `usage` when an id comes twice
 */
export function parseSsh(texts: readonly string[]): SshSpec[] {
  const specs = new Map<string, SshSpec>();
  for (const text of texts) {
    const equals = text.indexOf('=');
    const id = (equals === -1 ? text : text.slice(0, equals)) || 'default';
    if (specs.has(id)) throw new BuildError('usage', `invalid --ssh: duplicate agent ID ${id}`);
    const paths = equals === -1 ? [] : text.slice(equals + 1).split(',');
    specs.set(id, { id, paths: paths.filter((path) => path !== '') });
  }
  return [...specs.values()];
}

const ENTITLEMENTS: readonly Entitlement[] = ['network.host', 'security.insecure'];

/** @throws BuildError `usage` for a word that is none, `unsupported` for those of devices and of bake's files */
export function parseAllow(text: string): Entitlement {
  const found = ENTITLEMENTS.find((entitlement) => entitlement === text);
  if (found !== undefined) return found;
  if (/^(?:device|fs|fs\.read|fs\.write|ssh)(?:=|$)/.test(text)) {
    const name = text.replace(/=.*/s, '');
    const hint =
      name === 'device'
        ? 'RUN --device is not to be had: leave both out.'
        : 'Leave it out: a build reads what its own flags name, nothing else.';
    throw new BuildError('unsupported', `--allow ${name} is not supported`, { hint });
  }
  const wanted = ENTITLEMENTS.join(' or ');
  throw new BuildError('usage', `invalid --allow ${JSON.stringify(text)}: want ${wanted}${didYouMean(text, ENTITLEMENTS)}`);
}
