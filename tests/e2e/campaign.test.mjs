// The campaign example (mission S0) against its fake provider: every organization's sources become
// rows with a freshness row that only its members see.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createCampaignProvider } from '../../examples/campaign/fake-provider.mjs';
import WebSocket from 'ws';
import { binary, mint, read, startTidewire, until } from './server.mjs';

const limit = { timeout: 120_000 };
const example = fileURLToPath(new URL('../../examples/campaign/tidewire.yaml', import.meta.url));
const orgId = (n) => `0b5c0f7e-0000-4000-8000-00000000000${n}`;

async function start(t) {
  const provider = createCampaignProvider();
  await new Promise((done) => provider.server.listen(0, '127.0.0.1', done));
  t.after(() => provider.server.close());
  const base = `http://127.0.0.1:${provider.server.address().port}`;
  const server = await startTidewire(t, ['--config', example], {
    ACTBLUE_TOKEN: 'token',
    META_URL: `${base}/meta`,
    SWITCHBOARD_URL: `${base}/switchboard`,
    ACTBLUE_URL: `${base}/actblue`,
  });
  return { provider, server };
}

// Not the synchronous form: the provider answers in this process.
const jobs = (server, verb, ...rest) =>
  new Promise((done) => {
    const args = ['jobs', verb, '--data', server.data, '--json', ...rest];
    execFile(binary(), args, { encoding: 'utf8' }, (_error, stdout) => done(JSON.parse(stdout)));
  });
const run = async (server, job) => (await jobs(server, 'run', job)).result;
const freshness = async (server, n) => {
  const { rows } = await read(server, 'data_freshness', mint({ organization_id: orgId(n) }));
  return Object.fromEntries(rows.map((row) => [row.source, row]));
};

/** Follows a table; `changes` fills with what this token is shown. */
async function follow(t, server, token, what) {
  const url = `${server.url.replace('http', 'ws')}/realtime/v1/websocket`;
  const socket = new WebSocket(`${url}?apikey=${encodeURIComponent(token)}&vsn=2.0.0`);
  t.after(() => socket.terminate());
  const changes = [];
  await new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('open', () => {
      const postgres_changes = [{ event: '*', schema: 'public', ...what }];
      const payload = { config: { postgres_changes }, access_token: token };
      socket.send(JSON.stringify(['1', '1', 'realtime:fresh', 'phx_join', payload]));
    });
    socket.on('message', (text) => {
      const [, , , event, payload] = JSON.parse(text);
      if (event === 'postgres_changes') changes.push(payload.data);
      if (event === 'phx_reply' && payload.status === 'error') reject(new Error(String(text)));
      if (event === 'system' && payload.status === 'ok') resolve();
    });
  });
  return { changes };
}

test('one job syncs every organization, and each sees its own rows only', limit, async (t) => {
  const { provider, server } = await start(t);
  assert.equal(await run(server, 'smart_refresh_all_orgs'), 'success');
  assert.equal(await run(server, 'actblue_every_6h'), 'success');
  for (const n of [1, 2, 3]) {
    const token = mint({ organization_id: orgId(n) });
    const org = provider.orgs.get(n);
    const ads = (await read(server, 'meta_ad_metrics', token)).rows;
    assert.deepEqual(
      ads.map((ad) => `${ad.ad_id} ${ad.date} ${Number(ad.spend)} ${ad.impressions}`).sort(),
      org.ads
        .map((ad) => `${ad.ad_id} ${ad.date_start} ${Number(ad.spend)} ${ad.impressions}`)
        .sort(),
    );
    const messages = (await read(server, 'sms_messages', token)).rows;
    assert.equal(messages.length, org.messages.length);
    const donations = (await read(server, 'donations', token)).rows;
    assert.deepEqual(
      donations.map((row) => `${row.receipt_id} ${Number(row.amount)}`).sort(),
      org.donations.map((row) => `${row.receipt} ${Number(row.amount)}`).sort(),
    );
    const fresh = await freshness(server, n);
    assert.deepEqual(Object.keys(fresh).sort(), ['actblue_csv', 'meta', 'switchboard']);
    for (const row of Object.values(fresh)) {
      assert.equal(row.organization_id, orgId(n));
      assert.equal(row.last_sync_status, 'success');
      assert.ok(row.next_due_at > row.last_synced_at);
    }
  }
});

test('a broken organization disturbs no other, says so, and recovers', limit, async (t) => {
  const { provider, server } = await start(t);
  provider.faults.push({ source: 'meta', org: 2, mode: 'fatal' });
  assert.equal(await run(server, 'smart_refresh_all_orgs'), 'partial');
  assert.equal((await freshness(server, 1)).meta.last_sync_status, 'success');
  const broken = (await freshness(server, 2)).meta;
  assert.equal(broken.last_sync_status, 'unauthorized');
  assert.equal(broken.last_synced_at, null);
  // Its other source is another credential: it went on.
  assert.equal((await freshness(server, 2)).switchboard.last_sync_status, 'success');
});

test('restated figures replace the day, and a limited API is waited for', limit, async (t) => {
  const { provider, server } = await start(t);
  assert.equal(await run(server, 'smart_refresh_all_orgs'), 'success');
  const org = provider.orgs.get(1);
  org.ads = org.ads.filter((ad) => ad.ad_id !== '1002');
  org.ads[0].spend = '99.99';
  provider.faults.push({ source: 'meta', org: 1, mode: 'limited', times: 1 });
  assert.equal(await run(server, 'smart_refresh_all_orgs'), 'success');
  const { rows } = await read(server, 'meta_ad_metrics', mint({ organization_id: orgId(1) }));
  assert.equal(rows.length, org.ads.length);
  assert.ok(rows.some((row) => Number(row.spend) === 99.99));
});

test('members hear at once that a sync has completed; others hear nothing', limit, async (t) => {
  const { server } = await start(t);
  const own = await follow(t, server, mint({ organization_id: orgId(1) }), {
    table: 'data_freshness',
    filter: `organization_id=eq.${orgId(1)}`,
  });
  const other = await follow(
    t,
    server,
    mint({ organization_id: 'ffffffff-0000-4000-8000-000000000000' }),
    {
      table: 'data_freshness',
    },
  );
  assert.equal(await run(server, 'smart_refresh_all_orgs'), 'success');
  await until(() => own.changes.length >= 2);
  assert.deepEqual(
    own.changes.map((change) => `${change.record.source} ${change.record.last_sync_status}`).sort(),
    ['meta success', 'switchboard success'],
  );
  assert.deepEqual(other.changes, []);
});

test('a webhook and the export report one donation once', limit, async (t) => {
  const { provider, server } = await start(t);
  const donation = provider.orgs.get(3).donations[0];
  const hook = await fetch(`${server.url}/hooks/actblue/token`, {
    method: 'POST',
    body: JSON.stringify({
      contribution: {
        orderNumber: donation.receipt,
        createdAt: donation.date,
        contributionForm: 'reyes-home',
      },
      donor: { email: 'Donor1@Example.com' },
      lineitems: [{ amount: '20.00' }, { amount: '5.00' }],
    }),
  });
  assert.equal(hook.status, 200);
  const token = mint({ organization_id: orgId(3) });
  await until(async () => (await read(server, 'donations', token)).rows.length === 1);
  assert.equal(await run(server, 'actblue_every_6h'), 'success');
  const { rows } = await read(server, 'donations', token);
  assert.equal(rows.length, 5);
  const row = rows.find((each) => each.receipt_id === donation.receipt);
  assert.equal(Number(row.amount), 25);
  assert.equal(row.donor_email, 'donor1@example.com');
});

test('jobs are listed, paused and resumed while the server runs', limit, async (t) => {
  const { server } = await start(t);
  const list = () => jobs(server, 'list');
  await until(async () => (await list()).length === 2);
  assert.deepEqual(
    (await list()).map((job) => [job.job_name, job.schedule, job.is_active]),
    [
      ['actblue_every_6h', '15 */6 * * *', true],
      ['smart_refresh_all_orgs', '*/30 * * * *', true],
    ],
  );
  assert.equal((await jobs(server, 'pause', 'smart_refresh_all_orgs')).result, 'paused');
  assert.equal((await list())[1].is_active, false);
  assert.equal(await run(server, 'smart_refresh_all_orgs'), 'success'); // Asked for, it runs all the same.
  assert.equal((await list())[1].last_status, 'success');
  await server.kill();
  await server.restart();
  assert.equal((await list())[1].is_active, false);
  assert.equal((await jobs(server, 'resume', 'smart_refresh_all_orgs')).result, 'resumed');
});
