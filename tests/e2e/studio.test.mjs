// The studio example (mission S1) in Chromium, served by the real binary.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launchBrowser, openPage, shoot } from './browser.mjs';
import { exampleSql, startExample } from './examples.mjs';
import { until } from './server.mjs';

const limit = { timeout: 120_000 };
let browser;
before(async () => {
  browser = await launchBrowser();
}, limit);
after(() => browser?.close());

async function open(t, server, { query = '', section = null, ...options } = {}) {
  const opened = await openPage(browser, `${server.url}/${query}`, options);
  t.after(() => opened.context.close());
  await opened.page.waitForSelector('[data-testid=connection][data-status=connected]');
  if (section) await show(opened.page, section);
  return opened;
}

const show = (page, name) => page.getByRole('button', { name, exact: true }).click();
const review = (page, id) => page.locator(`[data-testid=review][data-id=${id}]`);
const video = (page, id) => page.locator(`[data-testid=video][data-id=${id}]`);
const statusOf = (server, id) =>
  exampleSql(server, `select status from reviews where id = '${id}'`).trim();

/** Holds the writes of a page back until they are let go. */
async function holdWrites(page) {
  const held = [];
  let open = false;
  await page.route('**/rest/v1/**', (route) => {
    if (route.request().method() === 'GET' || open) return route.continue();
    return void held.push(route);
  });
  return {
    held,
    async letGo() {
      open = true;
      for (const route of held.splice(0)) await route.continue();
    },
  };
}

test(
  'a decision shows before the server has answered, over every push, and is kept',
  limit,
  async (t) => {
    const server = await startExample(t, 'studio');
    const { page, problems } = await open(t, server, { section: 'Reviews' });
    await page.getByLabel('Show what is decided').check();
    const writes = await holdWrites(page);
    await review(page, 'r1').getByRole('button', { name: 'Approve' }).click();
    await page.waitForSelector('[data-id=r1][data-status=approved]');
    assert.equal(statusOf(server, 'r1'), 'pending');
    // The server's row changes while the decision is on its way: both are shown.
    exampleSql(server, `update reviews set copy = 'A rewritten line.' where id = 'r1'`);
    await review(page, 'r1').getByText('A rewritten line.').waitFor();
    assert.equal(await review(page, 'r1').getAttribute('data-status'), 'approved');
    await until(() => writes.held.length === 1);
    await writes.letGo();
    await until(() => statusOf(server, 'r1') === 'approved');
    // Later words of others count again.
    exampleSql(server, `update reviews set status = 'pending' where id = 'r1'`);
    await page.waitForSelector('[data-id=r1][data-status=pending]');
    assert.deepEqual(problems, []);
  },
);

test('a refused decision is undone and said', limit, async (t) => {
  const server = await startExample(t, 'studio');
  const { page } = await open(t, server, { query: '?user=paul', section: 'Reviews' });
  await page.getByLabel('Show what is decided').check();
  const writes = await holdWrites(page);
  await review(page, 'r2').getByRole('button', { name: 'Reject' }).click();
  await page.waitForSelector('[data-id=r2][data-status=rejected]');
  await writes.letGo();
  await page.locator('.tw-notification', { hasText: 'The decision was undone' }).waitFor();
  await page.waitForSelector('[data-id=r2][data-status=pending]');
  assert.equal(statusOf(server, 'r2'), 'pending');
});

test('two editors see each other decide', limit, async (t) => {
  const server = await startExample(t, 'studio');
  const one = await open(t, server, { section: 'Reviews' });
  const two = await open(t, server, { section: 'Reviews' });
  await review(two.page, 'r3').waitFor();
  await review(one.page, 'r3').getByRole('button', { name: 'Approve' }).click();
  await review(two.page, 'r3').waitFor({ state: 'detached' });
});

test(
  'offline: work goes on over a reload, and is sent once, in order, on return',
  limit,
  async (t) => {
    const server = await startExample(t, 'studio');
    const { page, context } = await open(t, server, { section: 'Campaigns' });
    await page.getByText('Winter light').waitFor();
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => {}));
    // The worker has the reads of this visit once it answers for the page.
    await page.reload();
    await page.waitForSelector('[data-testid=connection][data-status=connected]');
    await show(page, 'Reviews');
    await review(page, 'r1').waitFor();
    await show(page, 'Campaigns');
    await page.getByText('Winter light').waitFor();
    await until(() =>
      page.evaluate(async () => {
        for (const name of await caches.keys()) {
          const kept = await (await caches.open(name)).keys();
          if (kept.some(({ url }) => url.includes('/rest/v1/reviews'))) return true;
        }
        return false;
      }),
    );

    await context.setOffline(true);
    await page.getByLabel('Name of the campaign').fill('Written in a tunnel');
    await page.getByRole('button', { name: 'Create' }).click();
    await page.getByText('Written in a tunnel').waitFor();
    await show(page, 'Reviews');
    await review(page, 'r1').getByRole('button', { name: 'Reject' }).click();
    await review(page, 'r1').waitFor({ state: 'detached' });
    await page.waitForSelector('[data-testid=waiting][data-count="2"]');

    await page.reload();
    await page.waitForSelector('[data-testid=waiting][data-count="2"]');
    await show(page, 'Campaigns');
    await page.getByText('Winter light').waitFor();
    await page.getByText('Written in a tunnel').waitFor();
    await show(page, 'Reviews');
    await shoot(page, 'studio-offline');

    await context.setOffline(false);
    await page.waitForSelector('[data-testid=waiting][data-count="0"]', { state: 'attached' });
    await until(() => statusOf(server, 'r1') === 'rejected');
    const created = `select count(*) from campaigns where name = 'Written in a tunnel'`;
    assert.equal(exampleSql(server, created).trim(), '1');
  },
);

test('a video being made is followed, and only its campaign is', limit, async (t) => {
  const server = await startExample(t, 'studio');
  const { page } = await open(t, server, { section: 'Videos' });
  await video(page, 'v1').locator('progress[value="42"]').waitFor();
  exampleSql(server, `update videos set progress = 77 where id = 'v1'`);
  await video(page, 'v1').locator('progress[value="77"]').waitFor();
  exampleSql(server, `update videos set progress = 100, status = 'ready' where id = 'v1'`);
  await page.waitForSelector('[data-id=v1][data-status=ready]');
  exampleSql(server, `update videos set campaign_id = 'c2' where id = 'v2'`);
  await video(page, 'v2').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Desk lamp, repaired' }).click();
  await video(page, 'v2').waitFor();
});

test('the dashboard is refreshed by what its numbers are made of', limit, async (t) => {
  const server = await startExample(t, 'studio');
  const { page } = await open(t, server);
  const pending = page.getByTestId('stat-To review');
  await pending.getByText('3', { exact: true }).waitFor();
  exampleSql(server, `update reviews set status = 'approved' where id in ('r1', 'r2')`);
  await pending.getByText('1', { exact: true }).waitFor();
  await page.getByTestId('stat-Approved').getByText('3', { exact: true }).waitFor();
});

test('it looks right in light, dark and at the width of a phone', limit, async (t) => {
  const server = await startExample(t, 'studio');
  const views = [
    ['studio-light', 'Today', { colorScheme: 'light' }],
    ['studio-dark', 'Videos', { colorScheme: 'dark' }],
    ['studio-phone', 'Reviews', { colorScheme: 'light', viewport: { width: 390, height: 844 } }],
  ];
  for (const [name, section, options] of views) {
    const { page, problems } = await open(t, server, { section, ...options });
    await page.locator('[data-testid=review], [data-testid=video]').first().waitFor();
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(overflow <= 0, `${name} is ${overflow} px too wide`);
    await shoot(page, name, { fullPage: name.includes('phone') });
    assert.deepEqual(problems, []);
  }
});
