// The portal example (mission S2) in Chromium, served by the real binary.
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

async function open(t, server, user, { query = '', ...options } = {}) {
  const opened = await openPage(browser, `${server.url}/?user=${user}${query}`, options);
  t.after(() => opened.context.close());
  await opened.page.waitForSelector('[data-testid=connection][data-status=connected]');
  await opened.page.waitForSelector('[data-testid=job]');
  await opened.page.getByText('5 of 5 live').waitFor();
  return opened;
}

const points = (page, value) =>
  page.getByTestId('points').getByText(String(value), { exact: true }).waitFor();
const job = (page, id) => page.locator(`[data-testid=job][data-id="${id}"]`);

test('what the CRM writes appears, is counted and is told', limit, async (t) => {
  const server = await startExample(t, 'portal');
  const { page, problems } = await open(t, server, 'Ada');
  await points(page, 270);
  exampleSql(server, `update jobs set status = 'in progress' where id = 12`);
  await job(page, 12).getByText('in progress').waitFor();
  await page.locator('[data-kind=job]', { hasText: 'Replace kitchen tap: in progress' }).waitFor();
  exampleSql(
    server,
    `insert into loyalty_transactions(id, customer_id, points, reason, created_at)
       values (60, 1, 80, 'Kitchen tap', '2026-11-27T15:00:00Z');
     insert into loyalty_transactions(id, customer_id, points, reason, created_at)
       values (61, 1, -100, 'Voucher', '2026-11-27T15:01:00Z')`,
  );
  await points(page, 250);
  await page.locator('[data-kind=loyalty]', { hasText: '+80 points' }).waitFor();
  await page.locator('[data-kind=loyalty]', { hasText: '−100 points redeemed' }).waitFor();
  exampleSql(server, `update invoices set status = 'paid' where id = 31`);
  await page.locator('[data-kind=invoice]', { hasText: 'Invoice F-2041 is paid' }).waitFor();
  await page.getByTestId('due').getByText('£0.00').waitFor();
  exampleSql(
    server,
    `insert into messages(id, customer_id, sender, body, created_at)
       values ('n1', 1, 'office', 'All done, have a good evening.', '2026-11-27T16:00:00Z')`,
  );
  await page.getByTestId('thread').getByText('All done, have a good evening.').waitFor();
  await page.getByTestId('unread-count').getByText('2', { exact: true }).waitFor();
  exampleSql(server, `update messages set read_at = '2026-11-27T16:01:00Z' where customer_id = 1`);
  await page.getByTestId('unread-count').getByText('0', { exact: true }).waitFor();
  exampleSql(server, `delete from messages where id = 'n1'`);
  await page.locator('[data-id=n1]').waitFor({ state: 'detached' });
  assert.ok((await page.getByTestId('unread').count()) === 1, 'the bell counts notifications');
  assert.deepEqual(problems, []);
});

test('a customer sees nothing of another, the office sees both', limit, async (t) => {
  const server = await startExample(t, 'portal');
  const ada = await open(t, server, 'Ada');
  const noah = await open(t, server, 'Noah');
  const office = await open(t, server, 'Fern');
  exampleSql(
    server,
    `update jobs set title = 'Only for Ada' where id = 11;
     update jobs set title = 'Only for Noah' where id = 21`,
  );
  await job(ada.page, 11).getByText('Only for Ada').waitFor();
  await job(noah.page, 21).getByText('Only for Noah').waitFor();
  await job(office.page, 11).getByText('Only for Ada').waitFor();
  assert.ok(!(await ada.page.content()).includes('Only for Noah'));
  assert.ok(!(await noah.page.content()).includes('Only for Ada'));
  await office.page.getByLabel('Customer').selectOption({ label: 'Noah Patel' });
  await job(office.page, 21).getByText('Only for Noah').waitFor();
});

const connections = async (server) => {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return Number(/^tidewire_gateway_realtime_connections (\d+)/m.exec(text)?.[1] ?? -1);
};

for (const share of ['worker', 'tabs']) {
  test(`all tabs of a browser share one connection (${share})`, limit, async (t) => {
    const server = await startExample(t, 'portal');
    const first = await open(t, server, 'Ada', { query: `&share=${share}` });
    const second = await first.context.newPage();
    await second.goto(`${server.url}/?user=Ada&share=${share}`);
    await second.getByText('5 of 5 live').waitFor();
    assert.equal(await connections(server), 1);
    exampleSql(server, `update jobs set status = 'in progress' where id = 12`);
    await job(first.page, 12).getByText('in progress').waitFor();
    await job(second, 12).getByText('in progress').waitFor();
    // The tab that came first goes; what happens in that moment is not missed by the other.
    await first.page.close();
    exampleSql(server, `update jobs set status = 'done' where id = 12`);
    await job(second, 12).getByText('done').waitFor();
    await second.locator('[data-kind=job]', { hasText: 'Replace kitchen tap: done' }).waitFor();
    exampleSql(server, `update jobs set status = 'scheduled' where id = 12`);
    await job(second, 12).getByText('scheduled').waitFor();
    await until(async () => (await connections(server)) === 1);
    // Another user of the same browser has a connection of their own.
    const noah = await first.context.newPage();
    await noah.goto(`${server.url}/?user=Noah&share=${share}`);
    await noah.getByText('5 of 5 live').waitFor();
    assert.equal(await connections(server), 2);
    await job(noah, 21).waitFor();
    assert.equal(await job(noah, 12).count(), 0);
  });
}

test(
  'each side sees whether the other is there, also after a reload and a kill',
  limit,
  async (t) => {
    const server = await startExample(t, 'portal');
    const ada = await open(t, server, 'Ada');
    const presence = ada.page.getByTestId('presence');
    await presence.getByText('The office is away').waitFor();
    const office = await open(t, server, 'Fern');
    await presence.getByText('Fern & Sons, office online').waitFor();
    await office.page.getByTestId('presence').getByText('Ada Brooks online').waitFor();
    // Noah's room is another one.
    await office.page.getByLabel('Customer').selectOption({ label: 'Noah Patel' });
    await presence.getByText('The office is away').waitFor();
    await office.page.getByLabel('Customer').selectOption({ label: 'Ada Brooks' });
    await presence.getByText('Fern & Sons, office online').waitFor();
    await server.kill();
    await server.restart();
    await presence.getByText('Fern & Sons, office online').waitFor({ timeout: 30_000 });
    await office.context.close();
    await presence.getByText('The office is away').waitFor({ timeout: 20_000 });
  },
);

test('typing is told to the other side, and ends with silence', limit, async (t) => {
  const server = await startExample(t, 'portal');
  const ada = await open(t, server, 'Ada');
  const office = await open(t, server, 'Fern');
  await office.page.getByLabel('Your message').pressSequentially('Hello', { delay: 40 });
  await ada.page.getByTestId('typing').getByText('Fern & Sons, office is typing…').waitFor();
  assert.equal(await office.page.getByTestId('typing').textContent(), '');
  await until(async () => (await ada.page.getByTestId('typing').textContent()) === '');
});

test(
  'a message is there at once, and on the other side; one that is refused comes back',
  limit,
  async (t) => {
    const server = await startExample(t, 'portal');
    const ada = await open(t, server, 'Ada');
    const office = await open(t, server, 'Fern');
    const write = async (page, text) => {
      await page.getByLabel('Your message').fill(text);
      await page.getByRole('button', { name: 'Send' }).click();
    };
    await write(ada.page, 'Is it the brass one?');
    await ada.page.getByTestId('thread').getByText('Is it the brass one?').waitFor();
    await office.page.getByTestId('thread').getByText('Is it the brass one?').waitFor();
    await write(office.page, 'It is.');
    await ada.page.getByTestId('thread').getByText('It is.', { exact: true }).waitFor();
    await ada.page.locator('[data-kind=message]', { hasText: 'The office wrote' }).waitFor();
    await ada.page.waitForSelector('[data-pending]', { state: 'detached' });
    assert.equal(
      exampleSql(server, `select count(*) from messages where sender = 'customer'`).trim(),
      '2',
    );
    exampleSql(
      server,
      `create trigger full before insert on messages begin select raise(abort, 'full'); end`,
    );
    await write(ada.page, 'And when?');
    await ada.page.locator('[data-kind=message]', { hasText: 'was not sent' }).waitFor();
    assert.equal(await ada.page.getByLabel('Your message').inputValue(), 'And when?');
  },
);

test('a hidden page lets its connection go and has missed nothing on return', limit, async (t) => {
  const server = await startExample(t, 'portal');
  const { page } = await open(t, server, 'Ada', { query: '&hidden=200' });
  const visibility = (state) =>
    page.evaluate((value) => {
      Object.defineProperty(document, 'visibilityState', { value, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    }, state);
  await visibility('hidden');
  await page.waitForSelector('[data-testid=connection][data-status=disconnected]');
  exampleSql(server, `update jobs set status = 'done' where id = 12`);
  await visibility('visible');
  await job(page, 12).getByText('done').waitFor();
  await page.locator('[data-kind=job]', { hasText: 'Replace kitchen tap: done' }).waitFor();
});

test('it looks right in light, dark and at the width of a phone', limit, async (t) => {
  const server = await startExample(t, 'portal');
  const views = [
    ['portal-light', { colorScheme: 'light' }],
    ['portal-dark', { colorScheme: 'dark' }],
    ['portal-phone', { colorScheme: 'light', viewport: { width: 390, height: 844 } }],
  ];
  let status = 'in progress';
  for (const [name, options] of views) {
    const { page, problems } = await open(t, server, 'Ada', options);
    exampleSql(server, `update jobs set status = '${status}' where id = 12`);
    await page.locator('[data-kind=job]').waitFor();
    status = status === 'done' ? 'in progress' : 'done';
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(overflow <= 0, `${name} is ${overflow} px too wide`);
    await page.waitForTimeout(400); // The toast has risen.
    await shoot(page, name, { fullPage: name.includes('phone') });
    assert.deepEqual(problems, []);
  }
});
