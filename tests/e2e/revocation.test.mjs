// Tokens that count no more, on every transport, within 2 s and across a restart; keys that issuers
// publish; keys read anew on SIGHUP.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createSign, generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { test } from 'node:test';
import WebSocket from 'ws';
import { connect, counters, serve } from './follow.mjs';
import { binary, forge, mint, secret as secretOfAll, until } from './server.mjs';

const limit = { timeout: 120_000 };
const join = (access_token) => [
  '1',
  '1',
  'realtime:counters',
  'phx_join',
  {
    access_token,
    config: { postgres_changes: [{ event: '*', schema: 'public', table: 'counters' }] },
  },
];

/** What a client of each transport is told, in order: messages' payloads, then how it ended. */
function open(server, kind, key, token) {
  const client = { told: [], code: null };
  client.line = connect(kind, server.url, key, join(token), {
    onMessage: ([, , , event, payload]) => client.told.push({ event, ...payload }),
    onEnd: (code) => (client.code = code),
  });
  client.joined = until(() =>
    client.told.some(({ message }) => message === 'Subscribed to PostgreSQL'),
  );
  return client;
}
const revoked = ({ told }) =>
  told.some(({ event, message }) => event === 'system' && message === 'Token has been revoked') &&
  told.some(({ event }) => event === 'phx_close');
const revoke = async (server, token, body) => {
  const answer = await fetch(`${server.url}/v1/revocations`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}` },
    body: JSON.stringify(body),
  });
  return { status: answer.status, body: await answer.json() };
};
const read = async (server, token) =>
  (await fetch(`${server.url}/rest/v1/counters`, { headers: { apikey: token } })).status;

test(
  'a revoked user loses every channel within 2 s, and stays out after a restart',
  limit,
  async (t) => {
    const server = await serve(t, counters);
    const service = mint({}, { role: 'service_role', sub: '' });
    const anon = mint({}, { role: 'anon', sub: '' });
    const ann = mint({}, { sub: 'u1' });
    const bob = mint({}, { sub: 'u2' });
    const kinds = ['ws', 'sse', 'poll'];
    // Some connections are made with the user's own token; some bring it in the join.
    const anns = kinds.flatMap((kind) => [open(server, kind, ann), open(server, kind, anon, ann)]);
    const bobs = kinds.map((kind) => open(server, kind, bob));
    await Promise.all([...anns, ...bobs].map((client) => client.joined));
    assert.equal(await read(server, ann), 200);

    assert.equal((await revoke(server, ann, { sub: 'u2' })).status, 403);
    for (const body of [
      {},
      { sub: '' },
      { sub: 'a', jti: 'b' },
      { sub: 7 },
      { email: 'x' },
      'u1',
      { sub: 'a', for_seconds: -1 },
    ]) {
      assert.equal((await revoke(server, service, body)).status, 400, JSON.stringify(body));
    }
    const begin = Date.now();
    const done = await revoke(server, service, { sub: 'u1' });
    assert.equal(done.status, 201);
    assert.equal(done.body.sub, 'u1');
    await until(() => anns.every(revoked));
    // What its own key made ends as a whole, with a code that says not to come back.
    await until(() => anns.filter((_, i) => i % 2 === 0).every(({ code }) => code === 3501));
    assert.ok(Date.now() - begin < 2_000, `${Date.now() - begin} ms`);
    assert.equal(await read(server, ann), 401);

    await server.restart();
    assert.equal(await read(server, ann), 401);
    assert.equal(await read(server, bob), 200);
    const refused = await fetch(`${server.url}/realtime/v1/sse?apikey=${ann}`);
    assert.equal(refused.status, 401);
    assert.deepEqual(await refused.json(), { error: 'Token has been revoked' });
    // Signing in again gives a token of now.
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    assert.equal(await read(server, mint({}, { sub: 'u1' })), 200);

    // Beside the running server, by session and by token.
    const claims = {
      role: 'authenticated',
      sub: 'u2',
      exp: 4_102_444_800,
      iat: Math.floor(Date.now() / 1000),
    };
    const laptop = forge({ ...claims, session_id: 'laptop' });
    const phone = forge({ ...claims, session_id: 'phone', jti: 'p1' });
    const clients = [laptop, phone].map((token) => open(server, 'ws', anon, token));
    await Promise.all(clients.map((client) => client.joined));
    const cli = (...args) =>
      execFileSync(binary(), ['revoke', '--data', server.data, ...args], { encoding: 'utf8' });
    const start = Date.now();
    assert.match(cli('--session', 'laptop'), /session_id 'laptop'/);
    await until(() => revoked(clients[0]));
    assert.ok(Date.now() - start < 3_000, `${Date.now() - start} ms with the start of a process`);
    assert.ok(!revoked(clients[1]));
    cli('--token-id', 'p1');
    await until(() => revoked(clients[1]));
    assert.throws(() => cli('--session', 'a', '--sub', 'b'));
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    assert.match(metrics, /tidewire_auth_revocations 3/);
    assert.match(metrics, /tidewire_session_revoked_total 2/);
  },
);

/** An identity provider: keys that can be exchanged, and whatever else it is told to answer. */
async function provider(t) {
  const idp = { asked: 0, keys: [], answer: null };
  const http = createServer((request, response) => {
    idp.asked++;
    if (idp.answer) return idp.answer(response);
    response.end(JSON.stringify({ keys: idp.keys.map(({ jwk }) => jwk) }));
  });
  await new Promise((done) => http.listen(0, '127.0.0.1', done));
  t.after(() => http.close());
  idp.url = `http://127.0.0.1:${http.address().port}`;
  idp.newKey = (kid) => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const key = { jwk: { ...publicKey.export({ format: 'jwk' }), kid, alg: 'RS256' } };
    key.token = (claims = {}) => {
      const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
      const body = `${part({ alg: 'RS256', kid })}.${part({
        role: 'authenticated',
        sub: 'u1',
        iss: idp.url,
        exp: 4_102_444_800,
        ...claims,
      })}`;
      return `${body}.${createSign('RSA-SHA256').update(body).sign(privateKey, 'base64url')}`;
    };
    return key;
  };
  return idp;
}

test('published keys verify, change, and stay when the issuer fails', limit, async (t) => {
  const [first, second] = [await provider(t), await provider(t)];
  const canary = await provider(t);
  const old = first.newKey('k1');
  first.keys = [old];
  const other = second.newKey('k1'); // The same id at another issuer.
  second.keys = [other];
  const files = (directory) => ({
    ...counters,
    secret: secretOfAll,
    'tidewire.yaml': `version: 1
server:
  listen: 127.0.0.1:0
auth:
  jwt_secret: "\${file:${directory}/secret}"
  issuers:
    - { issuer: "${first.url}", jwks_url: "${first.url}/jwks.json" }
    - { issuer: "${second.url}", jwks_url: "${second.url}/jwks.json" }
outbound:
  allow_addresses: [127.0.0.0/8]
store:
  schema: [schema.sql]
tables:
  counters:
    policies:
      - { name: own, using: owner = auth.uid() }
`,
  });
  const server = await serve(t, files);
  // Known from the first request on.
  assert.equal(await read(server, old.token()), 200);
  assert.equal(await read(server, other.token()), 200);
  // Each verifies its own only, and no address is taken from a token.
  assert.equal(await read(server, old.token({ iss: second.url })), 401);
  assert.equal(await read(server, other.token({ iss: first.url })), 401);
  assert.equal(await read(server, old.token({ iss: canary.url, jku: canary.url })), 401);
  assert.equal(canary.asked, 0);

  // Failures of each kind leave the keys; SIGHUP asks at once.
  const reload = async () => {
    const before = first.asked;
    server.signal('SIGHUP');
    await until(() => first.asked > before);
    await new Promise((resolve) => setTimeout(resolve, 200));
  };
  for (const answer of [
    (response) => response.writeHead(500).end(JSON.stringify({ keys: [] })),
    (response) => response.end('{"keys":'),
    (response) => response.writeHead(302, { Location: `${canary.url}/jwks.json` }).end(),
    (response) => response.end(JSON.stringify({ keys: [], padding: 'x'.repeat(300_000) })),
    (response) => response.destroy(),
  ]) {
    first.answer = answer;
    await reload();
    assert.equal(await read(server, old.token()), 200);
  }
  assert.equal(canary.asked, 0);
  first.answer = null;

  // A new key takes the old one's place.
  const fresh = first.newKey('k2');
  first.keys = [fresh];
  await reload();
  assert.equal(await read(server, fresh.token()), 200);
  assert.equal(await read(server, old.token()), 401);

  // The configuration's own secret changes with SIGHUP as well; what cannot be read changes nothing.
  const secret = 'another-secret-of-the-end-to-end-test-000000000000';
  const mine = forge({ role: 'authenticated', sub: 'u1', exp: 4_102_444_800 }, { key: secret });
  assert.equal(await read(server, mine), 401);
  server.write('secret', secret.slice(0, 8));
  server.signal('SIGHUP');
  await until(() => server.log().includes('ConfigurationNotReloaded'));
  assert.equal(await read(server, mint({}, { sub: 'u1' })), 200);
  server.write('secret', secret);
  await reload();
  assert.equal(await read(server, mine), 200);
  assert.equal(await read(server, mint({}, { sub: 'u1' })), 401);
});

test('the code of a revoked connection reaches a WebSocket client', limit, async (t) => {
  const server = await serve(t, counters);
  const token = mint({}, { sub: 'u9' });
  const socket = new WebSocket(
    `${server.url.replace(/^http/, 'ws')}/realtime/v1/websocket?apikey=${token}`,
  );
  await new Promise((done) => socket.once('open', done));
  const closed = new Promise((done) =>
    socket.once('close', (code, reason) => done({ code, reason: String(reason) })),
  );
  await revoke(server, mint({}, { role: 'service_role', sub: '' }), { sub: 'u9' });
  assert.deepEqual(await closed, { code: 3501, reason: 'Token has been revoked' });
});
