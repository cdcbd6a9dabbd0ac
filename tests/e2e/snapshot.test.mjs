// Rows, position and changes in one join, while others write: over every transport, and with
// unmodified clients that carry the wish, and their position, in a binding.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect as stock, subscribed } from './clients.mjs';
import { Follower, counters, seeded, serve, shell, work } from './follow.mjs';
import { mint, until } from './server.mjs';

const limit = { timeout: 120_000 };

const visible = (server, owner) =>
  JSON.parse(
    server.sql(
      `select coalesce(json_group_array(json_object('id', id, 'owner', owner, 'n', n)), '[]')
       from (select * from counters where owner = '${owner}' order by id)`,
    ),
  );
const sorted = (rows) => [...rows.values()].sort((a, b) => a.id - b.id);

test('joins amid writes begin with rows and miss nothing after them', limit, async (t) => {
  const server = await serve(t, counters);
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
  t.diagnostic(`seed ${seed}`);
  const random = seeded(seed);
  const writer = shell(t, server.database);
  const next = { id: 1 };
  let writing = true;
  const written = (async () => {
    while (writing) await writer.run(work(random, next));
  })();

  const followers = [];
  const tokens = { u1: mint({}, { sub: 'u1' }), u2: mint({}, { sub: 'u2' }) };
  // Each of these joins for the first time while rows change under it.
  for (let i = 0; i < 36; i++) {
    const owner = `u${1 + (i % 2)}`;
    const kind = ['ws', 'sse', 'poll'][i % 3];
    const follower = new Follower(server.url, { token: tokens[owner], name: `${kind} ${i}` });
    follower.owner = owner;
    follower.open(kind);
    followers.push(follower);
    await until(() => follower.live || follower.failure);
    // Most leave at once, so that joins are many and connections few.
    if (i % 6 > 1) follower.cut();
  }
  writing = false;
  await written;
  for (const follower of followers.filter((f) => f.connected)) {
    await until(
      () =>
        follower.failure ||
        JSON.stringify(sorted(follower.rows)) === JSON.stringify(visible(server, follower.owner)),
      { every: 100, says: () => `${follower.name}: ${JSON.stringify(follower.stats)}` },
    );
    follower.cut();
  }
  for (const follower of followers) {
    assert.equal(follower.failure, null);
    assert.equal(follower.stats.snapshots, 1);
  }
  assert.ok(next.id > 20, 'hardly anything was written meanwhile');
});

test('more rows than the limit are refused, and the stream goes on', limit, async (t) => {
  const server = await serve(t, {
    ...counters,
    'tidewire.yaml': `${counters['tidewire.yaml']}history:\n  snapshot_rows_max: 5\n`,
  });
  server.sql(`with recursive r(i) as (select 1 union all select i + 1 from r where i < 6)
              insert into counters select i, 'u1', 0 from r`);
  const token = mint({}, { sub: 'u1' });
  const client = await stock(t, server, 'newest', { token });
  const told = [];
  const changes = [];
  const channel = client
    .channel('counters')
    .on('system', {}, (message) => told.push(message))
    .on(
      'postgres_changes',
      { event: '*', schema: 'public', table: 'counters', snapshot: true },
      (change) => changes.push(change.new),
    );
  await subscribed(channel);
  const said = await until(() => told.find((message) => message.message === 'snapshot'));
  assert.deepEqual([said.status, said.reason], ['error', 'too_large']);
  await until(() => told.find((message) => message.message === 'Subscribed to PostgreSQL'));
  server.sql('update counters set n = 1 where id = 3');
  await until(() => changes.length === 1);
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  assert.match(metrics, /tidewire_session_snapshots_total\{outcome="too_large"\} 1/);
});

for (const release of ['2.15.5', '2.110.5', 'newest']) {
  test(`realtime-js ${release}: rows, then changes, across a cut`, limit, async (t) => {
    const server = await serve(t, counters);
    server.sql(`insert into counters values (1, 'u1', 0), (2, 'u1', 0), (3, 'u2', 0)`);
    const client = await stock(t, server, release, { token: mint({}, { sub: 'u1' }) });
    const rows = new Map();
    const seen = [];
    const verdicts = [];
    // The application keeps its position in what it joined with: the client sends it again.
    const resume = {};
    const binding = { event: '*', schema: 'public', table: 'counters', snapshot: true, resume };
    const channel = client
      .channel('counters')
      .on('system', {}, (message) => {
        if (message.extension !== 'tidewire') return;
        if (message.message === 'snapshot') {
          if (message.page === 1) rows.clear();
          for (const row of message.rows) rows.set(row.id, row);
        }
        if (message.message === 'changes') verdicts.push(message.recovered);
        if (message.position) resume.since = message.position;
      })
      .on('postgres_changes', binding, (change) => {
        resume.since = change.commit_timestamp;
        seen.push(change.new.n ?? change.eventType);
        if (change.eventType === 'DELETE') rows.delete(change.old.id);
        else rows.set(change.new.id, change.new);
      });
    await subscribed(channel);
    await until(() => verdicts.length === 1);
    assert.deepEqual([...rows.keys()], [1, 2]);
    server.sql('update counters set n = 1 where id = 1');
    await until(() => seen.length === 1);

    // The process is killed; what happens meanwhile is not lost, and nothing comes twice.
    await server.restart();
    server.sql(`update counters set n = 2 where id = 1; insert into counters values (4, 'u1', 7);
                delete from counters where id = 2`);
    await until(() => verdicts.length === 2, { ms: 30_000 });
    server.sql('update counters set n = 3 where id = 1');
    await until(() => seen.includes(3));
    assert.deepEqual(verdicts, [null, true]);
    assert.deepEqual(seen, [1, 2, 7, 'DELETE', 3]);
    assert.deepEqual(sorted(rows), visible(server, 'u1'));
  });
}
