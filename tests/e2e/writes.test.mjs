// Writes of tables through the newest @supabase/supabase-js, unmodified, under the row policies, on
// both stores.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClient } from '@supabase/supabase-js';
import WebSocket from 'ws';
import { channel } from './channel.mjs';
import { mint, until } from './server.mjs';
import { stores } from './stores.mjs';

const limit = { timeout: 120_000 };

/** The test on each store. */
function onBoth(name, body) {
  for (const store of stores) test(`${store.name}: ${name}`, limit, (t) => body(t, store));
}

function client(server, token, headers = {}) {
  return createClient(server.url, server.info.anon_key, {
    accessToken: async () => token,
    global: { headers },
    realtime: { transport: WebSocket },
  });
}
const lead = (email, more = {}) => ({
  workspace_id: 37,
  workspace_name: 'Northwind',
  lead_email: email,
  ...more,
});

onBoth('insert, update, upsert and delete, with returning, count and single', async (t, store) => {
  const server = await store.start(t);
  const leads = () => client(server, mint({ workspace_id: 37 })).from('client_leads');
  const inserted = await leads()
    .insert([lead('a@x.com'), lead('b@x.com')])
    .select('lead_email');
  assert.equal(inserted.error, null);
  assert.equal(inserted.status, 201);
  assert.deepEqual(inserted.data, [{ lead_email: 'a@x.com' }, { lead_email: 'b@x.com' }]);
  const quiet = await leads().insert(lead('c@x.com', { tags: ['hot'], lead_value: 12.5 }));
  assert.deepEqual([quiet.status, quiet.data, quiet.error], [201, null, null]);
  const one = await leads()
    .update({ pipeline_stage: 'won' })
    .eq('lead_email', 'c@x.com')
    .select('pipeline_stage,tags,lead_value')
    .single();
  assert.deepEqual(one.data, { pipeline_stage: 'won', tags: ['hot'], lead_value: 12.5 });
  const counted = await leads()
    .update({ title: 'CTO' }, { count: 'exact' })
    .in('lead_email', ['a@x.com', 'b@x.com']);
  assert.deepEqual([counted.status, counted.count], [204, 2]);
  const merged = await leads()
    .upsert([lead('a@x.com', { company: 'Acme' }), lead('d@x.com', { company: 'New' })])
    .select('lead_email,company,title');
  assert.deepEqual(merged.data, [
    { lead_email: 'a@x.com', company: 'Acme', title: 'CTO' },
    { lead_email: 'd@x.com', company: 'New', title: null },
  ]);
  const ignored = await leads()
    .upsert(lead('a@x.com', { company: 'Other' }), { ignoreDuplicates: true })
    .select('lead_email');
  assert.deepEqual(ignored.data, []);
  const gone = await leads().delete().eq('lead_email', 'd@x.com').select('lead_email');
  assert.deepEqual(gone.data, [{ lead_email: 'd@x.com' }]);
  assert.equal(await server.sql('select count(*) from client_leads'), '3');
});

onBoth('policies decide on the rows that are touched and on those that result', async (t, store) => {
  const server = await store.start(t);
  await server.sql(
    `insert into client_leads(workspace_id, workspace_name, lead_email)
     values(38, 'Contoso', 'theirs@x.com'), (37, 'Northwind', 'mine@x.com')`,
  );
  const leads = (token = mint({ workspace_id: 37 })) => client(server, token).from('client_leads');
  const codes = async (write) => {
    const { status, error } = await write;
    return [status, error?.code];
  };
  const foreign = { ...lead('x@x.com'), workspace_id: 38 };
  assert.deepEqual(await codes(leads().insert(foreign)), [403, '42501']);
  assert.deepEqual(await codes(leads().insert([lead('ok@x.com'), foreign])), [403, '42501']);
  const away = leads().update({ workspace_id: 38 }).eq('lead_email', 'mine@x.com');
  assert.deepEqual(await codes(away), [403, '42501']);
  const theirs = await leads().update({ notes: 'hi' }).eq('lead_email', 'theirs@x.com').select();
  assert.deepEqual([theirs.status, theirs.data], [200, []]);
  const removed = await leads().delete().eq('lead_email', 'theirs@x.com').select();
  assert.deepEqual(removed.data, []);
  const taken = leads().upsert({ ...lead('theirs@x.com'), workspace_name: 'Contoso' });
  assert.deepEqual(await codes(taken), [403, '42501']);
  const anonymous = leads(server.info.anon_key).insert(lead('anon@x.com'));
  assert.deepEqual(await codes(anonymous), [403, '42501']);
  // A table whose policies say nothing of writing takes none, except from service_role.
  const metrics = (token) => client(server, token).from('webhook_health');
  const row = { workspace_id: 37, workspace_name: 'Northwind' };
  assert.deepEqual(await codes(metrics(mint({ workspace_id: 37 })).insert(row)), [403, '42501']);
  const service = mint({}, { role: 'service_role' });
  assert.deepEqual(await codes(metrics(service).upsert(row)), [201, undefined]);
  const left = await server.sql('select lead_email, notes from client_leads order by 1');
  assert.equal(left, 'mine@x.com|\ntheirs@x.com|');
});

onBoth('errors are PostgREST errors, and nothing of a refused write stays', async (t, store) => {
  const server = await store.start(t);
  const leads = () => client(server, mint({ workspace_id: 37 })).from('client_leads');
  await leads().insert(lead('a@x.com'));
  const codes = async (write) => {
    const { status, error } = await write;
    return [status, error?.code];
  };
  assert.deepEqual(await codes(leads().insert([lead('b@x.com'), lead('a@x.com')])), [409, '23505']);
  assert.deepEqual(await codes(leads().insert({ ...lead('c@x.com'), nope: 1 })), [400, 'PGRST204']);
  assert.deepEqual(await codes(leads().insert(lead('c@x.com', { bison_lead_id: 'many' }))), [
    400,
    '22P02',
  ]);
  assert.deepEqual(await codes(leads().insert({ workspace_id: 37, lead_email: 'c@x.com' })), [
    400,
    '23502',
  ]);
  assert.deepEqual(await codes(leads().update({ notes: 'all' }).gt('nope', 1)), [400, 'PGRST100']);
  assert.deepEqual(
    await codes(leads().update({ notes: 'x' }).neq('lead_email', 'a@x.com').select().single()),
    [406, 'PGRST116'],
  );
  const some = leads().update({ notes: 'x' }).neq('lead_email', 'z@x.com').limit(1);
  assert.deepEqual(await codes(some), [400, 'PGRST100']);
  const tried = leads().update({ notes: 'x' }).eq('lead_email', 'a@x.com').rollback();
  assert.deepEqual(await codes(tried), [400, 'PGRST122']);
  const all = await fetch(`${server.url}/rest/v1/client_leads`, {
    method: 'DELETE',
    headers: { apikey: mint({ workspace_id: 37 }) },
  });
  assert.deepEqual([all.status, (await all.json()).code], [400, '21000']);
  assert.equal(await server.sql('select count(*) from client_leads'), '1');
});

onBoth('a mutation id is executed once; its position is where its rows are', async (t, store) => {
  const server = await store.start(t);
  const token = mint({ workspace_id: 37 });
  const write = (body, id, asking = token) =>
    fetch(`${server.url}/rest/v1/client_leads`, {
      method: 'POST',
      headers: {
        Authorization: `Bearer ${asking}`,
        'Content-Type': 'application/json',
        Prefer: 'return=representation',
        'Tidewire-Mutation': id,
      },
      body: JSON.stringify(body),
    });
  const id = `${'m'.repeat(20)}:1`;
  const first = await write(lead('a@x.com'), id);
  assert.equal(first.status, 201);
  const again = await write(lead('a@x.com'), id);
  assert.deepEqual([again.status, again.headers.get('tidewire-replayed')], [201, 'true']);
  assert.deepEqual(await again.json(), await first.json());
  assert.equal(first.headers.get('tidewire-position'), again.headers.get('tidewire-position'));
  const other = await write(lead('a@x.com'), id, mint({ workspace_id: 37 }, { sub: 'u2' }));
  assert.equal(other.status, 409);
  if (store.name !== 'sqlite') return;
  const seen = await fetch(`${server.url}/v1/queries/leads.by_stage?workspace=Northwind`, {
    headers: {
      Authorization: `Bearer ${token}`,
      'Min-Position': first.headers.get('tidewire-position'),
    },
  });
  assert.deepEqual(await seen.json(), [{ pipeline_stage: null, leads: 1, value: null }]);
});

onBoth('a mutation is confirmed when its rows are visible, also one of no rows', async (t, store) => {
  const server = await store.start(t);
  const token = mint({ workspace_id: 37 });
  const id = 'c'.repeat(20);
  const live = await channel(t, server, token, { tidewire: { client: id } });
  const write = async (method, query, body, number) => {
    const answer = await fetch(`${server.url}/rest/v1/client_leads${query}`, {
      method,
      headers: { apikey: token, 'Tidewire-Mutation': `${id}:${number}` },
      body: JSON.stringify(body),
    });
    assert.ok(answer.ok, await answer.text());
    return answer.headers.get('tidewire-position');
  };
  const applied = (number) =>
    live.pushes.find(
      ({ event, payload }) => event === 'applied' && payload.ids.includes(`${id}:${number}`),
    );
  const position = await write('POST', '', lead('a@x.com'), 1);
  await until(() => applied(1));
  assert.match(position, /^[0-9a-f]{16}:\d+$/);
  assert.equal(applied(1).payload.position.split(':')[0], position.split(':')[0]);
  await write('PATCH', '?lead_email=eq.nobody', { notes: 'x' }, 2);
  await until(() => applied(2));
  // A refused one is never confirmed; the next one is.
  const refused = await fetch(`${server.url}/rest/v1/client_leads`, {
    method: 'POST',
    headers: { apikey: token, 'Tidewire-Mutation': `${id}:3` },
    body: JSON.stringify(lead('a@x.com')),
  });
  assert.equal(refused.status, 409);
  await write('DELETE', '?lead_email=eq.a@x.com', undefined, 4);
  await until(() => applied(4));
  assert.equal(applied(3), undefined);
});
