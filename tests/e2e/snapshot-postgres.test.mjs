// Rows, position and changes in one join on PostgreSQL: as the reader's role, amid several writers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Follower, connect, seeded, serve, shell, work } from './follow.mjs';
import { PostgresCluster } from './postgres-cluster.mjs';
import { mint, until } from './server.mjs';

const users = [1, 2, 3].map((n) => `00000000-0000-0000-0000-00000000000${n}`);

// One column may not be read: it is in no row and in no change.
const schema = `
create role anon nologin; create role authenticated nologin;
create schema auth;
create function auth.uid() returns uuid language sql stable as
  $$ select (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid $$;
create table counters(id bigint primary key, owner uuid, n int, secret text default 'hidden');
alter table counters replica identity full;
grant usage on schema public, auth to anon, authenticated;
grant select (id, owner, n) on counters to authenticated;
alter table counters enable row level security;
create policy own on counters for select to authenticated using (owner = auth.uid());`;

test(
  'joins amid writes begin with rows and miss nothing after them',
  { timeout: 180_000 },
  async (t) => {
    const cluster = await PostgresCluster.start();
    t.after(() => cluster.remove());
    await cluster.psql('create database counting');
    await cluster.psql(schema, 'counting');
    const dsn = cluster.dsn('counting');
    const server = await serve(
      t,
      {
        'tidewire.yaml': `version: 1
server:
  listen: 127.0.0.1:0
auth: { jwt_secret: "\${env:TIDEWIRE_JWT_SECRET}" }
store: { kind: postgres, dsn: "\${env:COUNTING_DSN}", slot: counting }
`,
      },
      { env: { COUNTING_DSN: dsn } },
    );
    const health = async () => (await fetch(`${server.url}/health`)).json();
    await until(async () => (await health().catch(() => ({}))).status === 'ok', {
      ms: 60_000,
      says: server.log,
    });

    // Private channels are refused where no policy allows them; the server once fell over this.
    const answers = [];
    connect(
      'ws',
      server.url,
      mint({}, { sub: users[0] }),
      ['1', '1', 'realtime:secret', 'phx_join', { config: { private: true } }],
      {
        onMessage: (message) => answers.push(message[4]),
        onEnd: (code) => answers.push({ status: code }),
      },
    );
    await until(() => answers.length > 0);
    assert.equal(answers[0].status, 'error');
    assert.match(answers[0].response.reason, /^Unauthorized/);

    const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
    t.diagnostic(`seed ${seed}`);
    let writing = true;
    const writers = [1, 2].map(async (number) => {
      const random = seeded(seed + number);
      const psql = shell(t, ['psql', '-X', '-q', '-t', '-A', dsn]);
      const next = { id: number, step: 2 };
      while (writing) await psql.run(work(random, next, users, 'begin'));
      return next.id;
    });
    const followers = [];
    for (let i = 0; i < 24; i++) {
      const follower = new Follower(server.url, {
        token: mint({}, { sub: users[i % 2] }),
        name: `${i}`,
      });
      follower.owner = users[i % 2];
      follower.open(['ws', 'sse', 'poll'][i % 3]);
      followers.push(follower);
      await until(() => follower.live || follower.failure, { says: server.log });
      if (i % 6 > 1) follower.cut();
    }
    writing = false;
    assert.ok(
      (await Promise.all(writers)).every((id) => id > 20),
      'hardly anything was written',
    );

    for (const follower of followers.filter((f) => f.connected)) {
      const rows = JSON.parse(
        await cluster.psql(
          `select coalesce(json_agg(json_build_object('id', id, 'owner', owner, 'n', n) order by id), '[]')
         from counters where owner = '${follower.owner}'`,
          'counting',
        ),
      );
      const seen = () => [...follower.rows.values()].sort((a, b) => a.id - b.id);
      await until(() => follower.failure || JSON.stringify(seen()) === JSON.stringify(rows), {
        says: () => `${JSON.stringify(seen())}\n${JSON.stringify(rows)}`,
      });
      follower.cut();
    }
    for (const follower of followers) {
      assert.equal(follower.failure, null);
      assert.equal(follower.stats.snapshots, 1);
    }
  },
);
