// The page in Chromium, served by the real binary.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launchBrowser, openPage, shoot } from './browser.mjs';
import { emailOf, hookEvent, post, sqlite, startTidewire, until } from './server.mjs';

const limit = { timeout: 90_000 };
let browser;
before(async () => {
  browser = await launchBrowser();
}, limit);
after(() => browser?.close());

async function open(t, server, { workspace = 'Northwind', ...options } = {}) {
  const opened = await openPage(browser, `${server.url}/?workspace=${workspace}`, options);
  t.after(() => opened.context.close());
  await opened.page.waitForSelector('[data-testid=connection][data-state=connected]');
  return opened;
}

const leadIn = (page, stage, lead) =>
  page.waitForSelector(`[data-testid=column-${stage}] [data-email="${emailOf(lead)}"]`);
const metric = (page, column, value) =>
  page.waitForSelector(`[data-testid=metric-${column}][data-value="${value}"]`);

test('rows appear, move and go; counters and webhook health follow', limit, async (t) => {
  const server = await startTidewire(t);
  const { page, problems } = await open(t, server);
  await page.waitForSelector('[data-testid=empty]');
  await post(server, hookEvent('CONTACT_REPLIED', 1));
  await leadIn(page, 'replied', 1);
  await metric(page, 'replies_mtd', 1);
  await post(server, hookEvent('LEAD_INTERESTED', 1, { at: new Date(Date.now() + 1000) }));
  await leadIn(page, 'interested', 1);
  assert.equal(
    await page.locator(`[data-email="${emailOf(1)}"]`).getAttribute('data-moved'),
    'true',
  );
  await metric(page, 'positive_replies_mtd', 1);
  for (let i = 11; i <= 13; i++) await post(server, hookEvent('EMAIL_SENT', i));
  await post(server, hookEvent('EMAIL_OPENED', 11));
  await metric(page, 'emails_sent_mtd', 3);
  await metric(page, 'opens_mtd', 1);
  await post(server, hookEvent('CONTACT_UNSUBSCRIBED', 2));
  await leadIn(page, 'unsubscribed', 2);
  await post(server, hookEvent('EMAIL_BOUNCED', 3));
  await leadIn(page, 'bounced', 3);
  await metric(page, 'unsubscribed_mtd', 1);
  await metric(page, 'bounced_mtd', 1);
  await page.waitForSelector('[data-testid=health][data-status=healthy]');
  await page.waitForSelector('[data-testid=feed] li');
  // Each change is told once, though both a table and a query's rows bring it.
  assert.equal(await page.locator('[data-testid=feed] li.feed-move').count(), 1);
  const added = await page.locator('[data-testid=feed] li.feed-insert b').allTextContents();
  assert.ok(added.length >= 3);
  assert.deepEqual([...new Set(added)], added);
  assert.deepEqual(problems, []);
});

test('a change made with the sqlite3 shell counts as any other', limit, async (t) => {
  const server = await startTidewire(t);
  await post(server, hookEvent('CONTACT_REPLIED', 1));
  const { page } = await open(t, server);
  await leadIn(page, 'replied', 1);
  sqlite(
    server,
    `update client_leads set pipeline_stage = 'qualified' where lead_email = '${emailOf(1)}'`,
  );
  await leadIn(page, 'qualified', 1);
  sqlite(server, `delete from client_leads where lead_email = '${emailOf(1)}'`);
  await page.waitForSelector('[data-testid=empty]');
});

test('a kill and a restart are shown, survived, and miss nothing', limit, async (t) => {
  const server = await startTidewire(t);
  const { page, problems } = await open(t, server);
  for (let i = 1; i <= 5; i++) await post(server, hookEvent('CONTACT_REPLIED', i));
  await leadIn(page, 'replied', 5);
  await server.kill();
  await page.waitForSelector('[data-testid=connection][data-state=reconnecting]');
  await page.waitForSelector('[data-testid=connection-detail]');
  await shoot(page, 'page-reconnecting');
  await server.restart();
  // Committed before the page is back: only catching up can show these.
  for (let i = 6; i <= 12; i++) await post(server, hookEvent('CONTACT_REPLIED', i));
  sqlite(
    server,
    `update client_leads set pipeline_stage = 'closed' where lead_email = '${emailOf(2)}'`,
  );
  const retry = page.getByTestId('retry');
  if (await retry.isVisible()) await retry.click().catch(() => {});
  await page.waitForSelector('[data-testid=connection][data-state=connected]');
  await until(async () => (await page.locator('[data-testid=lead]').count()) === 12);
  await leadIn(page, 'closed', 2);
  await metric(page, 'replies_mtd', 12);
  await page.waitForSelector('[data-testid=feed] >> text=nothing missed');
  assert.deepEqual(problems, []);
});

test('two users in two browsers see their own workspace only', limit, async (t) => {
  const server = await startTidewire(t);
  const north = await open(t, server);
  const south = await open(t, server, { workspace: 'Contoso' });
  for (let i = 1; i <= 6; i++) {
    const workspace = i % 2 ? 'Northwind' : 'Contoso';
    await post(server, hookEvent('CONTACT_REPLIED', i, { workspace }));
  }
  const emails = async ({ page }) => {
    const found = page.locator('[data-testid=lead]');
    return (await found.evaluateAll((all) => all.map((each) => each.dataset.email))).sort();
  };
  await until(async () => (await emails(north)).length === 3 && (await emails(south)).length === 3);
  assert.deepEqual(await emails(north), [1, 3, 5].map(emailOf));
  assert.deepEqual(await emails(south), [2, 4, 6].map(emailOf));
  // Nothing of the other anywhere on the page: cards, feed, counters.
  assert.ok(!(await south.page.content()).includes(emailOf(1)));
  await metric(south.page, 'replies_mtd', 3);
  await south.page.getByTestId('workspace-Northwind').click();
  await leadIn(south.page, 'replied', 1);
  assert.deepEqual(await emails(south), [1, 3, 5].map(emailOf));
});

test('it looks right in light, dark and at the width of a phone', limit, async (t) => {
  const server = await startTidewire(t);
  const types = [
    'CONTACT_REPLIED',
    'CONTACT_REPLIED',
    'LEAD_INTERESTED',
    'CONTACT_UNSUBSCRIBED',
    'EMAIL_BOUNCED',
  ];
  for (let i = 1; i <= 24; i++) await post(server, hookEvent(types[i % types.length], i));
  for (let i = 100; i <= 140; i++) await post(server, hookEvent('EMAIL_SENT', i));
  const phone = { width: 390, height: 844 };
  const views = [
    ['page-light', { colorScheme: 'light' }],
    ['page-dark', { colorScheme: 'dark' }],
    ['page-phone', { colorScheme: 'light', viewport: phone }],
    ['page-calm', { colorScheme: 'light', reducedMotion: 'reduce' }],
  ];
  for (const [name, options] of views) {
    const { page, problems } = await open(t, server, options);
    await until(async () => (await page.locator('[data-testid=lead]').count()) === 24);
    await metric(page, 'emails_sent_mtd', 41);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(overflow <= 0, `${name} is ${overflow} px too wide`);
    const small = await page
      .locator('button:visible')
      .evaluateAll((all) => all.filter((each) => each.getBoundingClientRect().height < 24).length);
    assert.equal(small, 0, `${name} has targets below 24 px`);
    await shoot(page, name, { fullPage: name === 'page-phone' });
    assert.deepEqual(problems, []);
  }
});

test(
  'it can be used with the keyboard, and says its state to assistive technology',
  limit,
  async (t) => {
    const server = await startTidewire(t);
    await post(server, hookEvent('CONTACT_REPLIED', 1));
    const { page } = await open(t, server);
    await leadIn(page, 'replied', 1);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    const outline = await page.evaluate(() => {
      const style = getComputedStyle(document.activeElement);
      return [document.activeElement.textContent, style.outlineStyle];
    });
    assert.deepEqual(outline, ['Contoso', 'solid']);
    await page.keyboard.press('Enter');
    await page.waitForSelector('[data-testid=workspace][data-name=Contoso] [data-testid=empty]');
    assert.equal(await page.getByRole('status').textContent(), 'Live');
  },
);
