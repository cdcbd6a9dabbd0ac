// Checks how the packages look from outside: publint for the packed files, attw for the types as
// every module resolution of TypeScript sees them (ESM only, so CommonJS is not asked).
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { readFileSync } from 'node:fs';

const packages = ['client', 'query', 'swr', 'react', 'components', 'devtools'];
let failed = false;

for (const name of packages) {
  const folder = fileURLToPath(new URL(name, import.meta.url));
  const { messages } = await publint({ pkgDir: folder, strict: true, pack: false });
  const manifest = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8'));
  for (const message of messages) console.log(`  ${formatMessage(message, manifest)}`);
  const attw = spawnSync(
    'npx',
    ['attw', '--pack', folder, '--profile', 'esm-only', '--format', 'ascii', '--no-color'].concat(
      name === 'components' ? ['--exclude-entrypoints', './styles.css'] : [],
    ),
    { encoding: 'utf8' },
  );
  const bad = messages.length > 0 || attw.status !== 0;
  if (attw.status !== 0) console.log(attw.stdout, attw.stderr);
  failed ||= bad;
  console.log(`@tidewire/${name}`.padEnd(22), bad ? 'FAILED' : 'publint and attw are clean');
}
process.exit(failed ? 1 : 0);
