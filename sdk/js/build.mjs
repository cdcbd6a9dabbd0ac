// Builds the packages in the order of their dependencies, then the pages of the examples.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const packages = ['client', 'query', 'swr', 'react', 'components', 'devtools'];

function run(folder) {
  const { status } = spawnSync('npm', ['run', '--silent', 'build'], {
    cwd: root + folder,
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
}

for (const name of packages) run(`sdk/js/${name}`);
for (const name of readdirSync(`${root}examples`)) {
  if (existsSync(`${root}examples/${name}/web/index.html`)) run(`examples/${name}/web`);
}
