// Abuse cases 45, 46, 50 and 76 (what one client does to others): each with its outcome, a server that
// is alive with its memory back, and another client that does not notice.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import WebSocket from 'ws';
import { connect, counters, serve } from './follow.mjs';
import { forge, mint, until } from './server.mjs';

const limit = { timeout: 120_000 };
const withLimits = (more) => ({
  ...counters,
  'tidewire.yaml': `${counters['tidewire.yaml']}${more}`,
});

/** A socket with what it was told. */
async function socket(server, token) {
  const url = `${server.url.replace(/^http/, 'ws')}/realtime/v1/websocket?vsn=2.0.0&apikey=${token}`;
  const client = { told: [], ref: 1, socket: new WebSocket(url) };
  client.socket.on('message', (bytes) => client.told.push(JSON.parse(String(bytes))));
  await new Promise((done, fail) => client.socket.once('open', done).once('error', fail));
  client.say = (topic, event, payload, joinRef = '1') =>
    client.socket.send(JSON.stringify([joinRef, String(++client.ref), topic, event, payload]));
  client.join = async (topic, config = {}) => {
    const ref = String(++client.ref);
    client.socket.send(JSON.stringify([ref, ref, topic, 'phx_join', { config }]));
    const reply = await until(() =>
      client.told.find(([, r, , e]) => r === ref && e === 'phx_reply'),
    );
    return { ref, ...reply[4] };
  };
  client.system = () =>
    client.told.filter(([, , , event]) => event === 'system').map((m) => m[4].message);
  return client;
}

/** Milliseconds of `count` heartbeats, sorted. */
async function heartbeats(client, count) {
  const times = [];
  for (let i = 0; i < count; i++) {
    const ref = `h${++client.ref}`;
    const start = performance.now();
    client.socket.send(JSON.stringify([null, ref, 'phoenix', 'heartbeat', {}]));
    await until(() => client.told.some(([, r]) => r === ref), { every: 1 });
    times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b);
}
const memory = (server) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid()}/status`, 'utf8'))[1]);

async function metric(server, name) {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const line = text.split('\n').find((l) => l.startsWith(`${name} `) || l.startsWith(`${name}{`));
  return Number(line?.split(' ').at(-1) ?? NaN);
}

test('45: a storm of broadcasts ends its sender, not those who hear it', limit, async (t) => {
  const server = await serve(t, withLimits('limits: { max_client_events_per_second: 50 }\n'));
  const token = mint();
  const hearers = await Promise.all(Array.from({ length: 100 }, () => socket(server, token)));
  for (const hearer of hearers) {
    assert.equal((await hearer.join('realtime:room')).status, 'ok');
  }
  const calm = hearers[0];
  await heartbeats(calm, 20);
  const before = memory(server);
  const storm = await socket(server, token);
  const { ref } = await storm.join('realtime:room');
  for (let i = 0; i < 3_000; i++) {
    storm.say('realtime:room', 'broadcast', { type: 'broadcast', event: 'x', payload: { i } }, ref);
  }
  await until(() => storm.system().includes('Too many messages per second'));
  await until(() => storm.told.some(([, , , event]) => event === 'phx_close'));
  assert.ok((await heartbeats(calm, 20))[18] < 1_000);
  const heard = hearers.map(({ told }) => told.filter(([, , , e]) => e === 'broadcast').length);
  // Five seconds' worth at once, and what comes in while it is sent.
  assert.ok(Math.max(...heard) <= 500, `${Math.max(...heard)} of 3000 were heard`);
  assert.ok(Math.min(...heard) > 0);
  assert.ok((await metric(server, 'tidewire_session_rate_limited_total')) >= 1);
  // The connection itself is still of use, and nothing is kept.
  assert.equal((await storm.join('realtime:other')).status, 'ok');
  await until(() => memory(server) < before * 1.05 + 4_096, { ms: 10_000, every: 500 });
});

test('46: presences that are too large or too many end their channel', limit, async (t) => {
  const server = await serve(
    t,
    withLimits('limits: { max_payload_size_in_kb: 100, client_presence_max_calls: 5 }\n'),
  );
  const token = mint();
  const member = await socket(server, token);
  await member.join('realtime:room', { presence: { key: 'm' } });
  const track = (client, ref, payload) =>
    client.say('realtime:room', 'presence', { type: 'presence', event: 'track', payload }, ref);
  const payloads = {
    'one long value': { value: 'x'.repeat(1_000_000) },
    'many keys': Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`k${i}`, i])),
  };
  for (const [what, payload] of Object.entries(payloads)) {
    const client = await socket(server, token);
    const { ref } = await client.join('realtime:room');
    track(client, ref, payload);
    await until(() => client.system().includes('Track message size exceeded'), {
      says: () => what,
    });
    await until(() => client.told.some(([, , , event]) => event === 'phx_close'));
  }
  const looping = await socket(server, token);
  const { ref } = await looping.join('realtime:room');
  for (let i = 0; i < 200; i++) track(looping, ref, { i });
  await until(() => looping.system().includes('Client presence rate limit exceeded'));
  await heartbeats(member, 3);
  const diffs = member.told.filter(([, , , event]) => event === 'presence_diff');
  // Five updates, each at most as leaves and joins, and the end.
  assert.ok(diffs.length <= 12, `${diffs.length} diffs`);
  assert.ok(Math.max(0, ...diffs.map((diff) => JSON.stringify(diff).length)) < 100_000);
});

test(
  '50: what was said on a private topic is not replayed after the right is gone',
  limit,
  async (t) => {
    const server = await serve(
      t,
      withLimits(`channels:
  policies:
    - name: room
      using: realtime.topic() = (auth.jwt() ->> 'room')
`),
    );
    const exp = 4_102_444_800;
    const may = forge({ role: 'authenticated', sub: 'u1', room: 'secret', exp });
    const mayNot = forge({ role: 'authenticated', sub: 'u1', room: 'other', exp });
    const said = await socket(server, may);
    const joined = await said.join('realtime:secret', {
      private: true,
      broadcast: { self: true, resume: true },
    });
    assert.equal(joined.status, 'ok');
    const { position } = joined.response.tidewire.broadcast;
    said.say(
      'realtime:secret',
      'broadcast',
      { type: 'broadcast', event: 'x', payload: { n: 1 } },
      joined.ref,
    );
    await until(() => said.told.some(([, , , event]) => event === 'broadcast'));

    for (const broadcast of [
      { replay: { since: 1, limit: 10 } },
      { resume: { since: position } },
    ]) {
      const again = await socket(server, may);
      assert.equal(
        (await again.join('realtime:secret', { private: true, broadcast })).status,
        'ok',
      );
      await until(() => again.told.some(([, , , event]) => event === 'broadcast'));
      const refused = await socket(server, mayNot);
      const reply = await refused.join('realtime:secret', { private: true, broadcast });
      assert.equal(reply.status, 'error');
      assert.match(reply.response.reason, /^Unauthorized/);
      await heartbeats(refused, 2);
      assert.ok(!refused.told.some(([, , , event]) => event === 'broadcast'));
      // The public channel of the same name is another one.
      const open = await socket(server, mayNot);
      const publicly = await open.join('realtime:secret', {
        broadcast: { resume: { since: position } },
      });
      assert.equal(publicly.status, 'ok');
      await heartbeats(open, 2);
      assert.ok(!open.told.some(([, , , event]) => event === 'broadcast'));
    }
    // The right goes while the channel is joined.
    said.say('realtime:secret', 'access_token', { access_token: mayNot }, joined.ref);
    await until(() => said.told.some(([, , , event]) => event === 'phx_close'));
    const denied = said.system().at(-1);
    assert.match(denied, /permission/);
  },
);

test('76: names with line ends and escapes stay one event and one log line', limit, async (t) => {
  const server = await serve(t, {
    ...counters,
    'tidewire.yaml': counters['tidewire.yaml'].replace(
      'server:',
      'server:\n  outbox_max: 64KiB\n  slow_clients: cut',
    ),
  });
  const evil = 'x\r\n\u001b[31mINJECTED\u2028\u0000%0adata: y';
  const sub = `u1${evil.replace('\u0000', '')}`;
  const token = forge({ role: 'authenticated', sub, exp: 4_102_444_800 });
  // A topic with what ends a line is refused; one with other escapes is a topic like any.
  const plain = await socket(server, token);
  assert.equal((await plain.join(`realtime:${evil}`)).status, 'error');
  const topic = 'realtime:\u001b[31m\u2028é%0a';
  const events = [];
  const codes = [];
  const line = connect('sse', server.url, token, ['1', '1', topic, 'phx_join', { config: {} }], {
    onMessage: (message) => events.push(message),
    onEnd: (code) => codes.push(code),
  });
  await until(() => events.some(([, , , event]) => event === 'phx_reply'));
  const { ref } = await plain.join(topic);
  const payload = {
    type: 'broadcast',
    event: evil,
    payload: { text: `${evil}\n\nevent: close\ndata: {}\n\n` },
  };
  plain.say(topic, 'broadcast', payload, ref);
  const heard = await until(() => events.find(([, , , event]) => event === 'broadcast'));
  assert.deepEqual(heard[4], payload);
  assert.deepEqual(codes, []);
  line.cut();

  // A client that does not ask is cut off, and the log names its user.
  await fetch(
    `${server.url}/realtime/v1/poll?vsn=2.0.0&apikey=${token}&join=${encodeURIComponent(
      JSON.stringify(['1', '1', topic, 'phx_join', { config: {} }]),
    )}`,
  );
  for (let i = 0; i < 8; i++) {
    plain.say(
      topic,
      'broadcast',
      { type: 'broadcast', event: 'big', payload: { x: 'y'.repeat(30_000) } },
      ref,
    );
  }
  await until(() => server.log().includes('SlowConsumer'));
  const lines = server.log().trim().split('\n');
  assert.ok(lines.length > 1);
  for (const text of lines) {
    assert.doesNotThrow(() => JSON.parse(text), text);
    assert.doesNotMatch(text, /[\r\u001b\u2028\u0000]/);
  }
  assert.equal(JSON.parse(lines.find((text) => text.includes('SlowConsumer'))).sub, sub);
});
