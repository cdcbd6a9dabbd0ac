// Channels of the real binary through unmodified clients of several releases: broadcasts, presence,
// private channels, restarts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClient } from '@supabase/supabase-js';
import WebSocket from 'ws';
import { connect, phoenix, releases, subscribed } from './clients.mjs';
import { emailOf, hookEvent, mint, post, sqlite, startTidewire, until } from './server.mjs';

const limit = { timeout: 90_000 };
const settle = (ms = 300) => new Promise((resolve) => setTimeout(resolve, ms));

/** Names of everybody on a channel, as an application reads them. */
const namesOn = (channel) =>
  Object.values(channel.presenceState())
    .flat()
    .map((meta) => meta.name)
    .sort();

function watched(channel) {
  const events = [];
  channel.on('presence', { event: 'sync' }, () => events.push('sync'));
  channel.on('presence', { event: 'join' }, ({ key }) => events.push(`join ${key}`));
  channel.on('presence', { event: 'leave' }, ({ key }) => events.push(`leave ${key}`));
  return events;
}

for (const release of Object.keys(releases)) {
  test(`realtime-js ${release}: row changes with a filter`, limit, async (t) => {
    const server = await startTidewire(t);
    const token = mint({ workspace_id: 37 });
    const client = await connect(t, server, release, { token });
    const seen = [];
    const channel = client
      .channel('leads')
      .on(
        'postgres_changes',
        { event: '*', schema: 'public', table: 'client_leads', filter: 'pipeline_stage=eq.won' },
        (payload) => seen.push(payload),
      );
    await subscribed(channel);
    for (let i = 1; i <= 2; i++) await post(server, hookEvent('CONTACT_REPLIED', i));
    await until(() => sqlite(server, 'select count(*) from client_leads').trim() === '2');
    sqlite(
      server,
      `update client_leads set pipeline_stage = 'won' where lead_email like 'lead2@%'`,
    );
    await until(() => seen.length === 1);
    await settle();
    assert.equal(seen.length, 1);
    assert.equal(seen[0].eventType, 'UPDATE');
    assert.equal(seen[0].new.pipeline_stage, 'won');
  });

  test(
    `realtime-js ${release}: broadcasts, own ones, acknowledged, over HTTP`,
    limit,
    async (t) => {
      const server = await startTidewire(t);
      const a = await connect(t, server, release);
      const b = await connect(t, server, release);
      const heard = { a: [], b: [] };
      const config = { broadcast: { self: true, ack: true } };
      const speaker = a
        .channel('room é', { config })
        .on('broadcast', { event: 'hi' }, (message) => {
          heard.a.push(message.payload.n);
        });
      const listener = b.channel('room é').on('broadcast', { event: 'hi' }, (message) => {
        heard.b.push(message.payload.n);
      });
      await subscribed(speaker);
      await subscribed(listener);
      assert.equal(await speaker.send({ type: 'broadcast', event: 'hi', payload: { n: 1 } }), 'ok');
      await until(() => heard.a.length === 1 && heard.b.length === 1, {
        says: () => JSON.stringify(heard),
      });
      // A channel that has not joined sends over HTTP.
      const outside = await connect(t, server, release);
      const sent = await outside
        .channel('room é')
        .send({ type: 'broadcast', event: 'hi', payload: { n: 2 } });
      assert.equal(sent, 'ok');
      await until(() => heard.a.length === 2 && heard.b.length === 2);
      if (releases[release].httpSend) {
        const result = await outside.channel('room é').httpSend('hi', { n: 3 });
        assert.equal(result.success, true);
        await until(() => heard.b.length === 3);
      }
      assert.deepEqual(heard.b, releases[release].httpSend ? [1, 2, 3] : [1, 2]);
    },
  );

  test(`realtime-js ${release}: presence with updates and leaves`, limit, async (t) => {
    const server = await startTidewire(t);
    const a = await connect(t, server, release);
    const b = await connect(t, server, release);
    const ann = a.channel('people', { config: { presence: { key: 'ann' } } });
    const bob = b.channel('people', { config: { presence: { key: 'bob' } } });
    const events = watched(ann);
    watched(bob);
    await subscribed(ann);
    await subscribed(bob);
    assert.equal(await ann.track({ name: 'Ann' }), 'ok');
    assert.equal(await bob.track({ name: 'Bob' }), 'ok');
    const both = (names) => async () =>
      [ann, bob].every((channel) => namesOn(channel).join() === names);
    const says = () => `${namesOn(ann)} | ${namesOn(bob)} | ${events}`;
    await until(both('Ann,Bob'), { says });
    assert.equal(await bob.track({ name: 'Robert' }), 'ok');
    await until(both('Ann,Robert'), { says });
    await bob.untrack();
    await until(both('Ann'), { says });
    await bob.track({ name: 'Bob' });
    await until(both('Ann,Bob'), { says });
    await bob.unsubscribe();
    await until(() => namesOn(ann).join() === 'Ann', { says });
    assert.ok(events.includes('join bob') && events.includes('leave bob'), says());
  });

  test(`realtime-js ${release}: private channels by policy`, limit, async (t) => {
    const server = await startTidewire(t);
    const north = await connect(t, server, release, { token: mint({ workspace_id: 37 }) });
    const second = await connect(t, server, release, {
      token: mint({ workspace_id: 37 }, { sub: 'u2' }),
    });
    const config = { private: true, broadcast: { ack: true } };
    const heard = [];
    const mine = north.channel('workspace:37', { config });
    const yours = second
      .channel('workspace:37', { config })
      .on('broadcast', { event: '*' }, (message) => heard.push(message.payload));
    await subscribed(mine);
    await subscribed(yours);
    assert.equal(await mine.send({ type: 'broadcast', event: 'x', payload: { n: 1 } }), 'ok');
    await until(() => heard.length === 1);
    const denied = await subscribed(north.channel('workspace:38', { config }), {
      status: 'CHANNEL_ERROR',
    });
    assert.match(denied.at(-1).message, /Unauthorized: You do not have permissions to read from/);
    // Everyone hears announcements; only service_role speaks there.
    const hall = north.channel('announcements', { config });
    await subscribed(hall);
    assert.equal(await hall.send({ type: 'broadcast', event: 'x', payload: {} }), 'error');
  });
}

// 2.11.10 to 2.11.15 do not rejoin by themselves; these do.
for (const release of Object.keys(releases)) {
  test(`realtime-js ${release}: comes back after a restart of the server`, limit, async (t) => {
    const server = await startTidewire(t);
    const client = await connect(t, server, release);
    const other = await connect(t, server, release);
    const heard = [];
    const channel = client
      .channel('room', { config: { presence: { key: 'ann' } } })
      .on('broadcast', { event: 'hi' }, (message) => heard.push(message.payload.n));
    let joined = 0;
    watched(channel);
    channel.subscribe((status) => {
      if (status !== 'SUBSCRIBED') return;
      joined++;
      void channel.track({ name: 'Ann' });
    });
    await until(() => joined === 1 && namesOn(channel).join() === 'Ann');
    await server.stop();
    await server.restart();
    await until(() => joined >= 2, { ms: 30_000 });
    const speaker = other.channel('room');
    await subscribed(speaker);
    await speaker.send({ type: 'broadcast', event: 'hi', payload: { n: 7 } });
    await until(() => heard.includes(7));
    await until(() => namesOn(channel).join() === 'Ann', { says: () => namesOn(channel).join() });
  });
}

for (const vsn of ['1.0.0', '2.0.0']) {
  test(
    `realtime-js newest, vsn ${vsn}: binary payloads and every other version`,
    limit,
    async (t) => {
      const server = await startTidewire(t);
      const a = await connect(t, server, 'newest', { vsn });
      const b = await connect(t, server, 'newest', { vsn: '2.0.0' });
      const old = await connect(t, server, '2.10.2');
      const heard = { b: [], old: [] };
      const speaker = a.channel('room');
      const listener = b
        .channel('room')
        .on('broadcast', { event: '*' }, (message) => heard.b.push(message.payload));
      const elder = old
        .channel('room')
        .on('broadcast', { event: '*' }, (message) => heard.old.push(message.payload));
      for (const channel of [speaker, listener, elder]) await subscribed(channel);
      await speaker.send({ type: 'broadcast', event: 'json', payload: { text: 'é' } });
      await until(() => heard.b.length === 1 && heard.old.length === 1);
      assert.deepEqual(heard.b[0], { text: 'é' });
      assert.deepEqual(heard.old[0], { text: 'é' });
      if (vsn === '1.0.0') return; // It has no binary messages.
      await speaker.send({
        type: 'broadcast',
        event: 'raw',
        payload: new Uint8Array([1, 255]).buffer,
      });
      await until(() => heard.b.length === 2);
      assert.deepEqual([...new Uint8Array(heard.b[1])], [1, 255]);
    },
  );
}

test(
  'a member whose connection was lost stays for a while, and is back unseen',
  limit,
  async (t) => {
    const server = await startTidewire(t);
    const a = await connect(t, server, 'newest');
    const watcher = a.channel('people', { config: { presence: { key: 'ann' } } });
    const events = watched(watcher);
    await subscribed(watcher);
    // By hand, since a client closes politely.
    const raw = (ref) => {
      const socket = new WebSocket(
        `${server.url.replace(/^http/, 'ws')}/realtime/v1/websocket?vsn=2.0.0&apikey=${server.info.anon_key}`,
      );
      socket.on('open', () => {
        socket.send(
          JSON.stringify([
            ref,
            ref,
            'realtime:people',
            'phx_join',
            { config: { presence: { key: 'bob' } } },
          ]),
        );
        socket.send(
          JSON.stringify([
            ref,
            '2',
            'realtime:people',
            'presence',
            { event: 'track', payload: { name: 'Bob' } },
          ]),
        );
      });
      return socket;
    };
    const first = raw('1');
    await until(() => namesOn(watcher).join() === 'Bob');
    first.terminate();
    await settle(500);
    const second = raw('1');
    await new Promise((resolve) => second.on('message', (text) => /"ok"/.test(text) && resolve()));
    await settle(9_000);
    assert.equal(namesOn(watcher).join(), 'Bob');
    assert.ok(!events.includes('leave bob'), events.join());
    second.close(1000);
    await until(() => namesOn(watcher).length === 0);
  },
);

test('replay: the newest of a private channel, marked, oldest first', limit, async (t) => {
  const server = await startTidewire(t);
  const token = mint({ workspace_id: 37 });
  const before = Date.now() - 1_000;
  for (let n = 1; n <= 4; n++) {
    const answer = await fetch(
      `${server.url}/realtime/v1/api/broadcast/workspace%3A37/events/note?private=true`,
      {
        method: 'POST',
        headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
        body: JSON.stringify({ n }),
      },
    );
    assert.equal(answer.status, 202);
  }
  const client = await connect(t, server, 'newest', { token });
  const seen = [];
  const channel = client
    .channel('workspace:37', {
      config: { private: true, broadcast: { replay: { since: before, limit: 3 } } },
    })
    .on('broadcast', { event: 'note' }, (message) => seen.push(message));
  await subscribed(channel);
  await until(() => seen.length === 3);
  assert.deepEqual(
    seen.map((message) => message.payload.n),
    [2, 3, 4],
  );
  assert.ok(seen.every((message) => message.meta.replayed === true && message.meta.id));
});

test('a stock client resumes broadcasts through a key of its configuration', limit, async (t) => {
  const server = await startTidewire(t);
  const sockets = [];
  class Cuttable extends WebSocket {
    constructor(...args) {
      super(...args);
      sockets.push(this);
    }
  }
  const client = await connect(t, server, 'newest', { transport: Cuttable });
  const broadcast = { resume: {} };
  const seen = [];
  const verdicts = [];
  const channel = client
    .channel('room', { config: { broadcast } })
    .on('broadcast', { event: 'n' }, (message) => {
      broadcast.resume.since = message.meta.position;
      seen.push(message.payload.n);
    })
    .on('system', {}, (message) => message.extension === 'tidewire' && verdicts.push(message));
  await subscribed(channel);
  const say = (n) =>
    fetch(`${server.url}/api/broadcast`, {
      method: 'POST',
      headers: { apikey: server.info.anon_key },
      body: JSON.stringify({ messages: [{ topic: 'room', event: 'n', payload: { n } }] }),
    });
  await say(1);
  await until(() => seen.length === 1);
  sockets.at(-1).terminate(); // The client comes back by itself.
  await say(2);
  await say(3);
  await until(() => seen.length >= 3, { ms: 15_000 });
  await settle();
  assert.deepEqual(seen, [1, 2, 3]);
  assert.equal(verdicts.at(-1).recovered, true);
});

test('supabase-js newest: a room with rows, messages and people', limit, async (t) => {
  const server = await startTidewire(t);
  const seen = { rows: [], messages: [] };
  const join = async (name, sub) => {
    const token = mint({ workspace_id: 37 }, { sub });
    const client = createClient(server.url, server.info.anon_key, {
      accessToken: async () => token,
      realtime: { transport: WebSocket },
    });
    t.after(() => {
      void client.removeAllChannels();
      client.realtime.disconnect();
    });
    await client.realtime.setAuth();
    const channel = client
      .channel('workspace:37', {
        config: { private: true, presence: { key: name }, broadcast: { ack: true } },
      })
      .on('postgres_changes', { event: '*', schema: 'public', table: 'client_leads' }, (payload) =>
        seen.rows.push([name, payload.eventType]),
      )
      .on('broadcast', { event: 'typing' }, (message) =>
        seen.messages.push([name, message.payload.who]),
      );
    watched(channel);
    await subscribed(channel);
    assert.equal(await channel.track({ name }), 'ok');
    return channel;
  };
  const ann = await join('ann', 'u1');
  const bob = await join('bob', 'u2');
  await until(() => [ann, bob].every((channel) => namesOn(channel).join() === 'ann,bob'));
  assert.equal(
    await ann.send({ type: 'broadcast', event: 'typing', payload: { who: 'ann' } }),
    'ok',
  );
  await post(server, hookEvent('CONTACT_REPLIED', 1));
  await until(() => seen.rows.length === 2 && seen.messages.length === 1, {
    says: () => JSON.stringify(seen),
  });
  assert.deepEqual(seen.messages, [['bob', 'ann']]);
});

test(
  'a row that leaves the filter comes as a DELETE to a client that asked for it',
  limit,
  async (t) => {
    const server = await startTidewire(t);
    const client = await connect(t, server, 'newest', { token: mint({ workspace_id: 37 }) });
    const seen = [];
    const channel = client.channel('leads').on(
      'postgres_changes',
      {
        event: '*',
        schema: 'public',
        table: 'client_leads',
        filter: 'or=(pipeline_stage.eq.replied,pipeline_stage.eq.won)',
        leave: true,
      },
      (payload) => seen.push([payload.eventType, payload.old.lead_email]),
    );
    await subscribed(channel);
    await post(server, hookEvent('CONTACT_REPLIED', 1));
    await until(() => seen.length === 1);
    sqlite(server, `update client_leads set pipeline_stage = 'lost'`);
    await until(() => seen.length === 2, { says: () => JSON.stringify(seen) });
    assert.deepEqual(seen[1], ['DELETE', emailOf(1)]);
  },
);

for (const release of ['1.7', '1.8']) {
  test(`phoenix ${release}: join, broadcast, presence, leave`, limit, async (t) => {
    const server = await startTidewire(t);
    const { socket, Presence } = await phoenix(t, server, release);
    const { socket: second } = await phoenix(t, server, release);
    const join = (on, key) =>
      new Promise((resolve, reject) => {
        const channel = on.channel('realtime:room', { config: { presence: { key } } });
        const presence = new Presence(channel);
        channel
          .join()
          .receive('ok', () => resolve({ channel, presence }))
          .receive('error', reject);
      });
    const ann = await join(socket, 'ann');
    const bob = await join(second, 'bob');
    const heard = [];
    bob.channel.on('broadcast', (message) => heard.push(message));
    ann.channel.push('broadcast', { type: 'broadcast', event: 'hi', payload: { n: 1 } });
    await until(() => heard.length === 1);
    assert.deepEqual(heard[0], { type: 'broadcast', event: 'hi', payload: { n: 1 } });
    bob.channel.push('presence', { type: 'presence', event: 'track', payload: { name: 'Bob' } });
    const names = () => ann.presence.list((_, { metas }) => metas[0].name).join();
    await until(() => names() === 'Bob');
    await new Promise((resolve) => bob.channel.leave().receive('ok', resolve));
    await until(() => names() === '');
  });
}

test('phoenix 1.8 brings its token as a subprotocol', limit, async (t) => {
  const server = await startTidewire(t);
  const { Socket } = await import('phoenix-1.8');
  const socket = new Socket(`${server.url.replace(/^http/, 'ws')}/socket`, {
    authToken: server.info.anon_key,
    transport: WebSocket,
  });
  t.after(() => {
    for (const channel of [...socket.channels]) channel.leave();
    socket.disconnect();
  });
  socket.connect();
  await new Promise((resolve, reject) =>
    socket.channel('realtime:room', {}).join().receive('ok', resolve).receive('error', reject),
  );
});

test('HTTP broadcasts answer as upstream does', limit, async (t) => {
  const server = await startTidewire(t);
  const token = mint({ workspace_id: 37 });
  const ask = async (path, { body = '{}', key = token, type = 'application/json' } = {}) => {
    const answer = await fetch(`${server.url}${path}`, {
      method: 'POST',
      headers: { ...(key ? { Authorization: `Bearer ${key}` } : {}), 'Content-Type': type },
      body,
    });
    const text = await answer.text();
    return { status: answer.status, text, headers: answer.headers };
  };
  const single = '/realtime/v1/api/broadcast/room/events/hi';
  const good = await ask(`${single}?apikey=x&vsn=2.0.0`);
  assert.equal(good.status, 202);
  assert.equal(good.text, '');
  assert.equal(good.headers.get('access-control-allow-origin'), '*');
  assert.match(good.headers.get('x-request-id'), /^[0-9a-f]{32}$/);
  assert.deepEqual(await ask(single, { key: null }).then(({ status, text }) => [status, text]), [
    401,
    '{"message":"Unauthorized"}',
  ]);
  const deniedPath = '/api/broadcast/workspace%3A38/events/hi?private=true';
  assert.deepEqual(await ask(deniedPath).then(({ status, text }) => [status, text]), [
    403,
    '{"message":"Unauthorized"}',
  ]);
  assert.equal((await ask(single, { type: 'text/html' })).status, 415);
  assert.equal((await ask(single, { type: 'application/octet-stream', body: 'raw' })).status, 202);
  assert.equal((await ask(single, { body: '{' })).status, 400);
  const blank = await ask('/realtime/v1/api/broadcast', { body: '{"messages":[{"topic":"a"}]}' });
  assert.equal(blank.status, 422);
  assert.deepEqual(JSON.parse(blank.text), {
    errors: { messages: [{ event: ["can't be blank"], payload: ["can't be blank"] }] },
  });
  const preflight = await fetch(`${server.url}${single}`, {
    method: 'OPTIONS',
    headers: {
      Origin: 'https://app.example',
      'Access-Control-Request-Method': 'POST',
      'Access-Control-Request-Headers': 'authorization,apikey,content-type,x-client-info',
    },
  });
  assert.equal(preflight.status, 204);
  assert.match(preflight.headers.get('access-control-allow-headers'), /apikey/);
  assert.equal(await (await fetch(`${server.url}/healthcheck`)).text(), 'ok');
  assert.deepEqual(await (await fetch(`${server.url}/api/ping`)).json(), { message: 'Success' });
});
