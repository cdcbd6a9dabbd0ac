// The examples of examples/, served by the real binary with their own configuration and page.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startTidewire } from './server.mjs';

/** A server of the test's own that runs an example, without anything that changes its data. */
export function startExample(t, name) {
  const folder = fileURLToPath(new URL(`../../examples/${name}`, import.meta.url));
  return startTidewire(t, ['--config', folder]);
}

/** Runs SQL on the example's database with the sqlite3 shell, as any other program would. */
export function exampleSql(server, sql) {
  const file = join(server.data, 'tidewire.db');
  return execFileSync('sqlite3', ['-cmd', '.timeout 5000', file, sql], { encoding: 'utf8' });
}
