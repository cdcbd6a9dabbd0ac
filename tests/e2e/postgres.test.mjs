// A database that other programs write, followed by the real binary; unmodified supabase-js and psql.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createClient } from '@supabase/supabase-js';
import WebSocket from 'ws';
import { PostgresCluster } from './postgres-cluster.mjs';
import { binary, launchServe, mint, secret, until } from './server.mjs';

const limit = { timeout: 120_000 };
const ada = '00000000-0000-0000-0000-00000000000a';
const bob = '00000000-0000-0000-0000-00000000000b';

// The tables of the customer portal.
const schema = `
create role anon nologin; create role authenticated nologin;
create schema auth;
create function auth.uid() returns uuid language sql stable as
  $$ select (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid $$;
create table customers(id bigint primary key, portal_user_id uuid, name text, points int);
create table jobs(id bigint primary key, customer_id bigint, title text, status text, tags text[]);
create table invoices(id bigint primary key, customer_id bigint, amount numeric(12,2));
create table messages(id bigint primary key, portal_user_id uuid, body text, read boolean default false);
create table loyalty_transactions(id bigint primary key, customer_id bigint, points int);
alter table customers replica identity full; alter table jobs replica identity full;
alter table messages replica identity full;
grant usage on schema public, auth to anon, authenticated;
grant select on customers, jobs, messages, loyalty_transactions to authenticated;
alter table customers enable row level security; alter table messages enable row level security;
create policy own on customers for select to authenticated using (portal_user_id = auth.uid());
create policy own on messages for select to authenticated using (portal_user_id = auth.uid());`;

let cluster;
let databases = 0;
before(async () => {
  cluster = await PostgresCluster.start();
});
after(async () => cluster?.remove());

/** A database with the portal's tables, and a server that follows it. */
async function follow(t, { wait = true } = {}) {
  const database = `portal${++databases}`;
  if (databases === 1) await cluster.psql(schema.split('\n').slice(1, 2).join(''));
  await cluster.psql(`create database ${database}`);
  await cluster.psql(schema.split('\n').slice(2).join('\n'), database);
  const directory = mkdtempSync(join(tmpdir(), 'tidewire-e2e-'));
  writeFileSync(
    join(directory, 'tidewire.yaml'),
    `version: 1
auth: { jwt_secret: "\${env:TIDEWIRE_JWT_SECRET}" }
store:
  kind: postgres
  dsn: "\${file:${join(directory, 'dsn')}}"
  slot: ${database}
`,
  );
  writeFileSync(join(directory, 'dsn'), cluster.dsn(database));
  let running = await launchServe(directory, '127.0.0.1:0');
  const listen = new URL(running.info.url).host;
  const server = {
    database,
    directory,
    url: running.info.url,
    log: () => running.log(),
    psql: (sql) => cluster.psql(sql, database),
    health: async () => (await fetch(`${running.info.url}/health`)).json(),
    async kill() {
      running.child.kill('SIGKILL');
      await running.exited;
    },
    async restart() {
      running = await launchServe(directory, listen);
    },
  };
  t.after(async () => {
    running.child.kill('SIGKILL');
    await running.exited;
    rmSync(directory, { recursive: true, force: true });
  });
  if (wait) await flowing(server);
  return server;
}

const flowing = (server) =>
  until(async () => (await server.health().catch(() => ({}))).status === 'ok', {
    ms: 60_000,
    says: server.log,
  });

async function supabase(t, server, sub) {
  const token = mint({}, { sub });
  const client = createClient(server.url, token, {
    accessToken: async () => token,
    realtime: { transport: WebSocket },
  });
  t.after(() => client.realtime.disconnect());
  await client.realtime.setAuth();
  return client;
}

/** Follows a table; resolves when changes flow. */
async function subscribe(client, table, options = {}) {
  const seen = [];
  const system = [];
  let status = null;
  client
    .channel(`of ${table} ${JSON.stringify(options)}`)
    .on('postgres_changes', { event: '*', schema: 'public', table, ...options }, (payload) =>
      seen.push(payload),
    )
    .on('system', {}, (payload) => system.push(payload))
    .on('broadcast', { event: '*' }, (payload) => seen.push(payload))
    .subscribe((state) => (status = state));
  await until(() => status === 'SUBSCRIBED' && system.length > 0, {
    says: () => `${status} ${JSON.stringify(system)}`,
  });
  return { seen, system, status: () => status };
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 500));

test('insert, update and delete of another program reach supabase-js', limit, async (t) => {
  const server = await follow(t);
  const { seen } = await subscribe(await supabase(t, server, ada), 'jobs', {
    filter: 'customer_id=eq.7',
  });
  // Each in a transaction of its own: what one transaction does to a row counts as a whole.
  await server.psql(
    `insert into jobs values(1, 7, 'paint', 'open', '{a,"b c"}'), (2, 8, 'other', 'open', null)`,
  );
  await server.psql(`update jobs set status = 'done'`);
  await server.psql(`delete from jobs`);
  await until(() => seen.length === 3, { says: () => JSON.stringify(seen) });
  assert.deepEqual(
    seen.map((payload) => payload.eventType),
    ['INSERT', 'UPDATE', 'DELETE'],
  );
  assert.deepEqual(seen[0].new, {
    id: 1,
    customer_id: 7,
    title: 'paint',
    status: 'open',
    tags: ['a', 'b c'],
  });
  assert.equal(seen[1].new.status, 'done');
  assert.equal(seen[1].old.status, 'open');
  assert.equal(seen[2].old.id, 1);
});

test('policies and grants of the database decide', limit, async (t) => {
  const server = await follow(t);
  const a = await subscribe(await supabase(t, server, ada), 'messages');
  const b = await subscribe(await supabase(t, server, bob), 'messages');
  const ungranted = await subscribe(await supabase(t, server, ada), 'invoices');
  await server.psql(`insert into messages values(1, '${ada}', 'for ada'), (2, '${bob}', 'for bob');
    insert into invoices values(1, 7, 10.50)`);
  await server.psql('delete from messages');
  await until(() => a.seen.length === 2 && b.seen.length === 2);
  await settle();
  assert.deepEqual(
    a.seen.map((p) => p.new.body ?? p.old.body),
    ['for ada', 'for ada'],
  );
  assert.deepEqual(
    b.seen.map((p) => p.new.body ?? p.old.body),
    ['for bob', 'for bob'],
  );
  assert.equal(ungranted.seen.length, 0);
});

test('a policy that looks into another table follows it', limit, async (t) => {
  const server = await follow(t);
  await server.psql(`alter table jobs enable row level security;
    create policy own on jobs for select to authenticated using
      (customer_id in (select id from customers where portal_user_id = auth.uid()))`);
  await settle();
  await settle();
  await server.psql(`insert into customers values(7, '${ada}', 'Ada', 0), (8, '${bob}', 'Bob', 0)`);
  const a = await subscribe(await supabase(t, server, ada), 'jobs');
  const b = await subscribe(await supabase(t, server, bob), 'jobs');
  await server.psql(
    `insert into jobs values(1, 7, 'roof', 'open', null), (2, 8, 'floor', 'open', null)`,
  );
  await until(() => a.seen.length === 1 && b.seen.length === 1, { says: server.log });
  assert.equal(a.seen[0].new.title, 'roof');
  assert.equal(b.seen[0].new.title, 'floor');
  await server.psql(`update customers set portal_user_id = '${bob}' where id = 7`);
  await server.psql(`insert into jobs values(3, 7, 'garden', 'open', null)`);
  await until(() => b.seen.length === 2);
  assert.equal(b.seen[1].new.title, 'garden');
  assert.equal(a.seen.length, 1);
  const headers = (sub) => ({
    apikey: mint({}, { sub }),
    Authorization: `Bearer ${mint({}, { sub })}`,
  });
  const rows = async (sub) => {
    const answer = await fetch(`${server.url}/rest/v1/jobs?order=id`, { headers: headers(sub) });
    return (await answer.json()).map((row) => row.title);
  };
  assert.deepEqual(await rows(ada), []);
  assert.deepEqual(await rows(bob), ['roof', 'floor', 'garden']);
});

test('a changed policy holds from its place on', limit, async (t) => {
  const server = await follow(t);
  await server.psql(
    execFileSync(binary(), ['init', 'postgres', '--table', 'messages'], { encoding: 'utf8' }),
  );
  await settle();
  const a = await subscribe(await supabase(t, server, ada), 'messages');
  const insert = (id, body) => `insert into messages values(${id}, '${bob}', '${body}')`;
  const every = 'create policy every on messages for select to authenticated using (true)';
  // Each step has come when this row of another table has.
  const fence = await subscribe(await supabase(t, server, bob), 'jobs');
  let steps = 0;
  const step = async (sql) => {
    await server.psql(sql);
    await server.psql(`insert into jobs values(${++steps}, 1, 'step', 'open', null)`);
    await until(() => fence.seen.length === steps, { says: server.log });
  };
  await step(insert(1, 'hidden'));
  // What a transaction wrote is seen, or is not, as it is behind its commit.
  await step(`begin; ${insert(2, 'before')}; ${every}; ${insert(3, 'behind')}; commit`);
  await step(insert(4, 'later'));
  await step(
    `begin; ${insert(5, 'no longer')}; drop policy every on messages; ${insert(6, 'no more')}; commit`,
  );
  await step(insert(7, 'nor now'));
  await step(`${every}; ${insert(8, 'again')}`);
  await until(() => a.seen.some((payload) => payload.new.body === 'again'));
  assert.deepEqual(
    a.seen.map((payload) => payload.new.body),
    ['before', 'behind', 'later', 'again'],
  );
});

test(
  'a server that was killed has missed nothing, and a walsender that was neither',
  limit,
  async (t) => {
    const server = await follow(t);
    const { seen } = await subscribe(await supabase(t, server, ada), 'jobs');
    await server.psql(`insert into jobs values(1, 7, 'a', 'open', null)`);
    await until(() => seen.length === 1);
    await server.psql(
      'select pg_terminate_backend(active_pid) from pg_replication_slots where active',
    );
    await server.psql(`insert into jobs values(2, 7, 'b', 'open', null)`);
    await until(() => seen.length === 2, { ms: 60_000, says: server.log });
    // Read at a position, then away while rows are written.
    const token = mint({}, { sub: ada });
    const headers = { apikey: token, Authorization: `Bearer ${token}` };
    const read = await fetch(`${server.url}/rest/v1/jobs?order=id`, { headers });
    assert.deepEqual(
      (await read.json()).map((row) => row.id),
      [1, 2],
    );
    const position = read.headers.get('Tidewire-Position');
    await server.kill();
    await server.psql(`insert into jobs values(3, 7, 'c', 'open', null)`);
    await server.restart();
    await flowing(server);
    await server.psql(`insert into jobs values(4, 7, 'd', 'open', null)`);
    const socket = new WebSocket(
      `${server.url.replace('http', 'ws')}/realtime/v1/websocket?vsn=2.0.0&apikey=${token}`,
    );
    t.after(() => socket.terminate());
    const ids = [];
    let verdict = null;
    socket.on('message', (data) => {
      const [, , , event, payload] = JSON.parse(data);
      if (event === 'phx_reply') verdict = payload.response.tidewire;
      if (event === 'postgres_changes') ids.push(payload.data.record.id);
    });
    await new Promise((resolve) => socket.once('open', resolve));
    socket.send(
      JSON.stringify([
        '1',
        '1',
        'realtime:x',
        'phx_join',
        {
          config: {
            postgres_changes: [{ event: '*', schema: 'public', table: 'jobs' }],
            tidewire: { since: position },
          },
          access_token: token,
        },
      ]),
    );
    await until(() => ids.length >= 2, { says: () => JSON.stringify([verdict, ids]) });
    assert.equal(verdict.recovered, true);
    assert.deepEqual(ids, [3, 4]);
  },
);

test('a database that is away is degraded, not down', limit, async (t) => {
  const server = await follow(t);
  const { seen } = await subscribe(await supabase(t, server, ada), 'jobs');
  await cluster.stop('SIGQUIT');
  await until(async () => (await server.health()).status === 'degraded', { ms: 30_000 });
  assert.equal((await fetch(`${server.url}/health/ready`)).status, 200);
  await cluster.resume();
  await flowing(server);
  await server.psql(`insert into jobs values(1, 7, 'after', 'open', null)`);
  await until(() => seen.length === 1, { ms: 60_000, says: server.log });
});

test('pg_logical_emit_message is a broadcast of the transaction', limit, async (t) => {
  const server = await follow(t);
  const { seen } = await subscribe(await supabase(t, server, ada), 'jobs');
  const topic = `of jobs {}`;
  const message = JSON.stringify({ topic, event: 'note', payload: { n: 1 } });
  await server.psql(
    `begin; select pg_logical_emit_message(true, 'tidewire.broadcast', '${message}'); rollback`,
  );
  await server.psql(`begin; insert into jobs values(1, 7, 'a', 'open', null);
    select pg_logical_emit_message(true, 'tidewire.broadcast', '${message}'); commit`);
  await until(() => seen.length === 2);
  assert.equal(seen[0].eventType, 'INSERT');
  assert.deepEqual(seen[1].payload, { n: 1 });
});

test('doctor names what is missing and the SQL that mends it', limit, async (t) => {
  const server = await follow(t);
  await server.psql('create table bare(a int); alter publication tidewire add table bare');
  const doctor = (dsn) => {
    writeFileSync(join(server.directory, 'dsn'), dsn);
    try {
      const stdout = execFileSync(
        binary(),
        ['doctor', '--json', '--config', join(server.directory, 'tidewire.yaml')],
        {
          encoding: 'utf8',
          env: { ...process.env, TIDEWIRE_JWT_SECRET: secret },
          stdio: ['ignore', 'pipe', 'pipe'],
        },
      );
      return { code: 0, ...JSON.parse(stdout) };
    } catch (error) {
      return {
        code: error.status,
        stderr: error.stderr,
        ...(error.stdout ? JSON.parse(error.stdout) : {}),
      };
    }
  };
  const found = doctor(cluster.dsn(server.database));
  assert.equal(found.code, 3);
  const bare = found.findings.find((finding) => finding.code === 'TableWithoutPrimaryKey');
  assert.equal(bare.table, 'public.bare');
  const identity = found.findings.find(
    (f) => f.code === 'ReplicaIdentityNotFull' && f.table === 'public.invoices',
  );
  assert.equal(identity.sql, 'alter table "public"."invoices" replica identity full');
  // A role that may neither become the tokens' roles nor see past row-level security.
  await server.psql(`do $$ begin if to_regrole('follower') is null then create role follower login replication; end if; end $$;
    grant usage on schema public to follower; grant select on all tables in schema public to follower;
    create table members(id int primary key); alter table members enable row level security`);
  const plain = doctor(cluster.dsn(server.database, 'follower')).findings;
  const mends = (code) =>
    plain.filter((finding) => finding.code === code).map((finding) => finding.sql);
  assert.ok(
    mends('RoleNotAssumable').includes('grant "authenticated" to "follower"'),
    JSON.stringify(plain),
  );
  assert.deepEqual(mends('RowSecurityHidesInnerRows'), ['alter role "follower" bypassrls']);
  assert.ok(mends('RowSecurityHidesRows').length > 0);
  assert.deepEqual(mends('NoTemporary'), []);
  await server.psql(`revoke temporary on database ${server.database} from public`);
  await server.psql('grant authenticated, anon to follower');
  const after = doctor(cluster.dsn(server.database, 'follower')).findings.map(
    (finding) => finding.code,
  );
  assert.ok(!after.includes('RoleNotAssumable'));
  assert.ok(after.includes('NoTemporary'));
  assert.equal(doctor(cluster.dsn('no_such_database')).code, 3);
  assert.equal(doctor('postgres://postgres@127.0.0.1:1/x').code, 5);
  const secretly = doctor('postgres://u:s3cret@127.0.0.1:99999/x');
  assert.equal(secretly.code, 3);
  assert.doesNotMatch(secretly.stderr, /s3cret/);
});
