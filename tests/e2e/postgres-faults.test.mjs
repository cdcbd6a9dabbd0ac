// What a followed database can do to its stream: the slot is lost or given up, the publication goes,
// another server takes over. The history ends honestly, and goes on.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { appendFileSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import WebSocket from 'ws';
import { PostgresCluster } from './postgres-cluster.mjs';
import { launchServe, mint, until } from './server.mjs';

const limit = { timeout: 180_000 };
const reader = '00000000-0000-0000-0000-00000000000a';
const schema = `create role authenticated nologin;
create table notes(id bigint primary key, body text);
grant usage on schema public to authenticated; grant select on notes to authenticated;`;

/** A cluster of the test's own, one table, and a server that follows it. */
async function follow(t, { settings = {}, store = '' } = {}) {
  const cluster = await PostgresCluster.start(settings);
  t.after(() => cluster.remove());
  await cluster.psql(schema);
  const directory = mkdtempSync(join(tmpdir(), 'tidewire-e2e-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const dsn = (text) => writeFileSync(join(directory, 'dsn'), text);
  writeFileSync(
    join(directory, 'tidewire.yaml'),
    `version: 1
auth: { jwt_secret: "\${env:TIDEWIRE_JWT_SECRET}" }
store:
  kind: postgres
  dsn: "\${file:${join(directory, 'dsn')}}"
${store}tables: { notes: {} }
`,
  );
  dsn(cluster.dsn());
  let running = await launchServe(directory, '127.0.0.1:0');
  const listen = new URL(running.info.url).host;
  const server = {
    cluster,
    dsn,
    url: running.info.url,
    log: () => running.log(),
    health: async () => (await fetch(`${running.info.url}/health`)).json(),
    async kill() {
      running.child.kill('SIGKILL');
      await running.exited;
    },
    async restart() {
      running = await launchServe(directory, listen);
    },
    status: (status) =>
      until(async () => (await server.health().catch(() => ({}))).status === status, {
        ms: 60_000,
        says: () => running.log(),
      }),
  };
  t.after(() => server.kill());
  await server.status('ok');
  return server;
}

/** A client that knows of positions. */
async function join_(t, server, since) {
  const token = mint({}, { sub: reader });
  const socket = new WebSocket(
    `${server.url.replace('http', 'ws')}/realtime/v1/websocket?vsn=2.0.0&apikey=${token}`,
  );
  t.after(() => socket.terminate());
  const client = { ids: [], verdict: undefined, live: false, code: null, system: [] };
  socket.on('close', (code) => (client.code = code));
  socket.on('message', (data) => {
    const [, , , event, payload] = JSON.parse(data);
    if (event === 'phx_reply') client.verdict = payload.response.tidewire ?? payload.response;
    if (event === 'system') {
      client.system.push(payload.message);
      if (payload.status === 'ok' && payload.extension === 'postgres_changes') client.live = true;
    }
    if (event === 'postgres_changes') client.ids.push(payload.data.record.id);
  });
  await new Promise((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  socket.send(
    JSON.stringify([
      '1',
      '1',
      'realtime:x',
      'phx_join',
      {
        config: {
          postgres_changes: [{ event: '*', schema: 'public', table: 'notes' }],
          tidewire: since ? { since } : {},
        },
        access_token: token,
      },
    ]),
  );
  await until(() => client.live, { says: () => `${JSON.stringify(client)} ${server.log()}` });
  return client;
}

async function position(server) {
  const token = mint({}, { sub: reader });
  const answer = await fetch(`${server.url}/rest/v1/notes`, {
    headers: { apikey: token, Authorization: `Bearer ${token}` },
  });
  await answer.arrayBuffer();
  return answer.headers.get('Tidewire-Position');
}

// After the history was cut: clients are sent away with 1012, their old position is refused by name,
// and what is committed from now on arrives.
async function goesOnHonestly(t, server, client, before, reasons) {
  await until(() => client.code !== null, { ms: 60_000, says: server.log });
  assert.equal(client.code, 1012);
  assert.ok(client.system.includes('history_lost'), JSON.stringify(client.system));
  await server.status('ok');
  const again = await join_(t, server, before);
  assert.equal(again.verdict.recovered, false);
  assert.ok(reasons.includes(again.verdict.reason), JSON.stringify(again.verdict));
  await server.cluster.psql("insert into notes values (1000, 'after')");
  await until(() => again.ids.includes(1000), { says: server.log });
}

test('a slot that somebody dropped is made anew, and nobody is told a lie', limit, async (t) => {
  const server = await follow(t);
  const client = await join_(t, server);
  await server.cluster.psql("insert into notes values (1, 'a')");
  await until(() => client.ids.includes(1), { says: server.log });
  const before = await position(server);
  await server.kill();
  await server.cluster.psql("select pg_drop_replication_slot('tidewire')");
  await server.cluster.psql("insert into notes values (2, 'missed')");
  await server.restart();
  await server.status('ok');
  const again = await join_(t, server, before);
  assert.equal(again.verdict.recovered, false);
  assert.ok(
    ['expired', 'epoch_changed'].includes(again.verdict.reason),
    JSON.stringify(again.verdict),
  );
  await server.cluster.psql("insert into notes values (3, 'after')");
  await until(() => again.ids.includes(3), { says: server.log });
  assert.ok(!again.ids.includes(2));
});

test('a slot that the server has invalidated is made anew', limit, async (t) => {
  const server = await follow(t, {
    settings: { max_slot_wal_keep_size: '1MB', min_wal_size: '32MB', max_wal_size: '32MB' },
  });
  const before = await position(server);
  await server.kill();
  // More than the server keeps for a slot of somebody who is away.
  for (let i = 0; i < 4; ++i) {
    await server.cluster.psql(
      `insert into notes select ${i + 1} * 1000000 + n, repeat('x', 500) from generate_series(1, 20000) n; select pg_switch_wal()`,
    );
    await server.cluster.psql('checkpoint');
  }
  await until(
    async () =>
      (await server.cluster.psql('select wal_status from pg_replication_slots')) === 'lost',
    { ms: 30_000 },
  );
  await server.restart();
  await server.status('ok');
  const again = await join_(t, server, before);
  assert.equal(again.verdict.recovered, false);
  await server.cluster.psql("insert into notes values (7, 'after')");
  await until(() => again.ids.includes(7), { says: server.log });
  assert.notEqual(
    await server.cluster.psql(
      "select wal_status from pg_replication_slots where slot_name = 'tidewire'",
    ),
    'lost',
  );
});

test('a publication that is dropped is named, and made again', limit, async (t) => {
  const server = await follow(t);
  const client = await join_(t, server);
  await server.cluster.psql('drop publication tidewire');
  await server.cluster.psql("insert into notes values (1, 'without')");
  // Decoding is at that place in the log, where there is no publication: the history ends there.
  await until(() => client.code === 1012, { ms: 90_000, says: server.log });
  assert.match(server.log(), /PublicationWasDropped/);
  await server.status('ok');
  assert.equal(
    await server.cluster.psql("select count(*) from pg_publication where pubname = 'tidewire'"),
    '1',
  );
  const again = await join_(t, server);
  await server.cluster.psql("insert into notes values (2, 'after')");
  await until(() => again.ids.includes(2), { says: server.log });
});

test('a promoted standby is another history', limit, async (t) => {
  const server = await follow(t, { settings: { max_wal_senders: 10, hot_standby: 'on' } });
  const client = await join_(t, server);
  await server.cluster.psql("insert into notes values (1, 'a')");
  await until(() => client.ids.includes(1), { says: server.log });
  const before = await position(server);
  // A copy of the server, which takes over when the first is gone: same system, next timeline.
  const { cluster } = server;
  await cluster.psql("select pg_create_physical_replication_slot('standby')");
  await server.kill();
  await cluster.stop('SIGINT');
  appendFileSync(join(cluster.data, 'standby.signal'), '');
  if (cluster.user.uid !== undefined)
    chownSync(join(cluster.data, 'standby.signal'), cluster.user.uid, cluster.user.gid);
  await cluster.resume();
  execFileSync(join(cluster.programs, 'pg_ctl'), ['promote', '-w', '-D', cluster.data], {
    ...cluster.user,
    stdio: 'ignore',
    cwd: cluster.directory,
  });
  await until(async () => (await cluster.psql('select pg_is_in_recovery()')) === 'f', {
    ms: 30_000,
  });
  assert.equal(
    (await cluster.psql('select timeline_id from pg_control_checkpoint()').then(Number)) >= 1,
    true,
  );
  await cluster.psql('checkpoint');
  await server.restart();
  await server.status('ok');
  const again = await join_(t, server, before);
  assert.equal(again.verdict.recovered, false);
  assert.equal(again.verdict.reason, 'epoch_changed');
  await cluster.psql("insert into notes values (2, 'after')");
  await until(() => again.ids.includes(2), { says: server.log });
});

test('WAL beyond store.wal_keep_max gives the slot up instead of the disk', limit, async (t) => {
  const server = await follow(t, { store: '  wal_keep_max: 64MiB\n' });
  const client = await join_(t, server);
  const before = await position(server);
  // A transaction that stays open holds the slot back, whatever is committed behind it.
  const holder = spawn(
    'psql',
    [
      '-X',
      '-q',
      '-h',
      '127.0.0.1',
      '-p',
      String(server.cluster.port),
      '-U',
      'postgres',
      '-d',
      'postgres',
    ],
    { stdio: ['pipe', 'ignore', 'ignore'] },
  );
  t.after(() => holder.kill());
  holder.stdin.write("begin; insert into notes values (1, 'held');\n");
  await until(
    async () =>
      (await server.cluster.psql(
        "select count(*) from pg_stat_activity where state = 'idle in transaction'",
      )) === '1',
  );
  for (let i = 0; i < 8; ++i) {
    await server.cluster.psql(
      `create table w${i} as select repeat('y', 1000) from generate_series(1, 12000)`,
    );
  }
  await until(() => /WalGuard/.test(server.log()), { ms: 60_000, says: server.log });
  // A new slot waits for the transactions that are open.
  holder.stdin.write('rollback;\n');
  await goesOnHonestly(t, server, client, before, ['expired', 'epoch_changed']);
});
