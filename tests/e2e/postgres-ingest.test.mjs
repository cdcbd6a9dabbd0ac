// Webhooks whose rows live in PostgreSQL: the real binary with examples/outreach/postgres.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createClient } from '@supabase/supabase-js';
import WebSocket from 'ws';
import { binary, emailOf, hookEvent, mint, post, until } from './server.mjs';
import { outreachOfPostgres, startOnPostgres } from './stores.mjs';

const limit = { timeout: 180_000 };
async function follow(t, server, workspace, table) {
  const token = mint({ workspace_id: workspace });
  const client = createClient(server.url, token, {
    accessToken: async () => token,
    realtime: { transport: WebSocket },
  });
  t.after(() => client.realtime.disconnect());
  await client.realtime.setAuth();
  const seen = [];
  let ready = false;
  client
    .channel(`of ${table}`)
    .on('postgres_changes', { event: '*', schema: 'public', table }, (payload) =>
      seen.push(payload),
    )
    .on('system', {}, () => (ready = true))
    .subscribe();
  await until(() => ready, { says: server.log });
  return seen;
}

const number = async (server, sql) => Number(await server.sql(sql));

test(
  'a signed webhook becomes a row, is captured, and reaches its workspace only',
  limit,
  async (t) => {
    const server = await startOnPostgres(t);
    const northwind = await follow(t, server, 37, 'client_leads');
    const contoso = await follow(t, server, 38, 'client_leads');
    assert.equal(await post(server, hookEvent('CONTACT_REPLIED', 1)), 200);
    assert.equal(
      await post(server, hookEvent('CONTACT_REPLIED', 2, { workspace: 'Contoso' })),
      200,
    );
    await until(() => northwind.length > 0 && contoso.length > 0, { says: server.log });
    assert.deepEqual(
      northwind.map((change) => [
        change.eventType,
        change.new.lead_email,
        change.new.pipeline_stage,
      ]),
      [['INSERT', emailOf(1), 'replied']],
    );
    assert.deepEqual(
      contoso.map((change) => change.new.lead_email),
      [emailOf(2)],
    );
    assert.equal(await number(server, 'select sum(replies_mtd) from client_metrics'), 2);
    assert.equal(
      await number(server, "select count(*) from webhook_delivery_log where status = 'ok'"),
      2,
    );
    // A person's stage stays, and comes through the same stream.
    await server.sql(
      "update client_leads set pipeline_stage = 'qualified' where workspace_id = 37",
    );
    await until(() => northwind.length > 1, { says: server.log });
    assert.equal(await post(server, hookEvent('LEAD_INTERESTED', 1)), 200);
    await until(
      async () => (await number(server, 'select count(*) from webhook_delivery_log')) === 3,
    );
    assert.equal(
      await server.sql('select pipeline_stage from client_leads where workspace_id = 37'),
      'qualified',
    );
  },
);

test(
  'each event counts once, whatever is killed and however often it is sent',
  limit,
  async (t) => {
    const server = await startOnPostgres(t);
    const events = Array.from({ length: 240 }, (_, i) => hookEvent('CONTACT_REPLIED', i + 1));
    const sent = new Set();
    const send = async (from, to) => {
      for (let i = from; i < to; ++i) {
        const status = await post(server, events[i]).catch(() => 0);
        if (status === 200) sent.add(i);
      }
    };
    for (const [from, to] of [
      [0, 80],
      [60, 160],
      [140, 240],
    ]) {
      const sending = send(from, to);
      await new Promise((resolve) => setTimeout(resolve, 120));
      await server.kill();
      await sending;
      await server.restart();
    }
    const known = new Set(sent);
    await send(0, 240);
    assert.equal(sent.size, 240);
    assert.ok(known.size > 0);
    await until(async () => (await number(server, 'select count(*) from client_leads')) === 240, {
      ms: 60_000,
      says: server.log,
    });
    await until(
      async () => (await number(server, 'select sum(replies_mtd) from client_metrics')) === 240,
      { says: server.log },
    );
    assert.equal(await number(server, 'select count(*) from tidewire.fact'), 240);
    assert.equal(
      await number(
        server,
        "select count(*) from webhook_delivery_log where status not in ('ok', 'duplicate')",
      ),
      0,
    );
    assert.equal(
      await number(server, 'select count(*) - count(distinct id) from webhook_delivery_log'),
      0,
    );
  },
);

test(
  'while PostgreSQL is away deliveries are accepted, also by a process that starts then',
  limit,
  async (t) => {
    const server = await startOnPostgres(t);
    assert.equal(await post(server, hookEvent('CONTACT_REPLIED', 1)), 200);
    await until(async () => (await number(server, 'select count(*) from client_leads')) === 1, {
      says: server.log,
    });
    await server.cluster.stop('SIGQUIT');
    for (let i = 2; i <= 20; ++i)
      assert.equal(await post(server, hookEvent('CONTACT_REPLIED', i)), 200);
    await server.status('degraded');
    await server.kill();
    await server.restart();
    assert.equal(await post(server, hookEvent('CONTACT_REPLIED', 21)), 200);
    await server.cluster.resume();
    await until(async () => (await number(server, 'select count(*) from client_leads')) === 21, {
      ms: 60_000,
      says: server.log,
    });
    await until(
      async () => (await number(server, 'select sum(replies_mtd) from client_metrics')) === 21,
      { says: server.log },
    );
    await server.status('ok');
  },
);

test(
  "jobs and dead letters are the database's, and the command line finds them there",
  limit,
  async (t) => {
    const server = await startOnPostgres(t);
    const tidewire = (...args) => {
      const all = [
        ...args,
        '--json',
        '--data',
        server.data,
        '--config',
        join(server.directory, 'tidewire.yaml'),
      ];
      return JSON.parse(execFileSync(binary(), all, { encoding: 'utf8', env: server.environment }));
    };
    await until(
      async () =>
        (await number(server, 'select count(*) from scheduled_jobs where endpoint is not null')) >
        0,
      { says: server.log },
    );
    assert.deepEqual(
      tidewire('jobs', 'list').map((job) => [job.job_name, job.is_active]),
      [
        ['daily_catch_all', false],
        ['outreach.consistency', false],
        ['outreach.fallback', false],
        ['outreach.reconcile', true],
      ],
    );
    assert.equal(tidewire('jobs', 'resume', 'outreach.fallback').result, 'resumed');
    assert.equal(
      await server.sql("select is_active from scheduled_jobs where job_name = 'outreach.fallback'"),
      't',
    );
    await server.sql(`create function refuse() returns trigger language plpgsql as
    $$ begin raise exception 'no'; end $$;
    create trigger refuse before insert on client_leads for each row execute function refuse()`);
    assert.equal(await post(server, hookEvent('CONTACT_REPLIED', 1)), 200);
    await until(() => tidewire('dead', 'list').length === 1, { says: server.log });
    assert.equal(tidewire('dead', 'list')[0].reason, 'constraint');
    await server.sql('drop trigger refuse on client_leads');
    assert.equal(tidewire('dead', 'retry', '--all').result, '1 applied, 0 still dead');
    assert.equal(await number(server, 'select count(*) from client_leads'), 1);
    assert.deepEqual(tidewire('dead', 'list'), []);
    // Refused deliveries lie in the server's own file; what to do about them is asked in the database.
    const path = server.info.hook_url.replace(/[^/]+$/, 'not-the-token');
    assert.equal(await post(server, hookEvent('CONTACT_REPLIED', 2), { path }), 401);
    await until(() => tidewire('refused', 'list').length === 1, { says: server.log });
    assert.equal(tidewire('refused', 'discard', '--all').discarded, 1);
    assert.deepEqual(tidewire('refused', 'list'), []);
    assert.throws(() => tidewire('replay', '--source', 'outreach'), /is not replayed/);
    // Without the configuration the verbs say what they need.
    assert.throws(
      () => execFileSync(binary(), ['dead', 'list', '--data', server.data], { stdio: 'pipe' }),
      /--config/,
    );
  },
);

test('tidewire apply replaces the mapping while deliveries come', limit, async (t) => {
  const server = await startOnPostgres(t);
  const source = join(server.directory, 'outreach.yaml');
  copyFileSync(outreachOfPostgres, source);
  const main = join(server.directory, 'tidewire.yaml');
  writeFileSync(main, readFileSync(main, 'utf8').replace(outreachOfPostgres, 'outreach.yaml'));
  const apply = () =>
    JSON.parse(
      execFileSync(binary(), ['apply', '--data', server.data, '--json'], { encoding: 'utf8' }),
    );
  let sending = true;
  let sent = 0;
  const sender = (async () => {
    while (sending) {
      assert.equal(await post(server, hookEvent('CONTACT_REPLIED', 1_000 + sent)), 200);
      ++sent;
    }
  })();
  assert.equal(await post(server, hookEvent('LEAD_WON', 7)), 200);
  writeFileSync(
    source,
    readFileSync(source, 'utf8').replace(
      'contact_replied: lead_replied',
      'contact_replied: lead_replied\n      lead_won: lead_interested',
    ),
  );
  assert.match(apply().applied.join('\n'), /^source outreach: \S+ → \S+$/m);
  assert.equal(await post(server, hookEvent('LEAD_WON', 8)), 200);
  const before = sent;
  await until(() => sent > before + 20);
  sending = false;
  await sender;
  await until(
    async () =>
      (await number(server, 'select coalesce(sum(replies_mtd), 0) from client_metrics')) === sent,
    { says: server.log },
  );
  assert.equal(
    await server.sql(
      "select string_agg(lead_email, ',') from client_leads where bison_lead_id in (7, 8)",
    ),
    emailOf(8),
  );
  const versions = 'select count(distinct config_version) from webhook_delivery_log';
  assert.equal(await number(server, versions), 2);
});
