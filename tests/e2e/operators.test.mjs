// What operators do about deliveries after the fact, with the real binary: release what was refused,
// retry what died, replay what was applied wrongly.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { binary, emailOf, hookEvent, post, read, sqlite, startTidewire, until } from './server.mjs';

const limit = { timeout: 120_000 };
const right = `whsec_${Buffer.from('the secret that the sender has!!').toString('base64')}`;
const wrong = `whsec_${Buffer.from('the secret that nobody has here!').toString('base64')}`;

const run = (server, ...args) =>
  new Promise((done) => {
    const all = [...args, '--data', server.data, '--json'];
    execFile(binary(), all, { encoding: 'utf8' }, (error, stdout, stderr) =>
      done({ code: error?.code ?? 0, said: stdout ? JSON.parse(stdout) : null, stderr }),
    );
  });

function signed(event, n) {
  const body = JSON.stringify(event);
  const at = Math.floor(Date.now() / 1000);
  const key = Buffer.from(right.slice('whsec_'.length), 'base64');
  const mac = createHmac('sha256', key).update(`msg_${n}.${at}.${body}`).digest('base64');
  return {
    body,
    headers: {
      'webhook-id': `msg_${n}`,
      'webhook-timestamp': at,
      'webhook-signature': `v1,${mac}`,
    },
  };
}

// W11.
test(
  'a wrong secret of ours loses nothing: mended, all is released and counts once',
  limit,
  async (t) => {
    const secrets = { TIDEWIRE_HOOK_SECRET: wrong };
    const server = await startTidewire(t, [], secrets);
    const path = server.info.hook_url.replace(/[^/]+$/, 'not-the-token');
    for (let n = 1; n <= 20; ++n) {
      const { body, headers } = signed(hookEvent('CONTACT_REPLIED', n), n);
      assert.equal(await post(server, body, { path, headers }), 401);
    }
    // One that nobody signed.
    assert.equal(await post(server, hookEvent('CONTACT_REPLIED', 99), { path }), 401);
    await until(async () => (await run(server, 'refused', 'list')).said.length === 21);
    const early = await run(server, 'refused', 'release', '--all');
    assert.deepEqual(early.said, { released: 0, still_refused: 21, failed: 0 });
    // Before it is mended the sender tries one of them again, later with the right secret.
    secrets.TIDEWIRE_HOOK_SECRET = right;
    await server.kill();
    await server.restart();
    const released = await run(server, 'refused', 'release', '--source', 'outreach');
    assert.deepEqual(released.said, { released: 20, still_refused: 1, failed: 0 });
    const again = signed(hookEvent('CONTACT_REPLIED', 7), 7);
    assert.equal(await post(server, again.body, { path, headers: again.headers }), 200);
    const key = server.info.service_key;
    await until(async () => (await read(server, 'client_leads', key)).rows.length === 20);
    const { rows } = await read(server, 'client_metrics', key);
    assert.equal(
      rows.reduce((sum, row) => sum + row.replies_mtd, 0),
      20,
    );
    assert.equal((await run(server, 'refused', 'list')).said.length, 1);
    // The operator vouches for the last one.
    const vouched = await run(server, 'refused', 'release', '--all', '--unverified');
    assert.equal(vouched.said.released, 1);
    await until(async () =>
      (await read(server, 'client_leads', key)).rows.some((row) => row.lead_email === emailOf(99)),
    );
  },
);

test('refused deliveries are discarded by filter, and never all by accident', limit, async (t) => {
  const server = await startTidewire(t);
  const path = server.info.hook_url.replace(/[^/]+$/, 'not-the-token');
  assert.equal(await post(server, hookEvent('CONTACT_REPLIED', 1), { path }), 401);
  await until(async () => (await run(server, 'refused', 'list')).said.length === 1);
  assert.equal((await run(server, 'refused', 'discard')).code, 2);
  assert.equal((await run(server, 'refused', 'discard', '--reason', 'form')).said.discarded, 0);
  assert.equal((await run(server, 'refused', 'discard', '--all')).said.discarded, 1);
  assert.deepEqual((await run(server, 'refused', 'list')).said, []);
});

test('dead letters are listed, retried when mended, and discarded', limit, async (t) => {
  const server = await startTidewire(t);
  const key = server.info.service_key;
  sqlite(
    server,
    "create trigger refuse before insert on client_leads begin select raise(abort, 'not now') where new.lead_email = 'lead1@fjord.example'; end",
  );
  for (const n of [1, 2]) {
    assert.equal(await post(server, hookEvent('CONTACT_REPLIED', n)), 200);
  }
  await until(async () => (await run(server, 'dead', 'list')).said.length === 1);
  const [letter] = (await run(server, 'dead', 'list')).said;
  assert.equal(letter.reason, 'constraint');
  assert.match(letter.error, /not now/);
  assert.equal((await run(server, 'dead', 'retry')).code, 2);
  assert.equal(
    (await run(server, 'dead', 'retry', '--all')).said.result,
    '0 applied, 1 still dead',
  );
  sqlite(server, 'drop trigger refuse');
  assert.equal(
    (await run(server, 'dead', 'retry', '--reason', 'constraint')).said.result,
    '1 applied, 0 still dead',
  );
  assert.equal((await read(server, 'client_leads', key)).rows.length, 2);
  assert.equal(await post(server, { event: {}, data: {} }), 200);
  await until(async () => (await run(server, 'dead', 'list')).said.length === 1);
  assert.equal((await run(server, 'dead', 'discard', '--all')).said.result, '1 discarded');
  assert.deepEqual((await run(server, 'dead', 'list')).said, []);
});

test(
  'a replay is tried dry, changes nothing that is known, and is asked for by filter',
  limit,
  async (t) => {
    const server = await startTidewire(t);
    for (const n of [1, 2, 3]) await post(server, hookEvent('CONTACT_REPLIED', n));
    const key = server.info.service_key;
    await until(async () => (await read(server, 'client_leads', key)).rows.length === 3);
    // Somebody removed a row; the facts are still known.
    sqlite(server, "delete from client_leads where lead_email = 'lead2@fjord.example'");
    const dry = await run(server, 'replay', '--source', 'outreach', '--dry-run');
    assert.equal(dry.said.deliveries, 3);
    assert.equal(dry.said.new_facts, 0);
    assert.deepEqual(dry.said.counters, []);
    const done = await run(server, 'replay', '--source', 'outreach', '--type', 'lead_replied');
    assert.equal(done.said.unchanged, 3);
    const unknown = await run(server, 'replay', '--source', 'outreech');
    assert.equal(unknown.code, 3);
    assert.match(unknown.stderr, /no source/);
  },
);
