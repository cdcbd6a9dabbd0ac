// The outreach example on both stores, for suites that must hold on either: `start(t)` gives a server
// whose `sql` runs SQL as another program would.
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after } from 'node:test';
import { PostgresCluster } from './postgres-cluster.mjs';
import { secret, sqlite, startTidewire, until } from './server.mjs';

const example = fileURLToPath(new URL('../../examples/outreach/postgres', import.meta.url));
/** The source file that the example on PostgreSQL runs. */
export const outreachOfPostgres = join(example, '../outreach.yaml');

let cluster; // One for the test file, when it is first needed.
let databases = 0;
after(async () => (await cluster)?.remove());

async function startOnSqlite(t) {
  const server = await startTidewire(t);
  server.sql = async (text) => sqlite(server, text).trim();
  return server;
}

/** On a database of its own. */
export async function startOnPostgres(t) {
  cluster ??= PostgresCluster.start();
  const postgres = await cluster;
  const database = `outreach${++databases}`;
  await postgres.psql(`create database ${database}`);
  await postgres.psql(readFileSync(`${example}/schema.sql`, 'utf8'), database);
  const directory = mkdtempSync(join(tmpdir(), 'tidewire-e2e-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  // Slots belong to the whole cluster.
  const config = readFileSync(`${example}/tidewire.yaml`, 'utf8')
    .replace('kind: postgres', `kind: postgres\n  slot: ${database}`)
    .replace('../outreach.yaml', outreachOfPostgres);
  writeFileSync(join(directory, 'tidewire.yaml'), config);
  copyFileSync(`${example}/dev.json`, join(directory, 'dev.json'));
  const server = await startTidewire(t, ['--config', directory], {
    TIDEWIRE_POSTGRES_DSN: postgres.dsn(database),
  });
  server.cluster = postgres;
  server.directory = directory;
  server.environment = {
    ...process.env,
    TIDEWIRE_JWT_SECRET: secret,
    TIDEWIRE_POSTGRES_DSN: postgres.dsn(database),
    TIDEWIRE_HOOK_TOKEN: 'dev',
    TIDEWIRE_HOOK_SECRET: `whsec_${Buffer.from('of no use to anybody').toString('base64')}`,
    TIDEWIRE_OUTREACH_URL: 'http://127.0.0.1:4811/api',
  };
  server.sql = (text) => postgres.psql(text, database);
  server.health = async () => (await fetch(`${server.url}/health`)).json();
  server.status = (status) =>
    until(async () => (await server.health().catch(() => ({}))).status === status, {
      ms: 60_000,
      says: server.log,
    });
  await server.status('ok');
  return server;
}

export const stores = [
  { name: 'sqlite', start: startOnSqlite },
  { name: 'postgres', start: startOnPostgres },
];
