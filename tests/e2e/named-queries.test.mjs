// Named queries read with @tidewire/client, against the real binary.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClient } from '@tidewire/client';
import { createQueryReader } from '@tidewire/client/queries';
import { emailOf, hookEvent, mint, post, startTidewire, until } from './server.mjs';

const limit = { timeout: 60_000 };

function readerOf(t, server, claims = { workspace_id: 37 }) {
  const client = createClient({ url: server.url, accessToken: mint(claims), transports: [] });
  t.after(() => client.close());
  return createQueryReader(client);
}

test('rows are sent once, follow the database, and are each user’s own', limit, async (t) => {
  const server = await startTidewire(t);
  const reader = readerOf(t, server);
  const read = (options) =>
    reader.read('leads.by_workspace', { workspace: 'Northwind', limit: 10 }, options);
  const empty = await read();
  assert.deepEqual(empty.rows, []);
  assert.match(empty.position, /^[0-9a-f]{16}:\d+$/);
  await post(server, hookEvent('CONTACT_REPLIED', 1));
  await until(async () => (await read()).rows.length === 1);
  const one = await read();
  assert.equal(one.rows[0].lead_email, emailOf(1));
  const again = await read({ minPosition: one.position });
  assert.equal(again.rows, one.rows, 'the same rows are the same object');
  assert.notEqual(again.version, empty.version);
  const stranger = await readerOf(t, server, { workspace_id: 38 }).read('leads.by_workspace', {
    workspace: 'Northwind',
  });
  assert.deepEqual(stranger.rows, []);
});

test('what is wrong is named', limit, async (t) => {
  const server = await startTidewire(t);
  const reader = readerOf(t, server);
  const failure = (...args) => reader.read(...args).then(assert.fail, (error) => error);
  const wrong = await failure('leads.by_workspace', { workspace: 'Northwind', limit: 'many' });
  assert.deepEqual([wrong.status, wrong.code, wrong.pointer], [400, 'invalid_parameter', '/limit']);
  const missing = await failure('leads.by_workspace', {});
  assert.deepEqual([missing.code, missing.pointer], ['missing_parameter', '/workspace']);
  assert.equal((await failure('no.such')).code, 'unknown_query');
  const elsewhere = { minPosition: '00000000000000aa:1' };
  const epoch = await failure('leads.by_workspace', { workspace: 'Northwind' }, elsewhere);
  assert.deepEqual([epoch.status, epoch.code], [409, 'epoch_changed']);
});
