// The campaign example's page (mission S0) in Chromium, over the tables that its syncs fill. The syncs
// themselves are played by SQL here, so that each test says what has happened and when.
import assert from 'node:assert/strict';
import { mkdtempSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { launchBrowser, openPage, shoot } from './browser.mjs';
import { exampleSql } from './examples.mjs';
import { startTidewire, until } from './server.mjs';

const limit = { timeout: 120_000 };
const harbor = '0b5c0f7e-0000-4000-8000-000000000001';
const rivers = '0b5c0f7e-0000-4000-8000-000000000002';
const example = fileURLToPath(new URL('../../examples/campaign/', import.meta.url));
let browser;
before(async () => {
  browser = await launchBrowser();
}, limit);
after(() => browser?.close());

const own = `policies: [{ name: own, roles: [authenticated],
      using: "organization_id = (auth.jwt() ->> 'organization_id')::uuid" }]`;
const config = `version: 1
auth: { jwt_secret: "\${env:TIDEWIRE_JWT_SECRET}" }
store: { schema: [schema.sql] }
tables:
  data_freshness: { ${own} }
  meta_ad_metrics: { ${own} }
  sms_messages: { ${own} }
  donations: { ${own} }
`;
const schema = `
create table if not exists data_freshness(organization_id uuid not null, source text not null,
  last_synced_at timestamptz, last_sync_status text, sync_id text, primary key(organization_id, source));
create table if not exists meta_ad_metrics(organization_id uuid not null, ad_id text not null,
  date date not null, spend numeric, impressions bigint, clicks bigint,
  primary key(organization_id, ad_id, date));
create table if not exists sms_messages(organization_id uuid not null, message_id text not null,
  status text, cost numeric, updated_at timestamptz, primary key(organization_id, message_id));
create table if not exists donations(organization_id uuid not null, receipt_id text not null,
  amount numeric, donor_email text, recurring bigint, paid_at timestamptz,
  primary key(organization_id, receipt_id));
`;

async function start(t) {
  const folder = mkdtempSync(join(tmpdir(), 'tidewire-campaign-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'tidewire.yaml'), config);
  writeFileSync(join(folder, 'schema.sql'), schema);
  symlinkSync(join(example, 'dev.json'), join(folder, 'dev.json'));
  mkdirSync(join(folder, 'web'));
  symlinkSync(join(example, 'web/dist'), join(folder, 'web/dist'));
  return startTidewire(t, ['--config', folder]);
}

async function open(t, server, user, options = {}) {
  const opened = await openPage(browser, `${server.url}/?user=${user}`, options);
  t.after(() => opened.context.close());
  await opened.page.waitForSelector('[data-testid=connection][data-status=connected]');
  await opened.page.getByTestId('raised').waitFor();
  return opened;
}

const sync = (organization, source, id, { status = 'success', before = '' } = {}) =>
  `begin; ${before}
   insert into data_freshness values ('${organization}', '${source}',
     strftime('%Y-%m-%dT%H:%M:%SZ', 'now'), '${status}', '${id}')
   on conflict do update set last_synced_at = excluded.last_synced_at,
     last_sync_status = excluded.last_sync_status, sync_id = excluded.sync_id;
   commit`;
const gift = (organization, receipt, amount) =>
  `insert into donations values ('${organization}', '${receipt}', ${amount}, 'd@example.com', 1,
     '2026-11-27T10:00:00Z');`;
const toast = (page, text) => page.locator('.tw-notification', { hasText: text });
const raised = (page, text) =>
  page.getByTestId('raised').getByText(text, { exact: true }).waitFor({ timeout: 15_000 });

test('syncs within five seconds are one refresh, and none is dropped', limit, async (t) => {
  const server = await start(t);
  const { page, problems } = await open(t, server, 'harbor');
  const reads = [];
  page.on('request', (request) => {
    const { pathname } = new URL(request.url());
    if (pathname.startsWith('/rest/')) reads.push(pathname.slice(9));
  });
  exampleSql(server, sync(harbor, 'actblue_webhook', 's1', { before: gift(harbor, 'r1', 40) }));
  await page.waitForSelector('[data-source=actblue_webhook][data-state=fresh]');
  exampleSql(
    server,
    sync(harbor, 'switchboard', 's2', {
      before: `insert into sms_messages values ('${harbor}', 'm1', 'delivered', 0.02, null);`,
    }),
  );
  // A failure is told, and refreshes nothing.
  exampleSql(server, sync(harbor, 'meta', 's3', { status: 'error' }));
  await toast(page, 'Meta Ads could not be synced').waitFor();
  await page.waitForSelector('[data-source=meta][data-state=failed]');
  await raised(page, '$40');
  await page.getByTestId('sms').getByText('1', { exact: true }).waitFor();
  await toast(page, 'ActBlue data updated').waitFor();
  await toast(page, 'SMS data updated').waitFor();
  assert.deepEqual(reads.sort(), ['donations', 'sms_messages']);
  assert.equal(await toast(page, 'Meta Ads data updated').count(), 0);
  // The toast stays for three seconds.
  await toast(page, 'SMS data updated').waitFor({ state: 'detached' });
  assert.deepEqual(problems, []);
});

test('the same sync twice is one, a later one is another', limit, async (t) => {
  const server = await start(t);
  const { page } = await open(t, server, 'harbor');
  const all = [];
  page.on('request', (request) => request.url().includes('/rest/v1/donations') && all.push(1));
  exampleSql(server, sync(harbor, 'actblue_csv', 's1', { before: gift(harbor, 'r1', 10) }));
  await raised(page, '$10');
  exampleSql(server, sync(harbor, 'actblue_csv', 's1'));
  exampleSql(server, sync(harbor, 'actblue_csv', 's2', { before: gift(harbor, 'r2', 15) }));
  await raised(page, '$25');
  assert.equal(all.length, 2);
});

test('an organization learns of its own syncs only', limit, async (t) => {
  const server = await start(t);
  const one = await open(t, server, 'harbor');
  const other = await open(t, server, 'rivers');
  exampleSql(server, sync(harbor, 'actblue_webhook', 's1', { before: gift(harbor, 'r1', 75) }));
  await raised(one.page, '$75');
  await toast(one.page, 'ActBlue data updated').waitFor();
  assert.equal(await toast(other.page, 'ActBlue data updated').count(), 0);
  assert.equal(await other.page.locator('[data-state=fresh]').count(), 0);
  exampleSql(server, sync(rivers, 'actblue_webhook', 's2', { before: gift(rivers, 'r9', 5) }));
  await raised(other.page, '$5');
});

test(
  'a refresh by hand reads everything, and what was missed while away is read',
  limit,
  async (t) => {
    const server = await start(t);
    const { page } = await open(t, server, 'harbor');
    exampleSql(server, gift(harbor, 'r1', 30));
    await page.getByRole('button', { name: 'Refresh' }).click();
    await raised(page, '$30');
    await server.kill();
    exampleSql(server, sync(harbor, 'actblue_csv', 's5', { before: gift(harbor, 'r2', 12) }));
    await server.restart();
    await raised(page, '$42');
  },
);

test('it looks right in light, dark and at the width of a phone', limit, async (t) => {
  const server = await start(t);
  const days = Array.from({ length: 10 }, (_, i) => `2026-11-${String(18 + i).padStart(2, '0')}`);
  const ads = days.map(
    (date, i) => `('${harbor}', 'a1', '${date}', ${180 + ((i * 67) % 240)}, 9000, 310)`,
  );
  exampleSql(
    server,
    `insert into meta_ad_metrics values ${ads.join(',')};
     ${[25, 50, 120, 15, 40, 250].map((amount, i) => gift(harbor, `r${i}`, amount)).join('')}
     insert into sms_messages values ('${harbor}', 'm1', 'delivered', 1.2, null),
       ('${harbor}', 'm2', 'failed', 1.2, null);
     insert into data_freshness values
       ('${harbor}', 'meta', strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-12 minutes'), 'success', 'x1'),
       ('${harbor}', 'switchboard', strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-3 hours'), 'success', 'x2')`,
  );
  const views = [
    ['campaign-light', { colorScheme: 'light' }],
    ['campaign-dark', { colorScheme: 'dark' }],
    ['campaign-phone', { colorScheme: 'light', viewport: { width: 390, height: 844 } }],
  ];
  for (const [name, options] of views) {
    const { page, problems } = await open(t, server, 'harbor', options);
    await raised(page, '$500');
    await page.waitForSelector('[data-source=meta][data-state=fresh]');
    await until(async () => (await page.locator('.bars li').count()) === 10);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(overflow <= 0, `${name} is ${overflow} px too wide`);
    await shoot(page, name, { fullPage: name.includes('phone') });
    assert.deepEqual(problems, []);
  }
});
