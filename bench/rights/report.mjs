// The table and the JSON of bench/rights/run.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';

const [work, sqlChanges, loadBefore, loadAfter, results] = process.argv.slice(2);
const ticks = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

const ours = readFileSync(join(work, 'ours.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line));

const sql = [1_000, 10_000].map((subscribers) => {
  const [before, readers, after] = readFileSync(join(work, `sql.${subscribers}`), 'utf8')
    .trim()
    .split('\n')
    .map(Number);
  if (readers !== Number(sqlChanges)) throw new Error(`${readers} readers of ${sqlChanges} rows`);
  return { subscribers, us_per_change: ((after - before) / ticks / Number(sqlChanges)) * 1e6 };
});

const of = (subscribers) => ours.find((row) => row.subscribers === subscribers);
const verdict = (ok) => (ok ? 'reached' : 'missed');
const perSecond = (us) => Math.round(1e6 / us).toLocaleString('en');
const limits = [
  ['changes/s at 10 000 subscribers', 1e6 / of(10_000).us_per_change, '≥', 100_000],
  ['changes/s at 100 000 subscribers', 1e6 / of(100_000).us_per_change, '≥', 80_000],
  ['bytes per subscription at 100 000', of(100_000).bytes_per_subscription, '≤', 600],
  ['µs for a change that nobody wants', of(100_000).us_unwanted, '≤', 1],
].map(([what, value, sign, limit]) => ({
  what,
  value,
  limit: `${sign} ${limit}`,
  verdict: verdict(sign === '≥' ? value >= limit : value <= limit),
}));

const lines = [
  '# Authorised changes: in memory, and per subscriber in SQL',
  '',
  `${cpus().length} cores, ${cpus()[0].model}; load average ${loadBefore} before, ${loadAfter} after the run`,
  '(what else ran meanwhile); all times are CPU time of the process that decides. Ours: typed row →',
  'decision → encoded frame. SQL: the decision alone, without decoding and encoding.',
  '',
  '| Subscribers | ours, 1-row commits | ours, 1 000-row commits | nobody wants it | bytes/subscription | SQL per subscriber | ratio |',
  '|---|---|---|---|---|---|---|',
  ...ours.map((row) => {
    const other = sql.find((item) => item.subscribers === row.subscribers);
    return `| ${row.subscribers.toLocaleString('en')} | ${row.us_per_change.toFixed(2)} µs, ${perSecond(row.us_per_change)}/s | ${row.us_per_change_bulk.toFixed(2)} µs | ${row.us_unwanted.toFixed(2)} µs | ${row.bytes_per_subscription} | ${other ? `${Math.round(other.us_per_change).toLocaleString('en')} µs, ${(1e6 / other.us_per_change).toFixed(1)}/s` : '–'} | ${other ? `${Math.round(other.us_per_change / row.us_per_change).toLocaleString('en')} ×` : '–'} |`;
  }),
  '',
  '| Figure | Value | Limit | |',
  '|---|---|---|---|',
  ...limits.map(
    ({ what, value, limit, verdict: said }) =>
      `| ${what} | ${value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2)} | ${limit} | ${said} |`,
  ),
  '',
];
console.log(lines.join('\n'));
const name = join(results, `${new Date().toISOString().slice(0, 10)}-rights`);
writeFileSync(`${name}.md`, lines.join('\n'));
writeFileSync(
  `${name}.json`,
  `${JSON.stringify({ ours, sql, limits, load: { before: loadBefore, after: loadAfter } }, null, 2)}\n`,
);
