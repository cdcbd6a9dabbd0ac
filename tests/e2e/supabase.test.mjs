// The newest @supabase/supabase-js, unmodified, against the real binary: both serializers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClient } from '@supabase/supabase-js';
import WebSocket from 'ws';
import { emailOf, hookEvent, mint, post, sqlite, startTidewire, until } from './server.mjs';

const limit = { timeout: 60_000 };

async function supabase(t, server, token, vsn) {
  const client = createClient(server.url, server.info.anon_key, {
    accessToken: async () => token,
    realtime: { transport: WebSocket, vsn },
  });
  t.after(() => client.realtime.disconnect());
  // As its manual says: a channel that joins while the token is still being fetched joins without.
  await client.realtime.setAuth();
  return client;
}

/** Subscribes as applications do; resolves when the server has said yes. */
async function subscribe(t, client, name, options) {
  const seen = [];
  const system = [];
  let status = null;
  let problem = null;
  const channel = client
    .channel(name)
    .on('postgres_changes', { schema: 'public', table: 'client_leads', ...options }, (payload) =>
      seen.push(payload),
    )
    .on('system', {}, (payload) => system.push(payload))
    .subscribe((state, error) => {
      status = state;
      problem = error?.message ?? problem;
    });
  t.after(() => client.removeChannel(channel));
  await until(() => status === 'SUBSCRIBED', { says: () => `${status} ${problem}` });
  return { seen, system, channel };
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 300));

for (const vsn of ['1.0.0', '2.0.0']) {
  test(`supabase-js, vsn ${vsn}: insert, update and delete`, limit, async (t) => {
    const server = await startTidewire(t);
    const client = await supabase(t, server, mint({ workspace_id: 37 }), vsn);
    const { seen, system } = await subscribe(t, client, 'leads', { event: '*' });
    await until(() => system.length > 0);
    assert.equal(system[0].message, 'Subscribed to PostgreSQL');
    await post(server, hookEvent('CONTACT_REPLIED', 1));
    await until(() => seen.length === 1);
    sqlite(server, `update client_leads set pipeline_stage = 'qualified'`);
    await until(() => seen.length === 2);
    sqlite(server, `delete from client_leads`);
    await until(() => seen.length === 3);
    const [insert, update, gone] = seen;
    assert.deepEqual(
      seen.map((payload) => payload.eventType),
      ['INSERT', 'UPDATE', 'DELETE'],
    );
    assert.equal(insert.new.lead_email, emailOf(1));
    assert.equal(insert.new.pipeline_stage, 'replied');
    assert.equal(insert.table, 'client_leads');
    assert.match(insert.commit_timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.equal(update.new.pipeline_stage, 'qualified');
    assert.equal(gone.old.lead_email, emailOf(1));
  });

  test(`supabase-js, vsn ${vsn}: never another workspace’s rows`, limit, async (t) => {
    const server = await startTidewire(t);
    const north = await supabase(t, server, mint({ workspace_id: 37 }), vsn);
    const south = await supabase(t, server, mint({ workspace_id: 38 }, { sub: 'u2' }), vsn);
    const nobody = await supabase(t, server, mint({}, { sub: 'u3' }), vsn);
    const a = await subscribe(t, north, 'leads', { event: '*' });
    const b = await subscribe(t, south, 'leads', { event: '*' });
    const c = await subscribe(t, nobody, 'leads', { event: '*' });
    for (let i = 1; i <= 10; i++) {
      const workspace = i % 2 ? 'Northwind' : 'Contoso';
      await post(server, hookEvent('CONTACT_REPLIED', i, { workspace }));
    }
    sqlite(server, `update client_leads set pipeline_stage = 'closed'`);
    sqlite(server, `delete from client_leads`);
    await until(() => a.seen.length >= 15 && b.seen.length >= 15, {
      says: () => `${a.seen.length} ${b.seen.length}`,
    });
    await settle();
    const names = (payloads) =>
      new Set(
        payloads
          .flatMap((p) => [p.new, p.old])
          .map((row) => row.lead_email)
          .filter(Boolean),
      );
    assert.deepEqual([...names(a.seen)].sort(), [1, 3, 5, 7, 9].map(emailOf));
    assert.deepEqual([...names(b.seen)].sort(), [10, 2, 4, 6, 8].map(emailOf));
    assert.equal(c.seen.length, 0);
  });

  test(`supabase-js, vsn ${vsn}: event and filter`, limit, async (t) => {
    const server = await startTidewire(t);
    const client = await supabase(t, server, mint({ workspace_id: 37 }), vsn);
    const inserts = await subscribe(t, client, 'inserts', { event: 'INSERT' });
    const one = await subscribe(t, client, 'one', {
      event: '*',
      filter: `lead_email=eq.${emailOf(2)}`,
    });
    const some = await subscribe(t, client, 'some', {
      event: 'UPDATE',
      filter: 'pipeline_stage=in.(qualified,closed)',
    });
    for (let i = 1; i <= 3; i++) await post(server, hookEvent('CONTACT_REPLIED', i));
    await until(() => inserts.seen.length === 3);
    sqlite(
      server,
      `update client_leads set pipeline_stage = 'closed' where lead_email = '${emailOf(3)}'`,
    );
    sqlite(server, `update client_leads set notes = 'x' where lead_email = '${emailOf(2)}'`);
    await until(() => one.seen.length === 2 && some.seen.length === 1);
    await settle();
    assert.equal(inserts.seen.length, 3);
    assert.deepEqual(
      one.seen.map((p) => p.eventType),
      ['INSERT', 'UPDATE'],
    );
    assert.equal(some.seen[0].new.lead_email, emailOf(3));
    assert.equal(some.seen.length, 1);
  });
}

test('supabase-js may bring its token after it has joined', limit, async (t) => {
  const server = await startTidewire(t);
  const client = createClient(server.url, server.info.anon_key, {
    realtime: { transport: WebSocket },
  });
  t.after(() => client.realtime.disconnect());
  const { seen } = await subscribe(t, client, 'leads', { event: '*' });
  await post(server, hookEvent('CONTACT_REPLIED', 1));
  await settle();
  assert.equal(seen.length, 0, 'the anonymous key sees nothing');
  await client.realtime.setAuth(mint({ workspace_id: 37 }));
  // The server may hold a new token back for up to 10 s.
  let next = 2;
  await until(
    async () => {
      await post(server, hookEvent('CONTACT_REPLIED', next++));
      return seen.length > 0;
    },
    { ms: 15_000, every: 250 },
  );
  assert.equal(seen[0].eventType, 'INSERT');
});

test('supabase-js reads the same rows over HTTP', limit, async (t) => {
  const server = await startTidewire(t);
  const client = await supabase(t, server, mint({ workspace_id: 37 }), '2.0.0');
  await post(server, hookEvent('CONTACT_REPLIED', 1));
  await post(server, hookEvent('CONTACT_REPLIED', 2, { workspace: 'Contoso' }));
  await until(async () => {
    const { data, error } = await client.from('client_leads').select('lead_email').limit(5);
    assert.equal(error, null);
    return data.length === 1 && data[0].lead_email === emailOf(1);
  });
});

test('supabase-js comes back by itself after a kill', limit, async (t) => {
  const server = await startTidewire(t);
  const client = await supabase(t, server, mint({ workspace_id: 37 }), '2.0.0');
  const { seen, system } = await subscribe(t, client, 'leads', { event: '*' });
  await until(() => system.length === 1);
  await server.kill();
  await server.restart();
  await until(() => system.length === 2, { ms: 20_000 });
  await post(server, hookEvent('CONTACT_REPLIED', 1));
  await until(() => seen.length === 1);
});
