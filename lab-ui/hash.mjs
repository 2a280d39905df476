// The SHA-256 over everything the bundle is built from. `--write` puts it beside the bundle, where
// tests/lab/test_bundle.py, which needs no Node, compares it with the sources.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

const FILES = ['index.html', 'package-lock.json', 'package.json', 'svelte.config.js', 'tsconfig.json', 'vite.config.ts'];

/** Every file under a folder, as paths relative to lab-ui. */
function under(folder) {
  return readdirSync(new URL(folder, import.meta.url), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath.replaceAll('\\', '/').split('/lab-ui/').pop()}/${entry.name}`);
}

const hash = createHash('sha256');
for (const path of [...FILES, ...under('src'), ...under('public')].sort()) {
  hash.update(`${path}\0`).update(readFileSync(new URL(path, import.meta.url))).update('\0');
}
const digest = hash.digest('hex');
if (process.argv.includes('--write')) {
  writeFileSync(new URL('../src/convscope/lab/static/sources.sha256', import.meta.url), `${digest}\n`);
}
console.log(digest);
