// Webhooks over HTTP: what is refused, what is accepted, and what survives a kill.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import WebSocket from 'ws';
import { emailOf, forge, hookEvent, mint, post, read, startTidewire, until } from './server.mjs';

const limit = { timeout: 60_000 };

async function healthy(server) {
  assert.equal((await fetch(`${server.url}/health/live`)).status, 200);
}

async function count(server, token, column) {
  const { rows } = await read(server, 'client_metrics', token, '?metric_type=eq.mtd');
  return rows.reduce((sum, row) => sum + (row[column] ?? 0), 0);
}

test('a wrong hook token is refused', limit, async (t) => {
  const server = await startTidewire(t);
  const path = server.info.hook_url.replace(/[^/]+$/, 'not-the-token');
  assert.equal(await post(server, hookEvent('CONTACT_REPLIED', 1), { path }), 401);
  await healthy(server);
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  assert.match(metrics, /refused[^\n]* [1-9]/);
  const { rows } = await read(server, 'client_leads', server.info.service_key);
  assert.deepEqual(rows, []);
});

test('malformed JSON is refused, and the process is unharmed', limit, async (t) => {
  const server = await startTidewire(t);
  for (const body of [
    '{',
    '',
    'null garbage',
    '{"event":',
    '[1,2',
    '\u0000',
    '"\\ud800',
    '{"a":1}}',
  ]) {
    assert.equal(await post(server, body), 400, JSON.stringify(body));
  }
  const deep = '['.repeat(100_000) + ']'.repeat(100_000);
  assert.ok([200, 400].includes(await post(server, deep)));
  await healthy(server);
  assert.equal(await post(server, hookEvent('CONTACT_REPLIED', 1)), 200);
});

test('unknown types and unknown workspaces are accepted and disturb nobody', limit, async (t) => {
  const server = await startTidewire(t);
  const token = mint({ workspace_id: 37 });
  assert.equal(await post(server, hookEvent('SOMETHING_NEW', 1)), 200);
  assert.equal(await post(server, hookEvent('CONTACT_REPLIED', 2, { workspace: 4711 })), 200);
  assert.equal(await post(server, { hello: 'world' }), 200);
  assert.equal(await post(server, hookEvent('contact_replied', 3)), 200);
  await until(async () => (await read(server, 'client_leads', token)).rows.length > 0);
  const { rows } = await read(server, 'client_leads', server.info.service_key);
  assert.deepEqual(
    rows.map((row) => row.lead_email),
    [emailOf(3)],
  );
});

test('a body over the limit is refused before it is read', limit, async (t) => {
  const server = await startTidewire(t);
  const { hostname, port, pathname } = new URL(server.info.hook_url);
  const answer = await new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => {
      // The head alone: an answer now cannot have waited for the body.
      socket.write(
        `POST ${pathname} HTTP/1.1\r\nHost: ${hostname}\r\nContent-Type: application/json\r\n` +
          `Content-Length: 1000000000\r\n\r\n`,
      );
    });
    let text = '';
    socket.setTimeout(5000, () => reject(new Error('no answer')));
    socket.on('data', (bytes) => (text += bytes));
    socket.on('error', reject);
    socket.on('data', () => text.includes('\r\n') && (resolve(text), socket.destroy()));
  });
  assert.match(answer, /^HTTP\/1\.1 413 /);
  await healthy(server);
});

test('forged, expired and foreign tokens are refused everywhere', limit, async (t) => {
  const server = await startTidewire(t);
  await post(server, hookEvent('CONTACT_REPLIED', 1));
  const now = Math.floor(Date.now() / 1000);
  const claims = { role: 'service_role', sub: 'u1', workspace_id: 37, exp: now + 3600 };
  const bad = {
    none: forge(claims, { alg: 'none' }),
    'wrong key': forge(claims, { key: 'another-secret-another-secret-another' }),
    'wrong algorithm': forge(claims, { alg: 'RS256' }),
    'another algorithm than it says': forge(claims, { alg: 'HS384' }),
    expired: forge({ ...claims, exp: now - 3600 }),
    garbage: 'a.b.c',
  };
  assert.equal((await read(server, 'client_leads', forge(claims))).status, 200);
  for (const [name, token] of Object.entries(bad)) {
    const { status, rows } = await read(server, 'client_leads', token);
    assert.equal(status, 401, `${name} over HTTP`);
    assert.ok(!Array.isArray(rows), name);
    const upgrade = await new Promise((resolve) => {
      const url = `${server.url.replace('http', 'ws')}/realtime/v1/websocket`;
      const socket = new WebSocket(`${url}?apikey=${encodeURIComponent(token)}&vsn=2.0.0`);
      socket.on('unexpected-response', (_request, response) => resolve(response.statusCode));
      socket.on('open', () => resolve('open'));
      socket.on('error', () => resolve('error'));
    });
    assert.equal(upgrade, 401, `${name} over WebSocket`);
  }
  const missing = await fetch(`${server.url}/rest/v1/client_leads`);
  assert.equal(missing.status, 401);
});

test('a malformed frame closes its own connection and nobody else’s', limit, async (t) => {
  const server = await startTidewire(t);
  const url = `${server.url.replace('http', 'ws')}/realtime/v1/websocket`;
  const open = () =>
    new Promise((resolve, reject) => {
      const socket = new WebSocket(`${url}?apikey=${server.info.anon_key}&vsn=2.0.0`);
      socket.on('open', () => resolve(socket));
      socket.on('error', reject);
    });
  const good = await open();
  t.after(() => good.terminate());
  const cases = [
    ['unmasked', [0x81, 0x02, 0x7b, 0x7d], 1002],
    ['reserved opcode', [0x83, 0x80, 0, 0, 0, 0], 1002],
    ['text that is not UTF-8', [0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28], 1007],
  ];
  for (const [name, bytes, code] of cases) {
    const bad = await open();
    bad.on('error', () => {});
    const closed = new Promise((resolve) => bad.on('close', resolve));
    bad._socket.write(Buffer.from(bytes));
    assert.equal(await closed, code, name);
  }
  const reply = new Promise((resolve) => good.on('message', (text) => resolve(JSON.parse(text))));
  good.send(JSON.stringify([null, '1', 'phoenix', 'heartbeat', {}]));
  assert.equal((await reply)[3], 'phx_reply');
});

test('what is delivered again counts once', limit, async (t) => {
  const server = await startTidewire(t);
  const token = mint({ workspace_id: 37 });
  const event = hookEvent('CONTACT_REPLIED', 1);
  for (let i = 0; i < 5; i++) assert.equal(await post(server, event), 200);
  assert.equal(await post(server, hookEvent('CONTACT_REPLIED', 2)), 200);
  await until(async () => (await read(server, 'client_leads', token)).rows.length === 2);
  assert.equal(await count(server, token, 'replies_mtd'), 2);
});

test('kill -9 loses nothing that was acknowledged, and doubles nothing', limit, async (t) => {
  const server = await startTidewire(t);
  const token = mint({ workspace_id: 37 });
  const total = 400;
  const acknowledged = new Set();
  const events = Array.from({ length: total }, (_, i) => hookEvent('CONTACT_REPLIED', i + 1));
  const send = async (i) => {
    const status = await post(server, events[i]).catch(() => 0);
    if (status === 200) acknowledged.add(i);
  };
  for (const killAfter of [60, 170, 300]) {
    const due = events
      .map((_, i) => i)
      .filter((i) => !acknowledged.has(i))
      .slice(0, killAfter);
    const sending = Promise.all(due.map(send));
    await until(() => acknowledged.size >= killAfter / 3, { every: 1 });
    await server.kill();
    await sending;
    await server.restart();
  }
  const promised = new Set(acknowledged);
  await until(
    async () => {
      const { rows } = await read(server, 'client_leads', token, '?select=lead_email');
      const seen = new Set(rows.map((row) => row.lead_email));
      return [...promised].every((i) => seen.has(emailOf(i + 1)));
    },
    { says: () => `${promised.size} were acknowledged\n${server.log()}` },
  );
  // The sender retries what it has no answer for, and by mistake some of the rest.
  for (let i = 0; i < total; i++) if (!acknowledged.has(i) || i % 7 === 0) await send(i);
  await until(async () => (await count(server, token, 'replies_mtd')) >= total);
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal(await count(server, token, 'replies_mtd'), total);
  assert.equal(
    (await read(server, 'client_leads', token, '?select=lead_email')).rows.length,
    total,
  );
});

test('it stops politely when asked', limit, async (t) => {
  const server = await startTidewire(t);
  assert.equal(await server.stop(), 0);
});
