// The real binary: started, killed, restarted, asked for tokens, and fed with webhooks.
import { execFileSync, spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const secret = 'an-end-to-end-test-secret-of-48-characters-00000';
const startMsMax = 15_000;

export function binary() {
  const path = resolve(
    process.env.TIDEWIRE_BIN ??
      fileURLToPath(new URL('../../build/release/tidewire', import.meta.url)),
  );
  if (existsSync(path)) return path;
  console.error(`The binary is missing: ${path}. Build it, or set TIDEWIRE_BIN.`);
  process.exit(1);
}

const environment = { ...process.env, TIDEWIRE_JWT_SECRET: secret };

/** Starts the binary with `args`; resolves when it has printed where it listens. */
async function launch(args, extra) {
  const child = spawn(binary(), args, {
    env: { ...environment, ...extra },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  child.stderr.on('data', (bytes) => (log = (log + bytes).slice(-50_000)));
  const exited = new Promise((done) => child.on('exit', (code, signal) => done({ code, signal })));
  const lines = createInterface({ input: child.stdout });
  const info = await new Promise((done, fail) => {
    const timer = setTimeout(() => fail(new Error(`no answer in time\n${log}`)), startMsMax);
    lines.once('line', (line) => {
      clearTimeout(timer);
      try {
        done(JSON.parse(line));
      } catch {
        fail(new Error(`not JSON: ${line}`));
      }
    });
    void exited.then(({ code, signal }) => {
      clearTimeout(timer);
      fail(new Error(`ended at start: ${code ?? signal}\n${log}`));
    });
  });
  return { child, info, exited, log: () => log };
}

/** `tidewire serve` with the tidewire.yaml of a directory, and its data below it. */
export const launchServe = (directory, listen, extra = {}) =>
  launch(
    [
      'serve',
      '--json',
      ...['--config', join(directory, 'tidewire.yaml'), '--data', join(directory, 'data')],
      ...['--listen', listen],
    ],
    extra,
  );

/**
 * A server of the test's own, in a fresh data directory, without demo traffic.
 * `t.after` ends it and removes the directory.
 */
export async function startTidewire(t, args = [], extra = {}) {
  const data = mkdtempSync(join(tmpdir(), 'tidewire-e2e-'));
  const dev = (listen) =>
    launch(
      ['dev', '--json', '--listen', listen, '--data', data, '--no-demo-traffic', ...args],
      extra,
    );
  let running = await dev('127.0.0.1:0');
  const listen = new URL(running.info.url).host;
  const server = {
    data,
    info: running.info,
    url: running.info.url.replace(/\/$/, ''),
    log: () => running.log(),
    /** Ends it without any warning. */
    async kill() {
      running.child.kill('SIGKILL');
      await running.exited;
    },
    /** Ends it politely; its exit code. */
    async stop() {
      running.child.kill('SIGTERM');
      return (await running.exited).code;
    },
    /** Starts it again on the same port and data. */
    async restart() {
      running = await dev(listen);
      server.info = running.info;
    },
  };
  t.after(async () => {
    running.child.kill('SIGKILL');
    await running.exited;
    rmSync(data, { recursive: true, force: true });
  });
  return server;
}

/** A token made by the product's own command. */
export function mint(claims = {}, { role = 'authenticated', sub = 'u1', ttl = '1h' } = {}) {
  const args = ['token', 'mint', '--role', role, '--sub', sub, '--ttl', ttl];
  for (const [name, value] of Object.entries(claims)) args.push('--claim', `${name}=${value}`);
  const out = execFileSync(binary(), args, { env: environment, encoding: 'utf8' });
  const token = out.split('\n').find((line) => /^[\w-]+\.[\w-]+\.[\w-]+$/.test(line.trim()));
  if (!token) throw new Error(`token mint printed no token: ${out}`);
  return token.trim();
}

/** A token signed by hand, for those that must be refused. */
export function forge(claims, { alg = 'HS256', key = secret } = {}) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const body = `${part({ alg, typ: 'JWT' })}.${part(claims)}`;
  if (alg === 'none') return `${body}.`;
  const hash = alg === 'HS512' ? 'sha512' : 'sha256';
  return `${body}.${createHmac(hash, key).update(body).digest('base64url')}`;
}

export const workspaces = { Northwind: 37, Contoso: 38 };

/** An event of the outreach platform. `lead` is a number; all else follows from it. */
export function hookEvent(
  type,
  lead,
  { workspace = 'Northwind', at = new Date(), more = {} } = {},
) {
  const time = at.toISOString();
  return {
    event: {
      type,
      name: type,
      instance_url: 'https://outreach.example',
      workspace_id: workspaces[workspace] ?? workspace,
      workspace_name: String(workspace),
      timestamp: time,
    },
    data: {
      lead: {
        id: lead,
        email: emailOf(lead),
        first_name: 'Lead',
        last_name: `No${lead}`,
        status: 'in_sequence',
        title: 'Head of Growth',
        company: 'Fjord Analytics',
        custom_variables: [{ name: 'source', value: 'e2e' }],
        unsubscribed_at: time,
      },
      reply: {
        id: 900_000 + lead,
        uuid: `reply-${lead}`,
        date_received: time,
        from_name: `Lead No${lead}`,
        from_email_address: emailOf(lead),
      },
      campaign: { id: 5, name: 'Autumn' },
      sender_email: { id: 3, email: 'sales@northwind.example', name: 'Sales' },
      scheduled_email: { id: 700_000 + lead },
      email: { subject: 'Hello', sent_at: time, opened_at: time, bounced_at: time },
      opened_at: time,
      ...more,
    },
  };
}

export const emailOf = (lead) => `lead${lead}@fjord.example`;

/** Posts a delivery; the answer's status. */
export async function post(server, body, { path = null, headers = {} } = {}) {
  const answer = await fetch(path ?? server.info.hook_url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  await answer.arrayBuffer();
  return answer.status;
}

/** Rows of a table as a token may read them, with the position they are true at. */
export async function read(server, table, token, query = '') {
  const answer = await fetch(`${server.url}/rest/v1/${table}${query}`, {
    headers: { Authorization: `Bearer ${token}`, apikey: token },
  });
  const rows = await answer.json();
  return { status: answer.status, rows, position: answer.headers.get('Tidewire-Position') };
}

/** Runs SQL with the sqlite3 shell on the server's own database, as any other program would. */
export function sqlite(server, sql) {
  const files = readdirSync(server.data, { recursive: true })
    .map((name) => join(server.data, String(name)))
    .filter((path) => /\.(db|sqlite3?)$/.test(path) && statSync(path).isFile());
  for (const file of files) {
    const tables = execFileSync('sqlite3', ['-readonly', file, '.tables'], { encoding: 'utf8' });
    if (!/\bclient_leads\b/.test(tables)) continue;
    return execFileSync('sqlite3', ['-cmd', '.timeout 5000', file, sql], { encoding: 'utf8' });
  }
  throw new Error(`no database with client_leads among: ${files.join(', ')}`);
}

/** Waits until `what()` is true; says what it saw last when it never is. */
export async function until(what, { ms = 10_000, every = 20, says = () => '' } = {}) {
  const end = Date.now() + ms;
  for (;;) {
    const value = await what();
    if (value) return value;
    if (Date.now() > end) throw new Error(`timed out waiting for ${what}\n${says()}`);
    await new Promise((resolve) => setTimeout(resolve, every));
  }
}
