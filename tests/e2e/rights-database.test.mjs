// Policies that only PostgreSQL can decide: what clients get of the stream equals what the database
// itself shows them, nobody else waits, and nothing is lost while it cannot be asked.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { serve } from './follow.mjs';
import { PostgresCluster } from './postgres-cluster.mjs';
import { binary, mint, until } from './server.mjs';

const limit = { timeout: 180_000 };
const people = ['a', 'b', 'c'].map((c) => `00000000-0000-0000-0000-00000000000${c}`);

// A helper in PL/pgSQL that reads a table, unqualified; types that only the database knows; a
// generated column; and a table that is decided in memory.
const schema = `
create role authenticated nologin; create role judged login superuser;
create schema auth;
create function auth.uid() returns uuid language sql stable as
  $$ select (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid $$;
create table members(org int, who uuid, level int, primary key (org, who));
create function belongs(wanted int, at_least int) returns boolean language plpgsql stable
  security definer as $$ declare found_level int; begin
    select m.level into found_level from members m where m.org = wanted and m.who = auth.uid();
    if found_level = 99 then raise 'no access today'; end if;
    return coalesce(found_level, 0) >= at_least;
  end $$;
create table docs(id int primary key, org int, title text, tags text[], span int4range,
  shout text generated always as (upper(title)) stored);
create table notes(id int primary key, body text);
alter table docs replica identity full; alter table notes replica identity full;
alter table members replica identity full;
alter table docs enable row level security;
create policy members_read on docs for select to authenticated using (belongs(org, 1));
create policy public_read on docs for select to authenticated
  using (shout like 'PUBLIC%' and span @> 5 and 'open' = any(tags));
grant usage on schema public, auth to authenticated;
grant select on docs, notes, members to authenticated;`;

let cluster;
let databases = 0;
before(async () => {
  cluster = await PostgresCluster.start();
});
after(async () => cluster?.remove());

async function start(t) {
  const database = `judged${++databases}`;
  const lines = schema.split('\n');
  if (databases === 1) await cluster.psql(lines.slice(0, 2).join('\n'));
  await cluster.psql(`create database ${database}`);
  await cluster.psql(lines.slice(2).join('\n'), database);
  const server = await serve(t, (directory) => ({
    'tidewire.yaml': `version: 1
auth: { jwt_secret: "\${env:TIDEWIRE_JWT_SECRET}" }
store: { kind: postgres, dsn: "\${file:${directory}/dsn}", slot: ${database} }
`,
    dsn: cluster.dsn(database, 'judged'),
  }));
  server.psql = (sql) => cluster.psql(sql, database);
  server.dsn = cluster.dsn(database);
  const healthy = async () => (await (await fetch(`${server.url}/health`)).json()).status === 'ok';
  await until(() => healthy().catch(() => false), { ms: 60_000, says: server.log });
  return server;
}

/** A channel on tables, its rows kept as its events say. */
async function follow(t, server, sub, tables, tidewire = { positions: true, leave: true }) {
  const token = mint({}, { sub });
  const socket = new WebSocket(
    `${server.url.replace('http', 'ws')}/realtime/v1/websocket?vsn=2.0.0&apikey=${token}`,
  );
  t.after(() => socket.terminate());
  const client = { rows: new Map(), events: [], system: [], reply: null, closed: null };
  socket.on('close', (code) => (client.closed = code));
  socket.on('message', (data) => {
    const [, , , event, payload] = JSON.parse(data.toString());
    if (event === 'phx_reply') client.reply ??= payload.response;
    if (event === 'system') client.system.push(payload);
    if (event !== 'postgres_changes') return;
    const { type, table, record, old_record: old } = payload.data;
    client.events.push(payload.data);
    client.position = payload.data.tidewire?.position ?? client.position;
    if (type === 'INSERT' || type === 'UPDATE') client.rows.set(`${table} ${record.id}`, record);
    else client.rows.delete(`${table} ${old.id}`);
  });
  await new Promise((done) => socket.on('open', done));
  const config = {
    tidewire,
    postgres_changes: tables.map((table) => ({ event: '*', schema: 'public', table })),
  };
  socket.send(
    JSON.stringify(['1', '1', 'realtime:x', 'phx_join', { config, access_token: token }]),
  );
  await until(() => client.system.some((s) => /Subscribed/.test(s.message)) || client.closed, {
    says: () => JSON.stringify([client.reply, client.system]),
  });
  client.ids = (table) =>
    [...client.rows.keys()]
      .filter((key) => key.startsWith(`${table} `))
      .map((key) => Number(key.split(' ')[1]))
      .sort((x, y) => x - y);
  return client;
}

/** What the database shows; null: its query raises. */
async function shown(server, sub, table) {
  const claims = JSON.stringify({ sub, role: 'authenticated' });
  try {
    const text = await server.psql(`begin; set local role authenticated;
      select set_config('request.jwt.claims', '${claims}', true);
      select coalesce(json_agg(id order by id), '[]') from ${table}; rollback`);
    return JSON.parse(text.trim().split('\n').at(-1));
  } catch {
    return null;
  }
}

const random = (seed) => () => {
  seed = (seed * 1103515245 + 12345) % 2147483648;
  return seed / 2147483648;
};

test('what the stream tells equals what the database shows', limit, async (t) => {
  const server = await start(t);
  const seed = Number(process.env.TIDEWIRE_TEST_SEED ?? Date.now() % 100_000);
  t.diagnostic(`seed ${seed} (TIDEWIRE_TEST_SEED repeats it)`);
  const next = random(seed);
  const below = (n) => Math.floor(next() * n);
  const pick = (list) => list[below(list.length)];
  await server.psql(
    people.map((who, i) => `insert into members values (${i + 1}, '${who}', 1)`).join(';'),
  );
  const clients = [];
  for (const sub of people) clients.push(await follow(t, server, sub, ['docs']));
  const title = () => `'${pick(['public', 'private', 'x'])} ${below(100)}'`;
  const tags = () => pick(["'{open}'", '\'{closed,"a b"}\'', 'null']);
  const span = () => pick(["'[1,9)'", "'[6,9)'", 'null']);
  const values = () => `${1 + below(4)}, ${title()}, ${tags()}, ${span()}`;
  for (let i = 0; i < 60; ++i) {
    const id = 1 + below(25);
    await server.psql(
      pick([
        `insert into docs(id, org, title, tags, span) values (${id}, ${values()})
           on conflict (id) do update set org = excluded.org, title = excluded.title`,
        `update docs set (org, title, tags, span) = (${values()}) where id = ${id}`,
        `delete from docs where id = ${id}`,
        `begin; insert into docs(id, org, title) values (${100 + i}, 1, 'x');
           update docs set org = ${1 + below(4)} where id = ${100 + i}; commit`,
        `begin; delete from docs; rollback`,
      ]),
    );
  }
  for (const [i, sub] of people.entries()) {
    const rows = await shown(server, sub, 'docs');
    await until(() => JSON.stringify(clients[i].ids('docs')) === JSON.stringify(rows), {
      says: () => `${i}: ${clients[i].ids('docs')} instead of ${rows}, seed ${seed}`,
    });
  }
  assert.ok(clients.some((client) => client.ids('docs').length > 0));
});

test('a policy that raises is its reader’s alone', limit, async (t) => {
  const server = await start(t);
  await server.psql(`insert into members values (1, '${people[0]}', 99), (1, '${people[1]}', 1)`);
  const raises = await follow(t, server, people[0], ['docs', 'notes']);
  const reads = await follow(t, server, people[1], ['docs', 'notes']);
  await server.psql(`insert into docs(id, org, title) values (1, 1, 'x'), (2, 1, 'y')`);
  await server.psql(`insert into notes values (1, 'for all')`);
  await until(() => raises.ids('notes').length === 1 && reads.ids('notes').length === 1);
  assert.deepEqual(reads.ids('docs'), [1, 2]);
  assert.deepEqual(raises.ids('docs'), []);
  const told = raises.system.filter((s) => s.status === 'error');
  assert.equal(told.length, 1);
  assert.match(told[0].message, /no access today/);
  assert.equal(reads.system.filter((s) => s.status === 'error').length, 0);
});

test('while the database does not answer nothing is shown and nothing lost', limit, async (t) => {
  const server = await start(t);
  await server.psql(`insert into members values (1, '${people[0]}', 1)`);
  const judged = await follow(t, server, people[0], ['docs', 'notes']);
  const other = await follow(t, server, people[1], ['notes']);
  await server.psql(`insert into docs(id, org, title) values (1, 1, 'before')`);
  await until(() => judged.ids('docs').length === 1, { says: server.log });
  const pid = Number(
    await server.psql(`select pid from pg_stat_activity where datname = current_database() and
      application_name = 'tidewire policies'`),
  );
  process.kill(pid, 'SIGSTOP');
  try {
    await server.psql(`insert into docs(id, org, title) values (2, 1, 'meanwhile')`);
    await server.psql(`insert into notes values (1, 'decided in memory')`);
    // Whoever needs no verdict waits for none; the other channel keeps its order.
    await until(() => other.ids('notes').length === 1, { says: server.log });
    assert.deepEqual(judged.ids('docs'), [1]);
    assert.deepEqual(judged.ids('notes'), []);
    await server.psql(`select pg_terminate_backend(${pid})`);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await until(() => judged.ids('notes').length === 1, { ms: 60_000, says: server.log });
  assert.deepEqual(
    judged.events.map((event) => event.record.id),
    [1, 2, 1],
  );
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  assert.match(metrics, /tidewire_policy_database_failures_total [1-9]/);
  assert.match(metrics, /tidewire_policy_database_waiting 0/);
});

test('policy explain and the log say where policies are decided, and why', limit, async (t) => {
  const server = await start(t);
  assert.match(server.log(), /PolicyNotCompiled/);
  const text = execFileSync(binary(), ['policy', 'explain', '--role', 'authenticated'], {
    encoding: 'utf8',
    env: { ...process.env, TIDEWIRE_DSN: server.dsn },
  });
  assert.match(text, /public\.docs +authenticated +database: policy "(members|public)_read"/);
  assert.match(text, /public\.notes +authenticated +memory/);
});
