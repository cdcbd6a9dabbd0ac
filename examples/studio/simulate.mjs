// The renderer and the draft engine at work on the same database; they know nothing of Tidewire.
// Started by `./run studio`:  node simulate.mjs DATABASE
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const database = process.argv[2];
if (!database) throw new Error('usage: node simulate.mjs DATABASE');

const one = (list) => list[Math.floor(Math.random() * list.length)];
const now = () => new Date().toISOString();
let next = Math.floor(Date.now() / 1000) % 100_000_000;
const lines = [
  'A lamp is a promise.',
  'Warm at six, still warm at ten.',
  'Look up from the screen.',
];

const render = () => `update videos set updated_at = '${now()}',
    status = case when progress + 7 >= 100 then 'ready' else 'generating' end,
    progress = min(100, progress + 7)
  where id in (select id from videos where status in ('queued', 'generating') limit 1);
  update videos set status = 'queued', progress = 0, updated_at = '${now()}'
  where not exists (select 1 from videos where status in ('queued', 'generating'))
    and id = (select id from videos order by random() limit 1)`;
const draft = () => `insert into reviews(id, campaign_id, title, copy, author, status, updated_at)
  values ('s${++next}', '${one(['c1', 'c2', 'c3'])}', 'New line', '${one(lines)}', 'Draft engine',
    'pending', '${now()}')`;

for (let turn = 0; ; turn++) {
  await new Promise((resolve) => setTimeout(resolve, 900));
  const sql = turn % 14 === 13 ? draft() : render();
  await run('sqlite3', ['-cmd', '.timeout 5000', database, sql]).catch((error) =>
    console.error(`simulate: ${error.message.split('\n')[0]}`),
  );
}
