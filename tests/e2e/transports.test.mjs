// @tidewire/client where WebSockets do not pass: event streams, long polling and polling, against the
// real binary, in Node and in Chromium, with the transport changed under way.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import WebSocket from 'ws';
import { createClient } from '@tidewire/client';
import { launchBrowser, openPage, shoot } from './browser.mjs';
import { startProxy } from './proxy.mjs';
import { emailOf, hookEvent, mint, post, startTidewire, until } from './server.mjs';

const limit = { timeout: 90_000 };

function clientOf(t, url, options = {}) {
  const client = createClient({
    url,
    accessToken: mint({ workspace_id: 37 }),
    WebSocket,
    reconnect: { baseMs: 50, maxMs: 400 },
    ...options,
  });
  t.after(() => client.close());
  return client;
}

function follow(client) {
  const seen = [];
  const verdicts = [];
  const subscription = client.subscribe({
    table: 'client_leads',
    onChange: ({ record }) => seen.push(record.lead_email),
    onVerdict: (verdict) => verdicts.push(verdict),
  });
  return { seen, verdicts, subscription, live: () => until(() => subscription.status === 'live') };
}

const emails = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => emailOf(from + i));

async function add(server, from, to) {
  for (let i = from; i <= to; i++) await post(server, hookEvent('CONTACT_REPLIED', i));
}

for (const transport of ['sse', 'longpoll', 'poll']) {
  test(
    `by ${transport}: changes, rooms, and a kill that loses and doubles nothing`,
    limit,
    async (t) => {
      const server = await startTidewire(t);
      const client = clientOf(t, server.url, { transports: [transport] });
      const { seen, verdicts, live } = follow(client);
      await live();
      assert.equal(client.status.transport, transport);
      await add(server, 1, 5);
      await until(() => seen.length === 5, { ms: 15_000 });
      // What is sent goes up beside the stream, and others hear it.
      const other = clientOf(t, server.url);
      const heard = [];
      const [here, there] = [client, other].map((each) => each.room('desk'));
      there.onBroadcast('ping', ({ n }) => heard.push(n));
      here.track({ name: 'Ada' });
      await until(() => here.joined && there.joined && there.members.length === 1, { ms: 15_000 });
      assert.deepEqual(await Promise.all([1, 2, 3].map((n) => here.send('ping', { n }))), [
        'ok',
        'ok',
        'ok',
      ]);
      await until(() => heard.length === 3);
      assert.deepEqual(heard, [1, 2, 3]);
      await server.kill();
      await server.restart();
      await add(server, 6, 8);
      await until(() => verdicts.length > 0 && seen.length >= 8, { ms: 30_000 });
      await add(server, 9, 10);
      await until(() => seen.length >= 10, { ms: 15_000 });
      assert.deepEqual(seen, emails(1, 10));
      assert.ok(verdicts.every(({ recovered }) => recovered));
    },
  );
}

test(
  'steps down to what passes, and up again, with nothing missed and nothing twice',
  limit,
  async (t) => {
    const server = await startTidewire(t);
    const proxy = await startProxy(t, server.url);
    proxy.rules.ws = 'refuse';
    const client = clientOf(t, proxy.url);
    const { seen, verdicts, live } = follow(client);
    const took = [];
    client.onStatus(
      ({ transport }) => transport && took.at(-1) !== transport && took.push(transport),
    );
    await live();
    await add(server, 1, 3);
    // The event stream is cut, and held up when it is asked for again: as behind some proxies.
    proxy.rules.sse = 'refuse';
    proxy.cutAll();
    await add(server, 4, 6);
    await until(() => client.status.transport === 'longpoll', { ms: 30_000 });
    await add(server, 7, 9);
    await until(() => seen.length === 9);
    // WebSockets pass again. While nothing comes back by one, the old transport serves on.
    proxy.rules.ws = 'hold';
    client.retry();
    await add(server, 10, 11);
    await until(() => seen.length === 11);
    assert.equal(client.status.transport, 'longpoll');
    proxy.rules.ws = 'pass';
    proxy.rules.poll = 'pass';
    // The held attempt ends after 10 s; the next one is taken.
    for (let n = 12; client.status.transport !== 'ws'; n++) {
      assert.ok(n < 400, 'the WebSocket is never taken');
      client.retry();
      await add(server, n, n);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await add(server, 500, 501);
    await until(() => seen.at(-1) === emailOf(501));
    assert.deepEqual(seen, [...emails(1, seen.length - 2), emailOf(500), emailOf(501)]);
    assert.deepEqual(took, ['sse', 'longpoll', 'ws']);
    assert.ok(verdicts.length >= 2 && verdicts.every(({ recovered }) => recovered));
  },
);

test('a server that is away is not taken for a blocked WebSocket', limit, async (t) => {
  const server = await startTidewire(t);
  const client = clientOf(t, server.url);
  const { seen, live } = follow(client);
  await live();
  await server.kill();
  // Long enough for the ladder to be gone through several times.
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  await server.restart();
  await add(server, 1, 2);
  await until(() => seen.length === 2, { ms: 15_000 });
  client.retry();
  await until(() => client.status.transport === 'ws', { ms: 15_000 });
});

test('in Chromium without WebSockets the page is live by an event stream', limit, async (t) => {
  const server = await startTidewire(t);
  const proxy = await startProxy(t, server.url);
  proxy.rules.ws = 'cut';
  const browser = await launchBrowser();
  t.after(() => browser.close());
  const { page, problems } = await openPage(browser, `${proxy.url}/?workspace=Northwind`);
  const shown = (transport) =>
    page.waitForSelector(`[data-testid=connection][data-transport=${transport}]`, {
      timeout: 30_000,
    });
  await shown('sse');
  await add(server, 1, 3);
  await page.waitForSelector(`[data-email="${emailOf(3)}"]`);
  await shoot(page, 'transport-sse');
  proxy.rules.sse = 'hold';
  proxy.cutAll();
  await shown('longpoll');
  await add(server, 4, 5);
  await page.waitForSelector(`[data-email="${emailOf(5)}"]`);
  await shoot(page, 'transport-longpoll');
  // Another network: the browser says so, and the WebSocket is taken without a reload.
  proxy.rules.ws = 'pass';
  await page.context().setOffline(true);
  await page.context().setOffline(false);
  await shown('ws');
  await add(server, 6, 6);
  await page.waitForSelector(`[data-email="${emailOf(6)}"]`);
  assert.deepEqual(problems, []);
});
