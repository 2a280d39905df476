// A type checker that finds nothing may have looked at nothing: plant an error, and ask that it is found.
import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';

const planted = new URL('src/Canary.svelte', import.meta.url);
writeFileSync(planted, '<script lang="ts">\n  const planted: number = "a string";\n</script>\n\n{planted}\n');
const found = spawnSync('npx', ['svelte-check', '--tsconfig', './tsconfig.json', '--output', 'machine'], {
  cwd: new URL('.', import.meta.url),
  encoding: 'utf8',
});
rmSync(planted);
if (found.status === 0 || !found.stdout.includes('Canary.svelte')) {
  console.error('svelte-check did not report the planted error: it checks nothing');
  process.exit(1);
}
console.log('the planted type error was reported');
