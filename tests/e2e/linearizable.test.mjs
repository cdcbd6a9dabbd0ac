// Nothing missed, nothing twice, in order, and provable: writers with counters; readers that are cut at
// random, change their transport, and whose tokens end; a server that is killed and restarted. Each
// reader checks every change against the row that it has (follow.mjs), and ends with exactly the rows
// that it may see.
//
//   node tests/e2e/run.mjs linearizable                       50 seconds
//   LINEARIZABLE_SECONDS=600 SEED=7 node tests/e2e/run.mjs linearizable
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Follower, counters, seeded, serve, shell, work } from './follow.mjs';
import { forge, until } from './server.mjs';

const seconds = Number(process.env.LINEARIZABLE_SECONDS ?? 50);
const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
const owners = ['u1', 'u2', 'u3'];
const kinds = ['ws', 'sse', 'poll'];
const readersPerOwner = 4;

// Little memory and a short history, so that every way of recovering, and of not recovering, is taken.
const files = {
  ...counters,
  'tidewire.yaml': `${counters['tidewire.yaml']}history:
  memory_max: 1MiB
  changes_max: 1000
  replay_changes_max: 400
`,
};

test('a reader notices a gap, a repeat, disorder and rows that never were', () => {
  const at = (n) => `00000000000000aa:${n}`;
  const row = (id, n) => ({ id, owner: 'u1', n });
  const message = (event, payload) => [null, null, 'realtime:counters', event, payload];
  const change = (n, type, record, old) =>
    message('postgres_changes', { position: at(n), data: { type, record, old_record: old } });
  const begin = (reader) => {
    const snapshot = { complete: true, rows: 1, pages: 1 };
    const tidewire = { position: at(5), recovered: null, snapshot };
    reader.take(message('phx_reply', { status: 'ok', response: { tidewire } }));
    const page = { position: at(5), page: 1, pages: 1, rows: [row(1, 3)] };
    reader.take(message('system', { extension: 'tidewire', message: 'snapshot', ...page }));
  };
  const wrong = {
    gap: [change(7, 'UPDATE', row(1, 5), row(1, 4))],
    repeat: [change(6, 'UPDATE', row(1, 4), row(1, 3)), change(6, 'UPDATE', row(1, 4), row(1, 3))],
    'before the rows': [change(5, 'UPDATE', row(1, 4), row(1, 3))],
    'inserted twice': [change(6, 'INSERT', row(1, 0))],
    'never seen': [change(6, 'DELETE', undefined, row(2, 0))],
  };
  for (const [what, messages] of Object.entries(wrong)) {
    const reader = new Follower('', { token: '' });
    begin(reader);
    assert.throws(() => messages.forEach((m) => reader.take(m)), assert.AssertionError, what);
  }
  const reader = new Follower('', { token: '' });
  begin(reader);
  reader.take(change(6, 'UPDATE', row(1, 4), row(1, 3)));
  assert.deepEqual([...reader.rows.values()], [row(1, 4)]);
});

test(
  `readers are right after ${seconds} s of cuts`,
  { timeout: (seconds + 120) * 1000 },
  async (t) => {
    t.diagnostic(`seed ${seed}`);
    const random = seeded(seed);
    const some = (n) => Math.floor(random() * n);
    const pause = (ms) => new Promise((done) => setTimeout(done, ms));
    const server = await serve(t, files);
    const end = Date.now() + seconds * 1000;

    // Two programs write; one pauses so long now and then that nothing is missed, or much.
    const writers = [1, 2].map(async (number) => {
      const draw = seeded(seed * 2 + number);
      const sqlite = shell(t, server.database);
      const next = { id: number, step: 2 };
      for (let commits = 0; ; commits++) {
        await sqlite.run(work(draw, next, owners));
        if (Date.now() > end) return commits;
        if (draw() < 0.3) await pause(draw() * 60);
      }
    });

    // Tokens last 2 to 8 seconds; some readers renew theirs in time, some let it end.
    const token = (owner) => {
      const exp = Math.floor(Date.now() / 1000) + 2 + some(7);
      return forge({ role: 'authenticated', sub: owner, exp });
    };
    const readers = [];
    for (let i = 0; i < owners.length * readersPerOwner; i++) {
      const owner = owners[i % owners.length];
      const reader = new Follower(server.url, { token: () => token(owner), name: `reader ${i}` });
      reader.owner = owner;
      readers.push(reader);
    }
    let restarting = false;
    const check = () => {
      for (const reader of readers) if (reader.failure) throw reader.failure;
    };
    // One that is never cut: its channel ends with its token, and nothing else may end it but a restart.
    let expired = 0;
    const wait = async (reader) => {
      while (Date.now() < end) {
        if (!reader.connected || reader.closed) {
          if (reader.connected) expired++;
          reader.cut();
          reader.closed = false;
          reader.open('sse');
        }
        await pause(100);
        check();
      }
    };
    const cut = async (reader) => {
      while (Date.now() < end) {
        if (!reader.connected) {
          reader.closed = false;
          reader.open(kinds[some(kinds.length)]);
        }
        await pause(20 + random() * (random() < 0.2 ? 6_000 : 900));
        check();
        const what = random();
        if (reader.closed || what < 0.5) reader.cut();
        else if (what < 0.8) {
          reader.say([
            '1',
            '9',
            'realtime:counters',
            'access_token',
            { access_token: token(reader.owner) },
          ]);
        }
        // Away for longer than the history is kept, sometimes.
        if (!reader.connected && random() < 0.15) await pause(random() * 4_000);
      }
    };
    const restarts = (async () => {
      let count = 0;
      // The grace of a token is 25 s: one stretch without a restart is longer than that.
      for (let i = 0; Date.now() < end - 5_000; i++) {
        await pause(i === 1 ? 30_000 : 3_000 + random() * 5_000);
        restarting = true;
        await server.restart(random() < 0.5 ? 'SIGKILL' : 'SIGTERM');
        restarting = false;
        count++;
      }
      return count;
    })();
    await Promise.all(readers.map((reader, i) => (i < owners.length ? wait(reader) : cut(reader))));
    const restarted = await restarts;
    const commits = await Promise.all(writers);
    assert.ok(!restarting);

    // Everybody comes back once more, and is right.
    const failures = [];
    for (const reader of readers) {
      reader.cut();
      reader.token = forge({ role: 'authenticated', sub: reader.owner, exp: 4_102_444_800 });
      reader.open(kinds[some(kinds.length)]);
      const expected = JSON.stringify(
        JSON.parse(
          server.sql(
            `select coalesce(json_group_array(json_object('id', id, 'owner', owner, 'n', n)), '[]')
           from (select * from counters where owner = '${reader.owner}' order by id)`,
          ),
        ),
      );
      const rows = () => JSON.stringify([...reader.rows.values()].sort((a, b) => a.id - b.id));
      await until(() => reader.failure || (reader.live && rows() === expected), {
        says: () => `${reader.name} ${JSON.stringify(reader.stats)}\n${rows()}\n${expected}`,
      }).catch((error) => failures.push(error));
      reader.cut();
    }
    check();
    assert.deepEqual(failures, []);

    const total = { snapshots: 0, resumes: 0, refused: 0, changes: 0, ws: 0, sse: 0, poll: 0 };
    for (const { stats } of readers) {
      for (const name of ['snapshots', 'resumes', 'refused', 'changes']) total[name] += stats[name];
      for (const kind of kinds) total[kind] += stats.connections[kind] ?? 0;
    }
    t.diagnostic(
      `${commits} commits, ${restarted} restarts, ${expired} expired, ${JSON.stringify(total)}`,
    );
    // A run in which nothing was put to the test proves nothing.
    for (const [what, count] of Object.entries(total)) assert.ok(count > 0, `no ${what}`);
    assert.ok(restarted > 0 && expired > 0 && total.resumes > readers.length);
  },
);
