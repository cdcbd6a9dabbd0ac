// Another program at work on the platform's database, so that there is something to see: it knows
// nothing of Tidewire. Started by `./run volunteer`:  node simulate.mjs DATABASE
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const database = process.argv[2];
if (!database) throw new Error('usage: node simulate.mjs DATABASE');

const one = (list) => list[Math.floor(Math.random() * list.length)];
const now = () => new Date().toISOString();
let next = Math.floor(Date.now() / 1000) % 100_000_000;

const names = ['Priya Nair', 'Oskar Lund', 'Fatou Diop', 'Ben Okafor', 'Mei Tanaka', 'Ana Ruiz'];
const wishes = ['Free at weekends.', 'I live around the corner.', 'Brings a van.', ''];
const steps = [
  () => `insert into volunteer_applications
      (id, ngo_id, project_title, volunteer_name, status, note, created_at, updated_at)
    select ${1_000 + ++next}, ngo_id, title, '${one(names)}', 'submitted',
      nullif('${one(wishes)}', ''), '${now()}', '${now()}'
    from projects where status = 'open' order by random() limit 1`,
  () => `update volunteer_applications set updated_at = '${now()}', status = case status
      when 'submitted' then 'shortlisted' else '${one(['accepted', 'accepted', 'declined'])}' end
    where id = (select id from volunteer_applications
      where status in ('submitted', 'shortlisted') order by random() limit 1)`,
  () => `update projects set updated_at = '${now()}', taken = taken + 1,
      status = case when taken + 1 >= spots then 'full' else status end
    where id = (select id from projects where status = 'open' order by random() limit 1)`,
  () => `update payment_approvals set updated_at = '${now()}', status = case status
      when 'pending' then 'approved' when 'approved' then 'paid' else 'pending' end
    where id = (select id from payment_approvals order by random() limit 1)`,
  () => `update vetting_queue set assigned_to = coalesce(assigned_to, 'Idris Bello'), step = case step
      when 'identity' then 'references' when 'references' then 'interview'
      when 'interview' then 'cleared' else 'identity' end
    where id = (select id from vetting_queue order by random() limit 1)`,
  () => `update volunteers set updated_at = '${now()}', hours = hours + ${1 + (next % 4)},
      status = '${one(['available', 'engaged'])}'
    where id = (select id from volunteers order by random() limit 1)`,
  () => `update users set last_seen_at = '${now()}'
    where id = (select id from users order by random() limit 1)`,
  () => `delete from volunteer_applications where id =
    (select id from volunteer_applications where status = 'declined' and id > 1000
     order by updated_at limit 1)`,
];

for (;;) {
  await new Promise((resolve) => setTimeout(resolve, 900 + Math.random() * 2_400));
  await run('sqlite3', ['-cmd', '.timeout 5000', database, one(steps)()]).catch((error) =>
    console.error(`simulate: ${error.message.split('\n')[0]}`),
  );
}
