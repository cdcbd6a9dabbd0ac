// @tidewire/client against the real binary.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import WebSocket from 'ws';
import { createClient } from '@tidewire/client';
import { emailOf, hookEvent, mint, post, sqlite, startTidewire, until } from './server.mjs';

const limit = { timeout: 60_000 };

function clientOf(t, server, token, options = {}) {
  const client = createClient({
    url: server.url,
    accessToken: token,
    WebSocket,
    reconnect: { baseMs: 50, maxMs: 400 },
    ...options,
  });
  t.after(() => client.close());
  return client;
}

/** Subscribes and records everything. */
async function follow(client, options) {
  const seen = { changes: [], verdicts: [], errors: [] };
  const subscription = client.subscribe({
    ...options,
    onChange: (change) => seen.changes.push(change),
    onVerdict: (verdict) => seen.verdicts.push(verdict),
    onStatus: (_status, error) => error && seen.errors.push(error),
  });
  await until(() => subscription.status === 'live', { says: () => seen.errors.join('\n') });
  return { ...seen, subscription };
}

const short = (change) => {
  const row = change.record ?? change.oldRecord;
  return `${change.type} ${row.lead_email}`;
};

test(
  'changes arrive once, in order, with positions, and only of the own workspace',
  limit,
  async (t) => {
    const server = await startTidewire(t);
    const north = await follow(clientOf(t, server, mint({ workspace_id: 37 })), {
      table: 'client_leads',
    });
    const south = await follow(clientOf(t, server, mint({ workspace_id: 38 }, { sub: 'u2' })), {
      table: 'client_leads',
    });
    await post(server, hookEvent('CONTACT_REPLIED', 1));
    await post(server, hookEvent('LEAD_INTERESTED', 1, { at: new Date(Date.now() + 1000) }));
    await post(server, hookEvent('CONTACT_REPLIED', 2, { workspace: 'Contoso' }));
    await until(() => north.changes.length >= 2 && south.changes.length >= 1);
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.ok(north.changes.every((change) => short(change).endsWith(emailOf(1))));
    assert.equal(north.changes[0].type, 'INSERT');
    assert.equal(north.changes.at(-1).record.pipeline_stage, 'interested');
    assert.deepEqual(south.changes.map(short), [`INSERT ${emailOf(2)}`]);
    const offsets = north.changes.map((change) => Number(change.position.split(':')[1]));
    assert.deepEqual(
      offsets,
      [...new Set(offsets)].sort((a, b) => a - b),
    );
  },
);

test(
  'a kill and a restart miss nothing, double nothing, and end in a verdict',
  limit,
  async (t) => {
    const server = await startTidewire(t);
    const client = clientOf(t, server, mint({ workspace_id: 37 }));
    const { changes, verdicts } = await follow(client, { table: 'client_leads' });
    const total = 60;
    for (let i = 1; i <= total; i++) {
      if (i % 20 === 0) {
        await server.kill();
        await server.restart();
      }
      // The client is away for a while after each kill: these come by catching up.
      assert.equal(await post(server, hookEvent('CONTACT_REPLIED', i)), 200);
    }
    await until(() => changes.length >= total, { says: () => `${changes.length} changes` });
    await until(() => verdicts.length > 0);
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.deepEqual(
      changes.map(short),
      Array.from({ length: total }, (_, i) => `INSERT ${emailOf(i + 1)}`),
    );
    assert.ok(
      verdicts.every((verdict) => verdict.recovered),
      JSON.stringify(verdicts),
    );
  },
);

test('a position that the log cannot answer gets an honest verdict', limit, async (t) => {
  const server = await startTidewire(t);
  const client = clientOf(t, server, mint({ workspace_id: 37 }));
  const { verdicts } = await follow(client, {
    table: 'client_leads',
    since: '00000000000000aa:1',
  });
  assert.deepEqual(verdicts, [{ recovered: false, reason: 'epoch_changed' }]);
});

test('a row that stops matching a filter leaves', limit, async (t) => {
  const server = await startTidewire(t);
  await post(server, hookEvent('CONTACT_REPLIED', 1));
  const client = clientOf(t, server, mint({ workspace_id: 37 }));
  await until(async () => (await client.select('client_leads')).rows.length === 1);
  const { changes } = await follow(client, {
    table: 'client_leads',
    filter: 'pipeline_stage=eq.replied',
  });
  sqlite(
    server,
    `update client_leads set pipeline_stage = 'closed' where lead_email = '${emailOf(1)}'`,
  );
  await until(() => changes.length > 0);
  assert.equal(changes[0].type, 'LEAVE');
  assert.equal(changes[0].record, null);
  assert.equal(changes[0].oldRecord.lead_email, emailOf(1));
});

test(
  'live rows equal the table, through inserts, updates, deletes and a restart',
  limit,
  async (t) => {
    const server = await startTidewire(t);
    for (let i = 1; i <= 5; i++) await post(server, hookEvent('CONTACT_REPLIED', i));
    const client = clientOf(t, server, mint({ workspace_id: 37 }));
    const rows = client.live('client_leads', {
      key: ['workspace_name', 'lead_email'],
      select: 'workspace_name,lead_email,pipeline_stage',
      order: 'lead_email',
    });
    t.after(() => rows.close());
    const text = () => rows.snapshot.rows.map((row) => row.lead_email).join();
    await until(() => rows.snapshot.status === 'live', { says: () => String(rows.snapshot.error) });
    for (let i = 6; i <= 9; i++) await post(server, hookEvent('CONTACT_REPLIED', i));
    sqlite(server, `delete from client_leads where lead_email = '${emailOf(2)}'`);
    await server.kill();
    await server.restart();
    sqlite(server, `delete from client_leads where lead_email = '${emailOf(3)}'`);
    const wanted = [1, 4, 5, 6, 7, 8, 9].map(emailOf).join();
    await until(() => text() === wanted && rows.snapshot.status === 'live', { says: text });
    const truth = await client.select('client_leads', {
      select: 'lead_email',
      order: 'lead_email',
    });
    assert.equal(truth.rows.map((row) => row.lead_email).join(), wanted);
  },
);

test(
  'reads take columns, conditions, order and a limit, and tell their position',
  limit,
  async (t) => {
    const server = await startTidewire(t);
    for (let i = 1; i <= 4; i++) await post(server, hookEvent('CONTACT_REPLIED', i));
    await post(server, hookEvent('LEAD_INTERESTED', 4, { at: new Date(Date.now() + 1000) }));
    const client = clientOf(t, server, mint({ workspace_id: 37 }));
    const read = (query) => client.select('client_leads', query);
    await until(async () => {
      const { rows } = await read({ filters: { pipeline_stage: 'eq.interested' } });
      return rows.length === 1;
    });
    const { rows, position } = await read({
      select: 'lead_email,pipeline_stage',
      filters: { pipeline_stage: 'eq.replied' },
      order: 'lead_email.desc',
      limit: 2,
    });
    assert.deepEqual(rows, [
      { lead_email: emailOf(3), pipeline_stage: 'replied' },
      { lead_email: emailOf(2), pipeline_stage: 'replied' },
    ]);
    assert.match(position, /^[0-9a-f]{16}:\d+$/);
    await assert.rejects(client.select('no_such_table'), { name: 'TidewireError', status: 404 });
  },
);
