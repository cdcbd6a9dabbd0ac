// Live queries with @tidewire/client against the real binary: what is pushed, resumed and refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import WebSocket from 'ws';
import { createClient } from '@tidewire/client';
import { liveQueries } from '@tidewire/client/live-queries';
import { createQueryReader } from '@tidewire/client/queries';
import { launchBrowser, openPage, shoot } from './browser.mjs';
import { startProxy } from './proxy.mjs';
import { emailOf, hookEvent, mint, post, sqlite, startTidewire, until } from './server.mjs';

const limit = { timeout: 90_000 };
const args = { workspace: 'Northwind' };

function clientOf(t, url, claims = { workspace_id: 37 }) {
  const client = createClient({
    url,
    accessToken: mint(claims),
    reconnect: { baseMs: 50, maxMs: 200 },
    transports: ['ws'],
    WebSocket,
  });
  t.after(() => client.close());
  return client;
}

const addLead = (server, n, stage = 'new') =>
  sqlite(
    server,
    `insert into client_leads(workspace_id, workspace_name, lead_email, pipeline_stage, updated_at)
     values(37, 'Northwind', '${emailOf(n)}', '${stage}', '2026-01-01T00:00:0${n % 10}Z')`,
  );
const stage = (server, n, to) =>
  sqlite(
    server,
    `update client_leads set pipeline_stage = '${to}' where lead_email = '${emailOf(n)}'`,
  );

test('rows, position and differences are pushed; equal queries are one', limit, async (t) => {
  const server = await startTidewire(t);
  addLead(server, 1);
  const client = clientOf(t, server.url);
  const leads = liveQueries(client).open('leads.by_workspace', args);
  const again = liveQueries(client).open('leads.by_workspace', { ...args, limit: undefined });
  const diffs = [];
  leads.onChange((diff) => diff && diffs.push(diff));
  await until(() => leads.snapshot.status === 'live');
  assert.equal(again.snapshot, leads.snapshot);
  assert.equal(leads.snapshot.mode, 'rows');
  assert.deepEqual(leads.snapshot.key, ['leads', 'list', args]);
  const before = leads.snapshot;
  addLead(server, 2);
  await until(() => leads.snapshot.rows.length === 2);
  stage(server, 1, 'won');
  await until(() => leads.snapshot.rows.some((row) => row.pipeline_stage === 'won'));
  assert.deepEqual(
    diffs.map(({ inserted, updated, removed }) => [
      inserted.length,
      updated.length,
      removed.length,
    ]),
    [
      [1, 0, 0],
      [0, 1, 0],
    ],
  );
  assert.equal(diffs[1].updated[0].before, before.rows[0], 'an unchanged row is the same object');
  const fresh = await createQueryReader(client).read('leads.by_workspace', args);
  assert.deepEqual(leads.snapshot.rows, fresh.rows);
  assert.equal(leads.snapshot.version, fresh.version);
});

test(
  'a cut is shown and resumed by version; a restart is not called recovered',
  limit,
  async (t) => {
    const server = await startTidewire(t);
    const proxy = await startProxy(t, server.url);
    addLead(server, 1);
    const client = clientOf(t, proxy.url);
    const leads = liveQueries(client).open('leads.by_workspace', args);
    await until(() => leads.snapshot.status === 'live');
    proxy.rules.ws = 'refuse';
    proxy.cutAll();
    await until(() => leads.snapshot.status === 'stale');
    assert.equal(leads.snapshot.rows.length, 1);
    addLead(server, 2);
    proxy.rules.ws = 'pass';
    await until(() => leads.snapshot.status === 'live');
    assert.equal(leads.snapshot.rows.length, 2);
    assert.deepEqual(leads.snapshot.verdict, { recovered: true, reason: null });
    await server.kill();
    await until(() => leads.snapshot.status === 'stale');
    await server.restart();
    addLead(server, 3);
    await until(() => leads.snapshot.rows.length === 3 && leads.snapshot.status === 'live');
    // Its versions went with the process.
    assert.deepEqual(leads.snapshot.verdict, { recovered: false, reason: 'expired' });
  },
);

test('what cannot be followed says so', limit, async (t) => {
  const server = await startTidewire(t);
  const client = clientOf(t, server.url);
  const none = liveQueries(client).open('no.such');
  await until(() => none.snapshot.status === 'refused');
  assert.equal(none.snapshot.error.code, 'unknown_query');
  const wrong = liveQueries(client).open('leads.by_workspace', { ...args, limit: 'ten' });
  await until(() => wrong.snapshot.status === 'refused');
  assert.deepEqual(
    [wrong.snapshot.error.code, wrong.snapshot.error.pointer],
    ['invalid_parameter', '/limit'],
  );
  const stranger = liveQueries(clientOf(t, server.url, { workspace_id: 38 })).open(
    'leads.by_workspace',
    args,
  );
  await until(() => stranger.snapshot.status === 'live');
  addLead(server, 1);
  const own = liveQueries(client).open('leads.by_workspace', args);
  await until(() => own.snapshot.rows.length === 1);
  assert.deepEqual(stranger.snapshot.rows, []);
});

test('live rows equal a fresh read after random writes, cuts and reads', limit, async (t) => {
  const seed = Math.floor(Math.random() * 1e9);
  t.diagnostic(`seed ${seed}`);
  let state = seed;
  const below = (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
  const server = await startTidewire(t);
  const proxy = await startProxy(t, server.url);
  const client = clientOf(t, proxy.url);
  const queries = ['leads.by_workspace', 'leads.by_stage'].map((name) => ({
    name,
    live: liveQueries(client).open(name, args),
  }));
  const stages = ['new', 'contacted', 'replied', 'closed'];
  for (let i = 0; i < 60; i++) {
    const roll = below(10);
    if (roll < 4)
      sqlite(
        server,
        `insert or ignore into client_leads(workspace_id, workspace_name,
      lead_email, pipeline_stage, lead_value, updated_at) values(37, 'Northwind',
      '${emailOf(below(20))}', '${stages[below(4)]}', ${below(100)}, '2026-01-01T00:00:${10 + i}Z')`,
      );
    else if (roll < 7) stage(server, below(20), stages[below(4)]);
    else if (roll < 8) {
      sqlite(server, `delete from client_leads where lead_email = '${emailOf(below(20))}'`);
    } else if (roll < 9) proxy.cutAll();
    else queries[below(2)].live.refresh().catch(() => {});
  }
  const reader = createQueryReader(clientOf(t, server.url));
  for (const { name, live } of queries) {
    await until(async () => {
      const fresh = await reader.read(name, args);
      return live.snapshot.status === 'live' && live.snapshot.version === fresh.version;
    });
    assert.deepEqual(live.snapshot.rows, (await reader.read(name, args)).rows, `seed ${seed}`);
  }
});

test('Chromium: a funnel that a named query keeps, cut and restored', limit, async (t) => {
  const server = await startTidewire(t);
  const proxy = await startProxy(t, server.url);
  const browser = await launchBrowser();
  t.after(() => browser.close());
  const { page, problems } = await openPage(browser, `${proxy.url}/?workspace=Northwind`);
  const leads = (name, count) =>
    page.waitForSelector(`[data-testid=funnel-${name}][data-leads="${count}"]`);
  const sync = (state) => page.waitForSelector(`[data-testid=funnel-sync][data-state=${state}]`);
  await sync('live');
  await post(server, hookEvent('CONTACT_REPLIED', 1));
  await leads('replied', 1);
  await post(server, hookEvent('LEAD_INTERESTED', 1, { at: new Date(Date.now() + 1000) }));
  await leads('interested', 1);
  await leads('replied', 0);
  for (const kind of ['ws', 'sse', 'poll']) proxy.rules[kind] = 'cut';
  proxy.cutAll();
  await page.waitForSelector('[data-testid=funnel-sync]:not([data-state=live])');
  // One commit: the server keeps the last two versions.
  addLead(server, 2, 'replied');
  for (const kind of ['ws', 'sse', 'poll']) proxy.rules[kind] = 'pass';
  const retry = page.getByTestId('retry');
  if (await retry.isVisible()) await retry.click().catch(() => {});
  await leads('replied', 1);
  await sync('live');
  // The reconnect has its verdict.
  await page.waitForSelector('[data-testid=funnel-sync]:not([data-verdict=""])');
  for (let i = 3; i < 9; i++) await post(server, hookEvent('EMAIL_SENT', i));
  await shoot(page, 'outreach-funnel');
  await page.emulateMedia({ colorScheme: 'dark' });
  await shoot(page, 'outreach-funnel-dark');
  await page.setViewportSize({ width: 390, height: 844 });
  await page.locator('#funnel-title').scrollIntoViewIfNeeded();
  await shoot(page, 'outreach-funnel-phone');
  assert.deepEqual(problems, []);
});
