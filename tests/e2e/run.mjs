// Runs the end-to-end tests one file after another: TIDEWIRE_BIN is the binary under test, E2E_TAP
// where a machine-readable report goes. Arguments name the test files to run (all by default).
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { binary } from './server.mjs';

const folder = fileURLToPath(new URL('.', import.meta.url));
const wanted = process.argv.slice(2);
const files = readdirSync(folder)
  .filter((name) => name.endsWith('.test.mjs'))
  .filter((name) => wanted.length === 0 || wanted.some((word) => name.startsWith(word)))
  .sort();

binary(); // Says so at once when it is missing.
const reporters = ['--test-reporter=spec', '--test-reporter-destination=stdout'];
if (process.env.E2E_TAP) {
  reporters.push('--test-reporter=tap', `--test-reporter-destination=${process.env.E2E_TAP}`);
}
// Some clients go on trying for ever; their timers are not ours to end.
const [major, minor] = process.versions.node.split('.').map(Number);
const canForce = major >= 22 || (major === 20 && minor >= 14);
const { status } = spawnSync(
  process.execPath,
  [
    '--test',
    '--test-concurrency=1',
    ...(canForce ? ['--test-force-exit'] : []),
    ...reporters,
    ...files.map((name) => folder + name),
  ],
  { stdio: 'inherit' },
);
process.exit(status ?? 1);
