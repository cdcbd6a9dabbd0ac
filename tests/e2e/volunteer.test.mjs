// The volunteer example (mission S4) in Chromium, served by the real binary.
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

async function open(t, server, { query = '', status = 'connected', ...options } = {}) {
  const opened = await openPage(browser, `${server.url}/${query}`, options);
  t.after(() => opened.context.close());
  await opened.page.waitForSelector(`[data-testid=connection][data-status=${status}]`);
  await opened.page.waitForSelector('[data-testid=row]');
  return opened;
}

const row = (page, id) => page.locator(`[data-testid=row][data-id="${id}"]`);
const section = (page, name) => page.getByRole('button', { name, exact: true }).click();

test('every entity is live: insert, update and delete by another program', limit, async (t) => {
  const server = await startExample(t, 'volunteer');
  const { page, problems } = await open(t, server);
  const requests = [];
  page.on('request', (request) => requests.push(new URL(request.url()).pathname));
  exampleSql(
    server,
    `insert into volunteer_applications
       (id, ngo_id, project_title, volunteer_name, status, created_at, updated_at)
     values (900, 1, 'Sunday lunch, north bank', 'Zadie Quist', 'submitted',
       '2026-11-27T10:00:00Z', '2026-11-27T10:00:00Z')`,
  );
  await row(page, 900).getByText('submitted').waitFor();
  exampleSql(server, `update volunteer_applications set status = 'accepted' where id = 900`);
  await row(page, 900).getByText('accepted').waitFor();
  exampleSql(server, 'delete from volunteer_applications where id = 900');
  await row(page, 900).waitFor({ state: 'detached' });
  // Written in place: nothing was read again for it.
  assert.equal(requests.filter((path) => path.startsWith('/rest/')).length, 0);
  const changes = [
    ['Projects', 'projects', 101, "title = 'Supper club'", 'Supper club'],
    ['Payments', 'payment_approvals', 401, "status = 'rejected'", 'rejected'],
    ['Volunteers', 'volunteers', 204, "name = 'Luca Renamed'", 'Luca Renamed'],
    ['Vetting', 'vetting_queue', 602, "assigned_to = 'Somebody'", 'with Somebody'],
    ['Organizations', 'ngos', 4, "focus = 'Roof bees'", 'Roof bees'],
    ['Team', 'users', 503, "email = 'new@kindly.example'", 'new@kindly.example'],
  ];
  for (const [title, table, id, set, shows] of changes) {
    await section(page, title);
    await row(page, id).waitFor();
    exampleSql(server, `update ${table} set ${set} where id = ${id}`);
    await row(page, id).getByText(shows).waitFor();
  }
  assert.deepEqual(problems, []);
});

test('a filtered list loses a row that no longer matches', limit, async (t) => {
  const server = await startExample(t, 'volunteer');
  const { page } = await open(t, server);
  await section(page, 'submitted');
  await row(page, 304).waitFor();
  await row(page, 302).waitFor({ state: 'detached' });
  exampleSql(server, `update volunteer_applications set status = 'declined' where id = 304`);
  await row(page, 304).waitFor({ state: 'detached' });
});

test('two users see what is theirs', limit, async (t) => {
  const server = await startExample(t, 'volunteer');
  const kitchen = await open(t, server, { query: '?user=ngo-1' });
  const river = await open(t, server, { query: '?user=ngo-2' });
  exampleSql(
    server,
    `update volunteer_applications set note = 'for the kitchen only' where id = 301;
     update volunteer_applications set note = 'for the river only' where id = 304`,
  );
  await kitchen.page.getByText('for the kitchen only').first().waitFor();
  await river.page.getByText('for the river only').first().waitFor();
  assert.ok(!(await kitchen.page.content()).includes('river only'));
  assert.ok(!(await river.page.content()).includes('kitchen only'));
  assert.equal(await kitchen.page.getByRole('button', { name: 'Team', exact: true }).count(), 0);
});

test('without a push connection lists poll; with one again nothing is missed', limit, async (t) => {
  const server = await startExample(t, 'volunteer');
  const { page } = await open(t, server, { query: '?TIDEWIRE_FALLBACK_INTERVAL=1s' });
  await page.getByTestId('realtime').click();
  await page.waitForSelector('[data-sync=polling]');
  exampleSql(server, `update volunteer_applications set status = 'accepted' where id = 301`);
  await row(page, 301).getByText('accepted').waitFor();
  exampleSql(server, `update volunteer_applications set status = 'declined' where id = 305`);
  await page.getByTestId('realtime').click();
  await page.waitForSelector('[data-sync=live]');
  await row(page, 305).getByText('declined').waitFor();
});

test(
  'with the WebSocket switched off by the environment it is live by an event stream',
  limit,
  async (t) => {
    const server = await startExample(t, 'volunteer');
    const { page } = await open(t, server, {
      query: '?TIDEWIRE_WEBSOCKET=off',
    });
    await page.waitForSelector('[data-testid=connection][data-transport=sse]');
    exampleSql(server, `update volunteer_applications set status = 'accepted' where id = 301`);
    await row(page, 301).getByText('accepted').waitFor();
  },
);

test('a kill and a restart lose nothing and double nothing', limit, async (t) => {
  const server = await startExample(t, 'volunteer');
  const { page } = await open(t, server);
  await server.kill();
  await page.waitForSelector('[data-testid=connection][data-status=reconnecting]');
  exampleSql(server, `update volunteer_applications set note = 'while it was away' where id = 301`);
  await server.restart();
  await page.waitForSelector('[data-testid=connection][data-status=connected]');
  await row(page, 301).getByText('while it was away').waitFor();
  await until(async () => (await page.locator('[data-testid=activity] li').count()) === 1);
});

test('the developer panel says what happened and how long it took', limit, async (t) => {
  const server = await startExample(t, 'volunteer');
  const { page, problems } = await open(t, server, { query: '?devtools' });
  await page.getByRole('button', { name: /^tidewire ·/ }).click();
  const panel = page.getByTestId('devtools');
  await panel.getByText('average response').waitFor();
  exampleSql(server, `update volunteer_applications set note = 'seen' where id = 301`);
  await panel.getByRole('tab', { name: 'Events' }).click();
  await panel.getByText('UPDATE volunteer_applications').first().waitFor();
  await panel.getByRole('tab', { name: 'Fetches' }).click();
  await panel.getByText('GET /rest/v1/volunteer_applications').first().waitFor();
  await shoot(page, 'volunteer-devtools');
  assert.deepEqual(problems, []);
});

test('it looks right in light, dark and at the width of a phone', limit, async (t) => {
  const server = await startExample(t, 'volunteer');
  const views = [
    ['volunteer-light', { colorScheme: 'light' }],
    ['volunteer-dark', { colorScheme: 'dark' }],
    ['volunteer-phone', { colorScheme: 'light', viewport: { width: 390, height: 844 } }],
  ];
  for (const [name, options] of views) {
    const { page, problems } = await open(t, server, options);
    exampleSql(
      server,
      `update volunteer_applications set status = 'accepted', updated_at = '2026-11-27T10:00:00Z'
       where id = 302;
       update volunteer_applications set status = 'shortlisted' where id = 302;
       update payment_approvals set status = 'approved' where id = 401;
       update payment_approvals set status = 'pending' where id = 401`,
    );
    await until(async () => (await page.locator('[data-testid=activity] li').count()) >= 4);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(overflow <= 0, `${name} is ${overflow} px too wide`);
    await shoot(page, name, { fullPage: name.includes('phone') });
    assert.deepEqual(problems, []);
  }
});
