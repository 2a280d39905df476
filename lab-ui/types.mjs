// The types of the server's answers, generated from openapi.json (scripts/dump_openapi.py writes that from the
// application). `--write` writes them; otherwise this fails where the committed file is another one.
import { readFileSync, writeFileSync } from 'node:fs';

import openapiTS, { astToString } from 'openapi-typescript';

const SOURCE = new URL('openapi.json', import.meta.url);
const TARGET = new URL('src/lib/schema.ts', import.meta.url);
const HEAD = `/**
 * What the server takes and answers, generated from openapi.json: do not edit, run \`make types\`.
 */
`;

// Answers have all their fields: none becomes optional because it has a default.
const nodes = await openapiTS(SOURCE, { defaultNonNullable: false, alphabetize: true });
const text = HEAD + astToString(nodes);
if (process.argv.includes('--write')) writeFileSync(TARGET, text);
else if (readFileSync(TARGET, 'utf8') !== text) {
  console.error('src/lib/schema.ts is not what openapi.json says: run npm run types');
  process.exit(1);
}
