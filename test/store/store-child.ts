import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { digestOf } from '../../src/oci/digest.js';
import type { Descriptor } from '../../src/oci/types.js';
import { Store } from '../../src/store/store.js';

/** A process that uses a store, for tests that need several of them or kill one: `tag ROOT DESCRIPTOR NAME`, `write ROOT`. */
const [command, root = '', ...rest] = process.argv.slice(2);

if (command === 'tag') await tag(JSON.parse(rest[0] ?? '') as Descriptor, rest[1] ?? '');
else await writeForEver();

async function tag(descriptor: Descriptor, name: string): Promise<void> {
  await (await Store.open(root)).tag(descriptor, [name]);
}

async function writeForEver(): Promise<void> {
  const store = await Store.open(root);
  const started = Date.now();
  for (let count = 0; ; count++) {
    const temp = await store.tempDir();
    const bytes = Buffer.alloc(1000 + (count % 50), `${started}-${count} `);
    writeFileSync(join(temp.path, 'blob'), bytes);
    const descriptor = { mediaType: 'text/plain', digest: digestOf(bytes), size: bytes.length };
    await store.adoptBlob(join(temp.path, 'blob'), descriptor);
    await store.tag(descriptor, [`example.org/${started}:${count % 100}`]);
    if (count % 2 === 0) await temp[Symbol.asyncDispose]();
    if (count === 0) process.stdout.write('started\n');
  }
}
