import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ajvDraft04 from 'ajv-draft-04';
import { expect } from 'vitest';

const SCHEMAS = fileURLToPath(new URL('../../../shared/corpora/oci-schema/', import.meta.url));

export type SchemaName = 'config-schema' | 'content-descriptor' | 'image-index-schema' | 'image-layout-schema' | 'image-manifest-schema';

/** The image-spec's own JSON schemas lie beside the checkout, not in it. */
const hasOciSchemas = existsSync(SCHEMAS);
if (!hasOciSchemas) console.warn(`SKIPPED: no OCI schemas in ${SCHEMAS}; JSON is not held against the image-spec`);

const Ajv = ajvDraft04.default;
let ajv: InstanceType<typeof Ajv> | undefined;

/** Fails with the schema's complaints; does nothing where the schemas are absent, which is printed once. */
export function expectOciSchema(name: SchemaName, document: unknown): void {
  if (!hasOciSchemas) return;
  ajv ??= loadSchemas();
  const validate = ajv.getSchema(`${name}.json`);
  if (validate === undefined) throw new Error(`no schema ${name}`);
  // By way of text: a schema is about JSON, where there is no undefined.
  expect(validate(JSON.parse(JSON.stringify(document))) === true ? [] : validate.errors, name).toEqual([]);
}

function loadSchemas(): InstanceType<typeof Ajv> {
  const loaded = new Ajv({ strict: false, allErrors: true, logger: false });
  // The schemas name each other by file while their ids are addresses of the web site: the file names are taken as ids.
  for (const file of readdirSync(SCHEMAS).filter((name) => name.endsWith('.json'))) {
    loaded.addSchema(withoutIds(JSON.parse(readFileSync(SCHEMAS + file, 'utf8'))) as object, file);
  }
  return loaded;
}

function withoutIds(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutIds);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([key, item]) => key !== 'id' || typeof item !== 'string');
  return Object.fromEntries(kept.map(([key, item]) => [key, withoutIds(item)]));
}
