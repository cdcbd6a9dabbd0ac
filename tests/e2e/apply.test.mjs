// `tidewire apply`: what the configuration says is taken over by the running server, with the real
// binary: under load, with connections open, and not at all when it is wrong.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import WebSocket from 'ws';
import { binary, hookEvent, post, read, sqlite, startTidewire, until } from './server.mjs';

const limit = { timeout: 120_000 };
const example = fileURLToPath(new URL('../../examples/outreach', import.meta.url));

/** A server on a copy of the outreach example, whose files the test changes. */
async function serve(t) {
  const directory = mkdtempSync(join(tmpdir(), 'tidewire-apply-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  for (const file of ['tidewire.yaml', 'outreach.yaml', 'schema.sql', 'seed.sql']) {
    cpSync(join(example, file), join(directory, file));
  }
  const server = await startTidewire(t, ['--config', directory]);
  server.edit = (file, from, to) => {
    const path = join(directory, file);
    const text = readFileSync(path, 'utf8');
    assert.ok(text.includes(from), `${file} has ${from}`);
    writeFileSync(path, text.replace(from, to));
  };
  return server;
}

const apply = (server) =>
  new Promise((done) =>
    execFile(
      binary(),
      ['apply', '--data', server.data, '--json'],
      { encoding: 'utf8' },
      (error, stdout, stderr) =>
        done({
          code: error?.code ?? 0,
          said: stdout ? JSON.parse(stdout) : null,
          error: stderr ? JSON.parse(stderr).error : null,
        }),
    ),
  );

const versions = (server) =>
  sqlite(server, 'select distinct config_version from webhook_delivery_log order by id').trim();

test(
  'a changed source is in force at once; nobody is cut off and no delivery is lost',
  limit,
  async (t) => {
    const server = await serve(t);
    const key = server.info.service_key;
    const socket = new WebSocket(
      `${server.info.realtime_url.replace(/^http/, 'ws')}/websocket?vsn=2.0.0&apikey=${key}`,
    );
    let closed = false;
    socket.on('close', () => (closed = true));
    await new Promise((done) => socket.once('open', done));

    // Senders go on while it happens.
    let sending = true;
    let sent = 0;
    const failures = [];
    const senders = [1, 2, 3, 4].map(async (sender) => {
      for (let n = 0; sending; ++n) {
        const status = await post(server, hookEvent('CONTACT_REPLIED', sender * 100_000 + n));
        if (status === 200) ++sent;
        else failures.push(status);
      }
    });
    await until(async () => sent > 50);
    assert.equal(await post(server, hookEvent('LEAD_WON', 7)), 200);

    // A type that was unknown until now gets a meaning: the alias of one that is known.
    server.edit(
      'outreach.yaml',
      'contact_replied: lead_replied',
      'contact_replied: lead_replied\n      lead_won: lead_interested',
    );
    const applied = await apply(server);
    assert.equal(applied.code, 0, applied.error);
    assert.match(applied.said.applied.join('\n'), /^source outreach: \S+ → \S+$/m);
    assert.deepEqual(applied.said.waiting, []);

    assert.equal(await post(server, hookEvent('LEAD_WON', 8)), 200);
    const before = sent;
    await until(async () => sent > before + 50);
    sending = false;
    await Promise.all(senders);
    assert.deepEqual(failures, []);
    assert.equal(closed, false);
    socket.close();

    await until(
      async () =>
        (await read(server, 'client_leads', key, '?limit=1&lead_email=eq.lead8@fjord.example')).rows
          .length === 1,
    );
    const interested = await read(
      server,
      'client_leads',
      key,
      '?lead_email=eq.lead8@fjord.example',
    );
    assert.match(interested.rows[0].pipeline_stage, /interested/i);
    const none = await read(server, 'client_leads', key, '?lead_email=eq.lead7@fjord.example');
    assert.deepEqual(none.rows, []);
    await until(async () => {
      const { rows } = await read(server, 'client_metrics', key);
      return rows.reduce((sum, row) => sum + row.replies_mtd, 0) === sent;
    });
    assert.equal(versions(server).split('\n').length, 2);
  },
);

test('a wrong configuration is refused with its place, and all stays', limit, async (t) => {
  const server = await serve(t);
  const key = server.info.service_key;
  assert.equal(await post(server, hookEvent('CONTACT_REPLIED', 1)), 200);
  server.edit('outreach.yaml', 'lead_id: $.data.lead.id', 'lead_id: $.data.lead.id | frobnicate');
  const refused = await apply(server);
  assert.equal(refused.code, 3);
  assert.match(refused.error, /outreach\.yaml:\d+:\d+: .*frobnicate/);
  assert.equal(await post(server, hookEvent('CONTACT_REPLIED', 2)), 200);
  await until(async () => (await read(server, 'client_leads', key)).rows.length === 2);
  // What the database lacks is found before anything is changed, too.
  server.edit('outreach.yaml', 'lead_id: $.data.lead.id | frobnicate', 'lead_id: $.data.lead.id');
  server.edit('outreach.yaml', 'table: client_registry', 'table: client_registrar');
  const missing = await apply(server);
  assert.equal(missing.code, 3);
  assert.match(missing.error, /client_registrar/);
  server.edit('outreach.yaml', 'table: client_registrar', 'table: client_registry');
  assert.equal((await apply(server)).code, 0);
  assert.equal(versions(server).split('\n').length, 1);
});

test('what needs a new start is named, not passed over', limit, async (t) => {
  const server = await serve(t);
  server.edit('tidewire.yaml', 'listen: 127.0.0.1:4000', 'listen: 127.0.0.1:4001');
  server.edit('tidewire.yaml', '  webhook_health:\n    policies: *own_workspace\n', '');
  server.edit('schema.sql', 'create table', '-- changed\ncreate table');
  server.edit('tidewire.yaml', 'allow_addresses: [127.0.0.0/8]', 'allow_addresses: []');
  const applied = await apply(server);
  assert.equal(applied.code, 6);
  assert.deepEqual(applied.said.waiting, ['server.listen', 'tables.webhook_health', 'schema.sql']);
  assert.match(applied.said.applied.join('\n'), /^outbound\.allow_addresses$/m);
});

test('a new secret counts at once, the old one no more', limit, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'tidewire-token-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, 'token');
  writeFileSync(file, 'the-first-token-of-the-hook');
  const server = await serve(t);
  server.edit('outreach.yaml', '${env:TIDEWIRE_HOOK_TOKEN}', `\${file:${file}}`);
  assert.equal((await apply(server)).code, 0);
  const hook = (token) => ({ path: server.info.hook_url.replace(/[^/]+$/, token) });
  const event = hookEvent('CONTACT_REPLIED', 1);
  assert.equal(await post(server, event, hook('the-first-token-of-the-hook')), 200);
  writeFileSync(file, 'the-second-token-of-the-hook');
  const applied = await apply(server);
  assert.match(applied.said.applied.join('\n'), /sources: their secrets and addresses/);
  assert.equal(await post(server, event, hook('the-first-token-of-the-hook')), 401);
  assert.equal(await post(server, event, hook('the-second-token-of-the-hook')), 200);
});

test('without a server there is nobody to apply it', limit, async (t) => {
  const data = mkdtempSync(join(tmpdir(), 'tidewire-nobody-'));
  t.after(() => rmSync(data, { recursive: true, force: true }));
  assert.equal((await apply({ data })).code, 5);
});
