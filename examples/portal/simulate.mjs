// The office's CRM at work on its own database; it knows nothing of Tidewire. Started by
// `./run portal`:  node simulate.mjs DATABASE
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const database = process.argv[2];
if (!database) throw new Error('usage: node simulate.mjs DATABASE');

const one = (list) => list[Math.floor(Math.random() * list.length)];
const now = () => new Date().toISOString();
let next = Math.floor(Date.now() / 1000) % 100_000_000;

const says = [
  'We have moved your appointment half an hour forward.',
  'The part has arrived. Shall we come this week?',
  'Thank you for the photograph, that helps.',
  'Tess asks whether there is a ladder in the house.',
];
const steps = [
  () => `update jobs set updated_at = '${now()}', technician = coalesce(technician, 'Tess Moreau'),
      status = case status when 'scheduled' then 'on the way' when 'on the way' then 'in progress'
      when 'in progress' then 'done' else 'scheduled' end
    where id = (select id from jobs order by random() limit 1)`,
  () => `update invoices set updated_at = '${now()}',
      status = case status when 'open' then 'paid' when 'overdue' then 'paid' else 'open' end
    where id = (select id from invoices order by random() limit 1)`,
  () => `insert into messages(id, customer_id, sender, body, created_at)
    values ('s${++next}', ${one([1, 1, 2])}, 'office', '${one(says)}', '${now()}')`,
  () => `insert into loyalty_transactions(id, customer_id, points, reason, created_at)
    values (${1_000 + ++next}, ${one([1, 1, 2])}, ${one([20, 40, 60, -30])}, 'Monthly plan', '${now()}')`,
  () => `update customers set updated_at = '${now()}', tier = '${one(['Silver', 'Gold'])}'
    where id = ${one([1, 2])}`,
];

for (;;) {
  await new Promise((resolve) => setTimeout(resolve, 2_500 + Math.random() * 5_000));
  await run('sqlite3', ['-cmd', '.timeout 5000', database, one(steps)()]).catch((error) =>
    console.error(`simulate: ${error.message.split('\n')[0]}`),
  );
}
