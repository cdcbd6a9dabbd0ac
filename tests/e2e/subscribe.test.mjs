// `tidewire subscribe`, the client in C++, against the real binary.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { binary, emailOf, hookEvent, mint, post, sqlite, startTidewire, until } from './server.mjs';

const limit = { timeout: 90_000 };

function folder(t) {
  const path = mkdtempSync(join(tmpdir(), 'tidewire-subscribe-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Runs the verb; `lines` grow as it prints, `ended` resolves with its exit code. */
function subscribe(t, url, args = [], token = mint({ workspace_id: 37 })) {
  const child = spawn(binary(), ['subscribe', 'client_leads', '--url', url, ...args], {
    env: { ...process.env, TIDEWIRE_TOKEN: token },
  });
  const lines = [];
  let rest = '';
  let errors = '';
  child.stdout.on('data', (bytes) => {
    const parts = (rest + bytes).split('\n');
    rest = parts.pop();
    lines.push(...parts.map((line) => JSON.parse(line)));
  });
  child.stderr.on('data', (bytes) => (errors += bytes));
  const ended = new Promise((done) => child.on('close', (code, signal) => done(code ?? signal)));
  t.after(() => child.kill('SIGKILL'));
  const of = (type) => lines.filter((line) => line.type === type);
  return {
    child,
    ended,
    of,
    errors: () => errors,
    emails: () => of('change').map(({ record, old_record }) => (record ?? old_record).lead_email),
    live: () => until(() => of('live').length > 0, { says: () => errors }),
  };
}

const emails = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => emailOf(from + i));
async function add(server, from, to, more) {
  for (let i = from; i <= to; i++) await post(server, hookEvent('CONTACT_REPLIED', i, more));
}

test('prints each change of what one may see, and ends after --count', limit, async (t) => {
  const server = await startTidewire(t);
  const run = subscribe(t, server.url, ['--count', '3', '--filter', 'pipeline_stage=eq.replied']);
  await run.live();
  await add(server, 1, 1);
  await add(server, 2, 2, { workspace: 'Contoso' });
  const where = `where lead_email = '${emailOf(1)}'`;
  sqlite(server, `update client_leads set pipeline_stage = 'closed' ${where}`);
  await add(server, 3, 4);
  assert.equal(await run.ended, 0);
  const changes = run.of('change');
  assert.deepEqual(
    changes.map(({ action }) => action),
    ['INSERT', 'LEAVE', 'INSERT'],
  );
  assert.deepEqual(run.emails(), [emailOf(1), emailOf(1), emailOf(3)]);
  assert.equal(changes[0].record.pipeline_stage, 'replied');
  assert.equal(changes[1].record, null);
  assert.match(changes[0].position, /^[0-9a-f]{16}:\d+$/);
  assert.ok(Math.abs(Date.parse(changes[0].commit_timestamp) - Date.now()) < 60_000);
});

test('a killed server and a killed client lose nothing', limit, async (t) => {
  const server = await startTidewire(t);
  const kept = join(folder(t), 'position');
  let run = subscribe(t, server.url, ['--position-file', kept]);
  await run.live();
  await add(server, 1, 3);
  await until(() => run.emails().length === 3);
  await server.kill();
  await server.restart();
  await add(server, 4, 5);
  await until(() => run.emails().length === 5, { ms: 30_000, says: run.errors });
  assert.deepEqual(
    run.of('verdict').map(({ recovered, reason }) => [recovered, reason]),
    run.of('verdict').map(() => [true, null]),
  );
  const first = run.emails();
  run.child.kill('SIGKILL');
  await run.ended;
  await add(server, 6, 8);
  run = subscribe(t, server.url, ['--position-file', kept]);
  await until(() => run.emails().length >= 3);
  await until(() => run.of('verdict').length === 1);
  assert.deepEqual([...new Set([...first, ...run.emails()])], emails(1, 8));
  assert.ok(run.emails().length <= 4, 'at most what was being printed comes twice');
  // Told to end, it ends well, and the next run goes on.
  await add(server, 9, 9);
  await until(() => run.emails().includes(emailOf(9)));
  run.child.kill('SIGTERM');
  assert.equal(await run.ended, 0);
  assert.match(readFileSync(kept, 'utf8'), /^[0-9a-f]{16}:\d+\n$/);
});

test('says by its exit code why it ended', limit, async (t) => {
  const server = await startTidewire(t);
  const code = async (args, token, url = server.url) => {
    const run = subscribe(t, url, args, token);
    return { code: await run.ended, errors: run.errors() };
  };
  const bad = await code([], 'not-a-token');
  assert.equal(bad.code, 4);
  assert.match(bad.errors, /refused the key \(40[13]\)/);
  assert.ok(!bad.errors.includes('not-a-token'));
  const away = await code(['--attempts', '2'], undefined, 'http://127.0.0.1:9');
  assert.equal(away.code, 5);
  assert.match(away.errors, /cannot be reached/);
  const gap = await code(['--since', '00000000000000aa:1', '--fail-on-gap']);
  assert.equal(gap.code, 6);
  assert.match(gap.errors, /epoch_changed/);
  for (const args of [['--event', 'TRUNCATE'], ['--url', 'ftp://x'], ['--no-such-option']]) {
    assert.equal((await code(args)).code, 2, args.join(' '));
  }
  assert.equal((await code(['--url', 'https://127.0.0.1', '--ca', '/nowhere.pem'])).code, 2);
  const filter = await code(['--filter', 'no_such_column=eq.1']);
  assert.equal(filter.code, 1);
  assert.match(filter.errors, /no_such_column/);
});

test('over TLS it trusts what it is told to, and nothing else', limit, async (t) => {
  const at = folder(t);
  const [key, cert, config] = ['key.pem', 'cert.pem', 'tidewire.yaml'].map((name) =>
    join(at, name),
  );
  cpSync(fileURLToPath(new URL('../../examples/outreach', import.meta.url)), at, {
    recursive: true,
    filter: (path) => !path.includes('/web'),
  });
  const request = [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
    ...['-keyout', key, '-out', cert, '-days', '2', '-subj', '/CN=localhost'],
    ...['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
  ];
  execFileSync('openssl', request, { stdio: 'ignore' });
  const tls = `server:\n  tls: { certificate: ${cert}, key: ${key} }\n`;
  writeFileSync(config, readFileSync(config, 'utf8').replace('server:\n', tls));
  const server = await startTidewire(t, ['--config', config]);
  const run = subscribe(t, server.url, ['--ca', cert, '--count', '1']);
  await run.live();
  sqlite(
    server,
    `insert into client_leads (workspace_name, workspace_id, lead_email, pipeline_stage)
     values ('Northwind', 37, '${emailOf(1)}', 'replied')`,
  );
  assert.equal(await run.ended, 0, run.errors());
  const stranger = subscribe(t, server.url, ['--attempts', '1']);
  assert.equal(await stranger.ended, 5);
  assert.match(stranger.errors(), /certificate/);
});
