// Policies that look into other tables (the customer portal of S2.2), on the embedded store: the
// real binary, unmodified supabase-js, and the sqlite3 shell as the program that writes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClient } from '@supabase/supabase-js';
import WebSocket from 'ws';
import { serve } from './follow.mjs';
import { mint, until } from './server.mjs';

const limit = { timeout: 60_000 };
const ann = '11111111-1111-4111-8111-111111111111';
const bob = '22222222-2222-4222-8222-222222222222';

const anonKey = 'sb_publishable_key_of_the_rights_test';

const config = `version: 1
server:
  listen: 127.0.0.1:0
auth:
  jwt_secret: \${env:TIDEWIRE_JWT_SECRET}
  api_keys:
    - { key: "\${env:RIGHTS_ANON_KEY}", role: anon }
store:
  schema: [schema.sql]
tables:
  customers:
    policies:
      - { name: own profile, using: portal_user_id = auth.uid() }
  jobs:
    policies:
      - name: own jobs
        using: customer_id in (select id from customers where portal_user_id = auth.uid())
`;
const schema = `
create table if not exists customers(id integer primary key, portal_user_id uuid, name text);
create table if not exists jobs(id integer primary key, customer_id integer, title text);
`;

const startPortal = (t, more = '') =>
  serve(
    t,
    { 'tidewire.yaml': config + more, 'schema.sql': schema },
    { env: { RIGHTS_ANON_KEY: anonKey } },
  );

async function follow(t, portal, sub) {
  const token = mint({}, { sub });
  const client = createClient(portal.url, anonKey, {
    accessToken: async () => token,
    realtime: { transport: WebSocket },
  });
  t.after(() => client.realtime.disconnect());
  await client.realtime.setAuth();
  const seen = [];
  let status = null;
  client
    .channel('jobs')
    .on('postgres_changes', { event: '*', schema: 'public', table: 'jobs' }, (p) => seen.push(p))
    .subscribe((state) => (status = state));
  await until(() => status === 'SUBSCRIBED');
  const titles = () => seen.map((p) => `${p.eventType} ${p.new?.title ?? p.old?.title}`);
  const rows = async () => {
    const { data, error } = await client.from('jobs').select('title').order('id');
    assert.equal(error, null);
    return data.map((row) => row.title);
  };
  return { seen, titles, rows, token };
}

test('customers receive only their own rows, read and streamed', limit, async (t) => {
  const portal = await startPortal(t);
  portal.sql(`insert into customers values (1, '${ann}', 'Ann'), (2, '${bob}', 'Bob');`);
  const a = await follow(t, portal, ann);
  const b = await follow(t, portal, bob);
  portal.sql(`insert into jobs values (1, 1, 'roof'), (2, 2, 'floor'), (3, 9, 'nobody')`);
  await until(() => a.seen.length === 1 && b.seen.length === 1, { says: a.titles });
  assert.deepEqual(a.titles(), ['INSERT roof']);
  assert.deepEqual(b.titles(), ['INSERT floor']);
  assert.deepEqual(await a.rows(), ['roof']);
  assert.deepEqual(await b.rows(), ['floor']);
});

test('a membership takes effect at its place in the stream', limit, async (t) => {
  const portal = await startPortal(t);
  const a = await follow(t, portal, ann);
  portal.sql(`insert into jobs values (1, 1, 'before')`);
  portal.sql(`insert into customers values (1, '${ann}', 'Ann')`);
  portal.sql(`insert into jobs values (2, 1, 'while')`);
  await until(() => a.titles().includes('INSERT while'), { says: a.titles });
  assert.deepEqual(await a.rows(), ['before', 'while']);
  portal.sql(`update customers set portal_user_id = '${bob}' where id = 1`);
  portal.sql(`insert into jobs values (3, 1, 'after')`);
  // The same commit that ends a membership may delete: that is judged by what was before.
  portal.sql(`insert into customers values (2, '${ann}', 'Ann again')`);
  portal.sql(`insert into jobs values (4, 2, 'again')`);
  await until(() => a.titles().includes('INSERT again'), { says: a.titles });
  assert.ok(!a.titles().includes('INSERT after'));
  assert.deepEqual(await a.rows(), ['again']);
  portal.sql(`begin; delete from customers where id = 2; delete from jobs where id = 4; commit`);
  await until(() => a.seen.some((p) => p.eventType === 'DELETE'));
  assert.deepEqual(await a.rows(), []);
});

test('deletes go to whoever saw the row, or as Supabase sends them', limit, async (t) => {
  for (const [more, told] of [
    ['', []],
    ['channels: { deletes: followers }\n', [{ id: 1 }]],
  ]) {
    const portal = await startPortal(t, more);
    portal.sql(`insert into customers values (1, '${ann}', 'Ann'), (2, '${bob}', 'Bob');
      insert into jobs values (1, 1, 'roof'), (2, 2, 'floor')`);
    const a = await follow(t, portal, ann);
    const b = await follow(t, portal, bob);
    portal.sql(`delete from jobs where id = 1; delete from jobs where id = 2`);
    await until(() => b.seen.some((p) => p.old.id === 2) && a.seen.some((p) => p.old.id === 1));
    assert.ok(!JSON.stringify(b.seen).includes('roof'));
    assert.deepEqual(
      b.seen.filter((p) => p.old.id === 1).map((p) => p.old),
      told,
    );
  }
});

test(
  'what was missed over a restart never shows what came after the rights ended',
  limit,
  async (t) => {
    const portal = await startPortal(t);
    portal.sql(`insert into customers values (1, '${ann}', 'Ann')`);
    portal.sql(`insert into jobs values (1, 1, 'shown')`);
    const token = mint({}, { sub: ann });
    const head = async () => {
      const answer = await fetch(`${portal.url}/rest/v1/jobs`, {
        headers: { Authorization: `Bearer ${token}`, apikey: token },
      });
      await answer.arrayBuffer();
      return answer.headers.get('Tidewire-Position');
    };
    const since = await head();
    portal.sql(`insert into jobs values (2, 1, 'allowed')`);
    portal.sql(`update customers set portal_user_id = '${bob}' where id = 1`);
    portal.sql(`insert into jobs values (3, 1, 'secret')`);
    await until(async () => (await head()) !== since);
    await portal.restart();
    const socket = new WebSocket(
      `${portal.url.replace('http', 'ws')}/realtime/v1/websocket?vsn=2.0.0&apikey=${token}`,
    );
    t.after(() => socket.terminate());
    const frames = [];
    socket.on('message', (data) => frames.push(JSON.parse(data.toString())));
    await new Promise((done) => socket.on('open', done));
    const changes = [{ event: '*', schema: 'public', table: 'jobs' }];
    const payload = {
      config: { postgres_changes: changes, tidewire: { since } },
      access_token: token,
    };
    socket.send(JSON.stringify(['1', '1', 'realtime:jobs', 'phx_join', payload]));
    await until(() => frames.some((f) => f[4].message === 'caught_up'), {
      says: () => JSON.stringify(frames),
    });
    const join = frames.find((f) => f[3] === 'phx_reply');
    assert.equal(join[4].response.tidewire.recovered, true);
    const told = frames
      .filter((f) => f[3] === 'postgres_changes')
      .map((f) => f[4].data.record.title);
    // SQLite's log has no commit marks: what is read back at once is judged by the rights at its end,
    // and the reader is told that its rights have changed.
    assert.ok(!told.includes('secret'), `told ${told}`);
    assert.ok(frames.some((f) => f[4].message === 'access_changed'));
  },
);
