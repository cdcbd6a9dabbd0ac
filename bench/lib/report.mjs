// Turns the raw reports of one subcommand (one JSON object per line) into medians over the runs,
// ratios against the reference of the same run, and bench/results/<date>-<what>.{md,json}.
// Usage: node report.mjs <what> <raw.jsonl> <results folder> <tidewire binary>
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';

const [what, rawPath, resultsFolder, tidewire] = process.argv.slice(2);

function output(command, ...words) {
  try {
    const options = { encoding: 'utf8', timeout: 5000, stdio: ['ignore', 'pipe', 'ignore'] };
    return execFileSync(command, words, options).trim().split('\n')[0];
  } catch {
    return 'not available';
  }
}

function machine() {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memory_gib: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    compiler: output('g++-12', '--version'),
    node: process.version,
    descriptors: output('bash', '-c', 'ulimit -Hn'),
    tidewire: output(tidewire, 'version'),
    commit: output('git', 'describe', '--always', '--dirty'),
  };
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

// Each figure's median over the runs; of texts the first that is not harmless.
function merge(reports) {
  const merged = { runs: reports.length };
  for (const name of new Set(reports.flatMap((report) => Object.keys(report)))) {
    const values = reports.map((report) => report[name]).filter((value) => value !== undefined);
    const text = values.find((value) => value === 'yes') ?? values[0];
    merged[name] = typeof values[0] === 'number' ? median(values) : text;
  }
  // A loss in one run of three is a loss: these are never averaged away.
  for (const name of ['missing', 'duplicates', 'closed', 'channel_errors', 'refused', 'broken',
    'rows_missing']) {
    if (name in merged) merged[name] = Math.max(...reports.map((report) => report[name] ?? 0));
  }
  return merged;
}

function grouped(reports, key) {
  const groups = new Map();
  for (const report of reports) {
    groups.set(key(report), [...(groups.get(key(report)) ?? []), report]);
  }
  return [...groups.values()].map(merge);
}

const show = (value, digits = 2) =>
  value === undefined || Number.isNaN(value) ? '–' : value.toFixed(digits);
const whole = (value) => (value === undefined ? '–' : Math.round(value).toLocaleString('en-US'));

function table(head, rows) {
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

function verdict(text, figure, limit, isReached) {
  if (figure === undefined || Number.isNaN(figure)) return `- ${text}: not measured`;
  const words = isReached ? 'reached' : '**not reached**';
  return `- ${text}: ${show(figure)} (${words}; limit ${limit})`;
}

const atMost = (text, figure, limit) => verdict(text, figure, `≤ ${limit}`, figure <= limit);
const atLeast = (text, figure, limit) => verdict(text, figure, `≥ ${limit}`, figure >= limit);

function fanout(reports) {
  const rows = grouped(reports, (r) => [r.group, r.connections, r.mode, r.server].join());
  for (const row of rows) {
    const reference = rows.find((r) => r.server === 'epoll' && r.group === row.group &&
      r.connections === row.connections && r.mode === row.mode);
    row.ratio = reference && row.cpu_us_per_delivery / reference.cpu_us_per_delivery;
  }
  const head = ['messages', 'sockets', 'mode', 'server', 'CPU µs per delivery', '× reference',
    'deliveries/s', 'p50 ms', 'p99 ms', 'max ms', 'missing', 'doubled', 'closed', 'load core'];
  const lines = rows.map((r) => [
    `${r.group}, ${whole(r.bytes_per_delivery)} B`, r.connections, r.mode, r.server,
    show(r.cpu_us_per_delivery, 3), show(r.ratio), whole(r.deliveries_per_second),
    show(r.latency_p50_ms), show(r.latency_p99_ms), show(r.latency_max_ms), r.missing,
    r.duplicates, r.closed, show(r.load_cpu_share)]);
  const limits = { single: 1.15, saturated: 1.5 };
  const verdicts = rows
    .filter((r) => r.server === 'tidewire' && limits[r.mode])
    .map((r) =>
      atMost(`CPU × reference, ${r.group}, ${r.connections} sockets, ${r.mode}`, r.ratio,
        limits[r.mode]));
  return { rows, text: `${table(head, lines)}\n\n${verdicts.join('\n')}` };
}

function idle(reports) {
  const rows = grouped(reports, (r) => r.server);
  const head = ['server', 'sockets', 'resident bytes per idle joined connection', 'joined in s'];
  const lines = rows.map((r) => [r.server, r.connections, whole(r.resident_bytes_per_connection),
    show(r.join_seconds)]);
  const own = rows.find((r) => r.server === 'tidewire')?.resident_bytes_per_connection;
  const reached = atMost('KiB per idle joined connection', own / 1024, 3);
  return { rows, text: `${table(head, lines)}\n\n${reached}` };
}

function webhook(reports) {
  const rows = grouped(reports.filter((r) => !r.check), (r) => [r.server, r.rate].join());
  const counters = reports.filter((r) => r.check === 'counters');
  const head = ['server', 'asked/s', 'signed', 'accepted/s', 'p50 ms', 'p99 ms', 'p99.9 ms',
    'not 200', 'broken', 'CPU µs per event', 'at rest after s', 'load core'];
  const lines = rows.map((r) => [r.server, r.rate || 'all it takes', r.signed,
    whole(r.accepted_per_second), show(r.reply_p50_ms), show(r.reply_p99_ms),
    show(r.reply_p999_ms), r.refused, r.broken, show(r.cpu_us_per_event, 1),
    show(r.seconds_until_quiet, 1), show(r.load_cpu_share)]);
  const countLines = counters.map((c) => [c.server, whole(c.distinct), whole(c.counted),
    `${show((c.counted / c.distinct - 1) * 100)} %`]);
  const own = rows.find((r) => r.server === 'tidewire' && !r.rate);
  const paced = rows.find((r) => r.server === 'tidewire' && r.rate);
  const verdicts = [atLeast('accepted per second', own?.accepted_per_second, 25000),
    atMost(`reply p99 ms at ${paced?.rate ?? 10000}/s`, paced?.reply_p99_ms, 5)];
  const text = [table(head, lines),
    'Counters after each run, a tenth of the deliveries repeated on purpose:',
    table(['server', 'distinct events', 'counted', 'error'], countLines), verdicts.join('\n')];
  return { rows, counters, text: text.join('\n\n') };
}

function latency(reports) {
  const rows = grouped(reports, (r) => r.server);
  const head = ['server', 'webhooks/s', 'rows received', 'rows missing', 'row p50 ms', 'row p99 ms',
    'row p99.9 ms', 'row max ms', 'reply p99 ms'];
  const lines = rows.map((r) => [r.server, whole(r.accepted_per_second), whole(r.rows_received),
    r.rows_missing, show(r.row_p50_ms), show(r.row_p99_ms), show(r.row_p999_ms), show(r.row_max_ms),
    show(r.reply_p99_ms)]);
  const verdicts = rows.flatMap((r) => [atMost('webhook to row p50 ms', r.row_p50_ms, 15),
    atMost('webhook to row p99 ms', r.row_p99_ms, 100)]);
  return { rows, text: `${table(head, lines)}\n\n${verdicts.join('\n')}` };
}

const lines = readFileSync(rawPath, 'utf8').split('\n').filter(Boolean);
const reports = lines.map((line) => JSON.parse(line));
const host = machine();
const result = { fanout, idle, webhook, latency }[what](reports);
const date = new Date().toISOString().slice(0, 10);
const base = `${resultsFolder}/${date}-${what}`;
const { text, ...figures } = result;
const about = `${host.cpu}, ${host.cores} cores, ${host.memory_gib} GiB, Linux ${host.kernel}, ` +
  `${host.compiler}, Node ${host.node}, ${host.descriptors} descriptors, loopback; ` +
  `commit ${host.commit}, tidewire ${host.tidewire}.\nServer on one core, load on the other. ` +
  'Medians over the runs; losses are the worst run\'s.';
const page = `# Benchmark: ${what}, ${date}\n\n${about}\n\n${text}\n`;
mkdirSync(resultsFolder, { recursive: true });
writeFileSync(`${base}.md`, page);
const record = { what, date, machine: host, ...figures, raw: reports };
writeFileSync(`${base}.json`, `${JSON.stringify(record, null, 1)}\n`);
console.log(page);
