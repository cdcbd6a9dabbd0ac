// The outreach example against its fake platform: webhooks that stay away are made up for by polling,
// and both channels are one count.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  createOutreachPlatform,
  firstWorkspace,
  workspaceCount,
} from '../../examples/outreach/fake-platform.mjs';
import { exampleSql } from './examples.mjs';
import { binary, read, startTidewire, until } from './server.mjs';

const limit = { timeout: 120_000 };
const example = fileURLToPath(new URL('../../examples/outreach', import.meta.url));

// The example itself, with silence and checks in seconds instead of minutes.
async function start(t, { fallback = true } = {}) {
  const platform = createOutreachPlatform();
  await new Promise((done) => platform.server.listen(0, '127.0.0.1', done));
  const config = mkdtempSync(join(tmpdir(), 'tidewire-outreach-'));
  t.after(() => {
    platform.server.close();
    rmSync(config, { recursive: true, force: true });
  });
  for (const file of ['tidewire.yaml', 'schema.sql', 'seed.sql', 'outreach.yaml']) {
    cpSync(join(example, file), join(config, file));
  }
  const edit = (file, ...pairs) => {
    let text = readFileSync(join(config, file), 'utf8');
    for (const [from, to] of pairs) {
      assert.ok(text.includes(from), from);
      text = text.replace(from, to);
    }
    writeFileSync(join(config, file), text);
  };
  edit(
    'outreach.yaml',
    ['check: { every: 5m }', 'check: { every: 1s }'],
    ['quiet_after: 10m', 'quiet_after: 3s'],
    ['settle: 2m', 'settle: 1s'],
    ['max_attempts: 6, base: 1s', 'max_attempts: 3, base: 1s'],
  );
  const rows = Array.from({ length: workspaceCount }, (_, i) => firstWorkspace + i)
    .map((id) => `(${id}, 'Workspace ${id}', true, 'America/New_York', 'demo-key-${id}')`)
    .slice(2);
  edit('seed.sql', [
    "  (38, 'Contoso', true, 'America/New_York', 'demo-key-38')",
    `  (38, 'Contoso', true, 'America/New_York', 'demo-key-38'),\n${rows.join(',\n')}`,
  ]);
  edit('seed.sql', ["('outreach.fallback', false)", `('outreach.fallback', ${fallback})`]);
  const server = await startTidewire(t, ['--config', join(config, 'tidewire.yaml')], {
    TIDEWIRE_OUTREACH_URL: `http://127.0.0.1:${platform.server.address().port}/api`,
  });
  platform.setHooks(`${server.url}/hooks/outreach/dev`);
  return { platform, server };
}

async function counters(server) {
  const { rows } = await read(server, 'client_metrics', server.info.service_key);
  return Object.fromEntries(rows.map((row) => [row.workspace_id, row]));
}

async function matches(server, platform) {
  const counted = await counters(server);
  for (const [id, truth] of Object.entries(platform.truth())) {
    const row = counted[id] ?? { emails_sent_mtd: 0, replies_mtd: 0, positive_replies_mtd: 0 };
    if (row.emails_sent_mtd !== truth.sent) return false;
    if (row.replies_mtd !== truth.replied) return false;
    if (row.positive_replies_mtd !== truth.interested) return false;
  }
  return true;
}

test('24 workspaces with lost webhooks end with the right counters', limit, async (t) => {
  const { platform, server } = await start(t);
  const kinds = ['sent', 'sent', 'replied', 'interested'];
  let n = 0;
  for (let id = firstWorkspace; id < firstWorkspace + workspaceCount; ++id) {
    for (let i = 0; i < 20; ++i) {
      const webhook = ['sent', 'lost', 'twice', 'sent', 'lost'][n++ % 5];
      // A lead is marked only after it has answered.
      const kind = kinds[n % 4];
      await platform.happen({ workspace: id, kind, lead: i + 1, webhook });
    }
  }
  platform.faults.push({ path: '/api/replies', mode: '429', retryAfter: 1, times: 5 });
  platform.faults.push({ workspace: 40, mode: '500', times: 2 });
  platform.faults.push({ workspace: 41, mode: 'cut', times: 1 });
  platform.faults.push({ workspace: 42, mode: 'html', times: 1 });
  await until(() => matches(server, platform), { ms: 60_000 });
  // The month row's sum is exact; polling on and on adds nothing.
  const before = JSON.stringify(await counters(server));
  const asked = platform.requests.length;
  await until(() => platform.requests.length > asked + 100, { ms: 60_000 });
  const after = await counters(server);
  assert.ok(await matches(server, platform));
  assert.equal(Object.keys(after).length, Object.keys(JSON.parse(before)).length);
});

test(
  'what polling finds that webhooks missed is told, and webhooks end the polling',
  limit,
  async (t) => {
    const { platform, server } = await start(t);
    await platform.happen({ workspace: 37, kind: 'replied', lead: 1 });
    await until(async () => (await counters(server))[37]?.replies_mtd === 1);
    await platform.happen({ workspace: 37, kind: 'replied', lead: 2, webhook: 'lost' });
    await until(async () => (await counters(server))[37]?.replies_mtd === 2, { ms: 30_000 });
    assert.equal((await counters(server))[37].update_source, 'poll');
    await platform.happen({ workspace: 37, kind: 'replied', lead: 3 });
    await platform.happen({ workspace: 37, kind: 'replied', lead: 4 });
    await until(async () => (await counters(server))[37]?.replies_mtd === 4);
    const { rows } = await read(server, 'webhook_health', server.info.service_key);
    const health = rows.find((row) => row.workspace_id === 37);
    assert.ok(health.last_poll_at !== null && health.poll_count_24h > 0);
    assert.equal(health.webhook_count_24h, 3);
  },
);

test('a server that was down catches up by itself', limit, async (t) => {
  const { platform, server } = await start(t);
  await platform.happen({ workspace: 38, kind: 'sent', lead: 1 });
  await until(async () => (await counters(server))[38]?.emails_sent_mtd === 1);
  await server.kill();
  for (let lead = 2; lead <= 9; ++lead) {
    await platform.happen({ workspace: 38, kind: 'sent', lead, webhook: 'lost' });
  }
  await server.restart();
  await until(async () => (await counters(server))[38]?.emails_sent_mtd === 9, { ms: 30_000 });
  const out = execFileSync(binary(), ['jobs', 'list', '--data', server.data], { encoding: 'utf8' });
  assert.match(out, /outreach\.fallback\s+yes/);
});

test(
  'a difference from the platform’s own totals is read again, and a lie is not believed',
  limit,
  async (t) => {
    const { platform, server } = await start(t, { fallback: false });
    // The platform is in this process: nothing may wait for it here.
    const look = () =>
      new Promise((done) => {
        const words = ['jobs', 'run', 'outreach.consistency', '--data', server.data];
        spawn(binary(), words).on('exit', done);
      });
    const status = (metric = 'replies_mtd') =>
      exampleSql(
        server,
        `select status from tidewire_check where tenant = '37' and metric = '${metric}'`,
      ).trim();
    for (let lead = 1; lead <= 40; ++lead) {
      await platform.happen({
        workspace: 37,
        kind: 'replied',
        lead,
        webhook: lead % 5 === 0 ? 'lost' : 'sent',
      });
    }
    await until(async () => (await counters(server))[37]?.replies_mtd === 32);
    assert.equal(await look(), 0);
    await until(async () => (await counters(server))[37]?.replies_mtd === 40, { ms: 30_000 });
    await until(() => status() === 'ok', { ms: 30_000 });

    platform.faults.push({ workspace: 37, path: '/api/workspaces', mode: 'html' });
    assert.equal(await look(), 0); // The other workspaces' looks went well.
    assert.equal(status(), 'unknown');
    platform.faults.length = 0;
    platform.faults.push({ workspace: 37, path: '/api/workspaces', mode: 'partial' });
    assert.equal(await look(), 0); // What is not provided is not zero.
    assert.equal(status(), 'ok');
    platform.faults.length = 0;
    platform.faults.push({ workspace: 37, path: '/api/workspaces', mode: 'wrong', add: 1000 });
    assert.equal(await look(), 0);
    assert.equal(status('emails_sent_mtd'), 'critical');
    platform.faults.length = 0;
    assert.equal(await look(), 0);
    assert.equal(status('emails_sent_mtd'), 'ok');
    assert.equal((await counters(server))[37].replies_mtd, 40);
    assert.equal((await counters(server))[37].emails_sent_mtd, 0);
  },
);
