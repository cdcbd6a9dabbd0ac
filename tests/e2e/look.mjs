// Takes pictures of the page in front of the fake server, to look at while designing:
//   npm run build && node tests/e2e/look.mjs
import { fileURLToPath } from 'node:url';
import { launchBrowser, openPage, shoot } from './browser.mjs';
import { fakeToken, startFakeServer } from './fake-server.mjs';

const dist = fileURLToPath(new URL('../../examples/outreach/web/dist', import.meta.url));
const names = `Ada Byron,Grace Hopper,Alan Turing,Katherine Johnson,Edsger Dijkstra,Barbara Liskov,
Donald Knuth,Margaret Hamilton,John Backus,Frances Allen,Niklaus Wirth,Radia Perlman,Ken Thompson,
Shafi Goldwasser,Leslie Lamport,Jean Sammet,Dennis Ritchie,Adele Goldberg,Tony Hoare,Lynn Conway,
Robin Milner,Mary Jackson,Peter Naur,Anita Borg,Charles Bachman,Sophie Wilson,Vint Cerf,Joan Clarke`
  .split(',')
  .map((name) => name.trim().split(' '));
const titles = ['Head of Growth', 'VP Sales', 'Founder', 'RevOps Lead', 'Marketing Director'];
const companies = [
  'Fjord Analytics',
  'Kestrel Bio',
  'Lumen & Co',
  'Harbour Freight',
  'Oak Systems',
];
const flow = [
  'new',
  'contacted',
  'replied',
  'interested',
  'qualified',
  'closed',
  'unsubscribed',
  'bounced',
];

const server = await startFakeServer({
  tables: {
    client_leads: ['workspace_name', 'lead_email'],
    client_metrics: ['workspace_name', 'metric_type', 'metric_date'],
    webhook_health: ['workspace_name'],
  },
  visible: (row, claims) => row.workspace_name === claims?.workspace,
  dist,
  config: (url) => ({
    url,
    anon_key: fakeToken({ role: 'anon' }),
    users: ['Northwind', 'Contoso'].map((name, i) => ({
      name,
      workspace_id: 37 + i,
      token: fakeToken({ workspace: name }),
    })),
  }),
});

const month = { workspace_name: 'Northwind', metric_type: 'mtd', metric_date: '2026-11-01' };
const counts = {
  emails_sent_mtd: 18_240,
  opens_mtd: 7_911,
  replies_mtd: 642,
  positive_replies_mtd: 118,
  unsubscribed_mtd: 37,
  bounced_mtd: 204,
};
server.insert('client_metrics', {
  ...month,
  ...counts,
  update_source: 'webhook',
  updated_at: new Date().toISOString(),
});
server.insert('webhook_health', {
  workspace_name: 'Northwind',
  last_webhook_at: new Date().toISOString(),
  webhook_count_24h: 3_412,
  health_status: 'healthy',
});
const lead = (i, stage, ago = i * 47) => {
  const [first_name, last_name] = names[i % names.length];
  const company = companies[i % companies.length];
  return {
    workspace_name: 'Northwind',
    lead_email: `${first_name}.${last_name}@${company.split(' ')[0]}.example`.toLowerCase(),
    first_name,
    last_name,
    title: titles[(i * 3) % titles.length],
    company,
    pipeline_stage: stage,
    updated_at: new Date(Date.now() - ago * 1000).toISOString(),
  };
};
const spread = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 4, 4, 5, 6, 7, 7];
spread.forEach((stage, i) => server.insert('client_leads', lead(i, flow[stage])));

const browser = await launchBrowser();
const views = [
  ['look-light', { colorScheme: 'light' }],
  ['look-dark', { colorScheme: 'dark' }],
  ['look-phone', { colorScheme: 'light', viewport: { width: 390, height: 844 } }],
  ['look-phone-dark', { colorScheme: 'dark', viewport: { width: 390, height: 844 } }],
];
const pages = [];
for (const [name, options] of views) {
  const opened = await openPage(browser, server.url, options);
  await opened.page.waitForSelector('[data-state=connected]');
  await opened.page.waitForSelector('[data-testid=lead]');
  pages.push([name, opened]);
}
await new Promise((r) => setTimeout(r, 500));
const moves = [
  [2, 'contacted'],
  [7, 'replied'],
  [13, 'interested'],
  [17, 'qualified'],
  [25, 'new'],
  [6, 'contacted'],
];
for (const [i, stage] of moves) {
  const row = lead(i, stage, 0);
  (i === 25 ? server.insert : server.update)('client_leads', row);
  counts.emails_sent_mtd += 3;
  counts.opens_mtd += 1;
  server.update('client_metrics', { ...month, ...counts });
  await new Promise((r) => setTimeout(r, 120));
}
await new Promise((r) => setTimeout(r, 600));
for (const [name, { page, problems }] of pages) {
  await shoot(page, name, { fullPage: name.includes('phone') });
  if (problems.length) console.log(name, problems);
  const width = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (width > 0) console.log(`${name}: ${width} px too wide`);
}
const [, { page }] = pages[0];
await page.getByTestId('workspace-Contoso').click();
await page.waitForSelector('[data-testid=empty]');
await shoot(page, 'look-empty');
await server.stop();
await page.waitForSelector('[data-state=reconnecting]');
await new Promise((r) => setTimeout(r, 2500));
await shoot(page, 'look-reconnecting');
await browser.close();
console.log('pictures in artifacts/');
