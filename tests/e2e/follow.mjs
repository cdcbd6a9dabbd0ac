// A reader that proves: rows from a snapshot, then changes, over any transport, across any cuts. It
// fails at the first gap, repeat or disorder, because every change is checked against the row that the
// reader has.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import WebSocket from 'ws';
import { launchServe } from './server.mjs';

/**
 * `tidewire serve` with files of the test's own, or with those that a function of their directory
 * gives; kill -9 and again with `restart`.
 */
export async function serve(t, files, { env = {} } = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'tidewire-serve-'));
  const all = typeof files === 'function' ? files(directory) : files;
  for (const [name, text] of Object.entries(all)) writeFileSync(join(directory, name), text);
  const data = join(directory, 'data');
  let running = await launchServe(directory, '127.0.0.1:0', env);
  const listen = new URL(running.info.url).host;
  const server = {
    directory,
    data,
    url: running.info.url.replace(/\/$/, ''),
    database: join(data, 'tidewire.db'),
    log: () => running.log(),
    pid: () => running.child.pid,
    signal: (name) => running.child.kill(name),
    write: (name, text) => writeFileSync(join(directory, name), text),
    sql: (text) =>
      execFileSync('sqlite3', ['-cmd', '.timeout 5000', join(data, 'tidewire.db'), text], {
        encoding: 'utf8',
      }),
    async restart(signal = 'SIGKILL') {
      running.child.kill(signal);
      await running.exited;
      running = await launchServe(directory, listen, env);
    },
  };
  t.after(async () => {
    running.child.kill('SIGKILL');
    await running.exited;
    rmSync(directory, { recursive: true, force: true });
  });
  return server;
}

/**
 * A database shell that stays, like another program: `run` takes statements and resolves when they are
 * done. `command` is that of sqlite3 unless another one is given.
 */
export function shell(t, command) {
  const [program, ...args] = Array.isArray(command)
    ? command
    : ['sqlite3', '-bail', '-cmd', '.timeout 20000', command];
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (bytes) => (errors += bytes));
  const waiting = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line === 'done') waiting.shift()?.done();
  });
  child.on('exit', () => {
    for (const { fail } of waiting) fail(new Error(`${program}: ${errors}`));
  });
  t.after(() => child.kill('SIGKILL'));
  return {
    run: (sql) =>
      new Promise((done, fail) => {
        waiting.push({ done, fail });
        child.stdin.write(`${sql};\nselect 'done';\n`);
      }),
  };
}

/** Messages of a connection over one of the transports; `onEnd(code)` once, however it ends. */
export function connect(kind, url, token, joining, { onMessage, onEnd, last }) {
  const ended = (() => {
    let done = false;
    return (code) => {
      if (!done) onEnd(code);
      done = true;
    };
  })();
  if (kind === 'ws') {
    const target = `${url.replace(/^http/, 'ws')}/realtime/v1/websocket?vsn=2.0.0&apikey=${token}`;
    const socket = new WebSocket(target);
    socket.on('open', () => socket.send(JSON.stringify(joining)));
    socket.on('message', (bytes) => onMessage(JSON.parse(String(bytes))));
    socket.on('close', (code) => ended(code));
    socket.on('error', () => ended(1006));
    return {
      cut: () => socket.terminate(),
      say: (message) => socket.readyState === 1 && socket.send(JSON.stringify(message)),
    };
  }
  const abort = new AbortController();
  let session = '';
  const query = `vsn=2.0.0&apikey=${token}&join=${encodeURIComponent(JSON.stringify(joining))}${
    last ? `&last_event_id=${last}` : ''
  }`;
  const path = `${url}/realtime/v1/${kind}`;
  const sse = async () => {
    const answer = await fetch(`${path}?${query}`, { signal: abort.signal });
    if (answer.status !== 200) return answer.status;
    let text = '';
    for await (const bytes of answer.body.pipeThrough(new TextDecoderStream())) {
      text += bytes;
      for (let end; (end = text.indexOf('\n\n')) >= 0; text = text.slice(end + 2)) {
        const fields = text.slice(0, end).split('\n');
        const event = fields.find((line) => line.startsWith('event: '))?.slice(7);
        const data = fields.filter((line) => line.startsWith('data: ')).map((l) => l.slice(6));
        if (data.length === 0) continue;
        if (event === 'session') session = JSON.parse(data[0]).session;
        else if (event === 'close') return JSON.parse(data[0]).code;
        else if (!event || event === 'message') onMessage(JSON.parse(data.join('\n')));
      }
    }
    return 1006;
  };
  const poll = async () => {
    let ack = 0;
    for (let first = true; ; first = false) {
      const asked = first ? query : `session=${session}&ack=${ack}&apikey=${token}`;
      const answer = await fetch(`${path}?${asked}`, { signal: abort.signal });
      if (answer.status !== 200) return answer.status;
      const body = await answer.json();
      session = body.session;
      for (const message of body.messages) onMessage(message);
      ack = body.seq;
      if (body.closed) return body.closed.code;
    }
  };
  void (kind === 'sse' ? sse() : poll()).then(ended, () => ended(1006));
  return {
    cut: () => abort.abort(),
    say: (message) =>
      void fetch(`${path}?session=${session}&apikey=${token}`, {
        method: 'POST',
        body: JSON.stringify(message),
      }).catch(() => {}),
  };
}

/**
 * Follows table `counters` (id, owner, n): keeps its rows as the server tells them, and asserts of each
 * change that it fits them. `stats` counts what happened.
 */
export class Follower {
  rows = new Map();
  position = null;
  live = false;
  failure = null;
  stats = { snapshots: 0, resumes: 0, refused: 0, changes: 0, connections: {}, codes: {} };
  #line = null;
  #stale = false;

  constructor(url, { token, snapshot = true, name = '' }) {
    Object.assign(this, { url, token, snapshot, name });
  }

  open(kind) {
    this.kind = kind;
    this.live = false;
    this.stats.connections[kind] = (this.stats.connections[kind] ?? 0) + 1;
    const tidewire = { positions: true, leave: true, snapshot: this.snapshot };
    if (this.position) tidewire.since = this.position;
    const config = {
      presence: { enabled: false },
      postgres_changes: [{ event: '*', schema: 'public', table: 'counters' }],
      tidewire,
    };
    const token = typeof this.token === 'function' ? this.token() : this.token;
    const joining = ['1', '1', 'realtime:counters', 'phx_join', { config, access_token: token }];
    let mine = true;
    const line = connect(kind, this.url, token, joining, {
      onMessage: (message) => {
        if (!mine || this.failure) return;
        try {
          this.take(message);
        } catch (error) {
          this.failure = error;
        }
      },
      onEnd: (code) => {
        if (!mine) return;
        mine = false;
        this.stats.codes[code] = (this.stats.codes[code] ?? 0) + 1;
        this.live = false;
        this.#line = null;
      },
    });
    this.#line = {
      ...line,
      cut: () => {
        mine = false;
        line.cut();
      },
    };
  }
  get connected() {
    return this.#line !== null;
  }
  cut() {
    this.#line?.cut();
    this.#line = null;
    this.live = false;
  }
  say(message) {
    this.#line?.say(message);
  }

  #after(position) {
    const [epoch, offset] = position.split(':');
    if (!this.position) return true;
    const [mine, at] = this.position.split(':');
    return epoch !== mine || BigInt(offset) > BigInt(at);
  }

  /** Throws when the message does not fit what came before. */
  take([, , topic, event, payload]) {
    if (topic !== 'realtime:counters') return;
    if (event === 'phx_reply') return this.#reply(payload);
    if (event === 'phx_close' || event === 'phx_error') {
      this.closed = true;
      return;
    }
    if (event === 'system' && payload.extension === 'tidewire') return this.#system(payload);
    if (event === 'postgres_changes') this.#change(payload);
  }

  #reply({ status, response }) {
    if (!response.tidewire && !response.reason) return; // Of a leave, or of a new token.
    if (status !== 'ok') {
      this.refused = response.reason;
      return;
    }
    const { recovered, snapshot, position } = response.tidewire;
    if (this.position) {
      if (recovered) this.stats.resumes++;
      else this.stats.refused++;
      assert.notEqual(recovered, null, 'a position without a verdict');
    }
    if (recovered) {
      assert.equal(snapshot, undefined);
      return;
    }
    // The stream begins at `position`; whatever the reader has is of no use.
    assert.ok(snapshot?.complete, `no rows: ${JSON.stringify(response.tidewire)}`);
    this.stats.snapshots++;
    this.position = position;
    this.#stale = true;
    this.pages = { expected: snapshot.pages, rows: snapshot.rows, seen: 0 };
  }

  #system(payload) {
    if (payload.message === 'snapshot') {
      if (this.#stale) this.rows.clear();
      this.#stale = false;
      assert.equal(payload.position, this.position);
      assert.equal(payload.page, ++this.pages.seen, 'pages come in order');
      for (const row of payload.rows) {
        assert.ok(!this.rows.has(row.id), `row ${row.id} twice in a snapshot`);
        this.rows.set(row.id, row);
      }
      if (payload.page === payload.pages) assert.equal(this.rows.size, this.pages.rows);
    } else if (payload.message === 'caught_up') {
      assert.ok(!this.pages || this.pages.seen === this.pages.expected, 'pages are missing');
      this.live = true;
      this.position = payload.position;
    }
  }

  #change({ position, data: { type, record, old_record: old } }) {
    assert.ok(this.#after(position), `${this.name}: ${position} after ${this.position}`);
    this.position = position;
    this.stats.changes++;
    const id = (record ?? old).id;
    const have = this.rows.get(id);
    const where = `${this.name} ${type} of ${id} at ${position}, having ${JSON.stringify(have)}`;
    if (type === 'INSERT') {
      assert.equal(have, undefined, where);
      this.rows.set(id, record);
    } else if (type === 'UPDATE') {
      // A row that came into sight arrives as an update whose old row shows its key only.
      if (have) assert.equal(record.n, have.n + 1, `${where}: ${record.n}`);
      else assert.equal(old.n, undefined, where);
      this.rows.set(id, record);
    } else {
      assert.ok(have, where);
      this.rows.delete(id);
    }
  }
}

/**
 * One step of a writer's random work: SQL that changes some rows of `counters`. `next` are the ids that
 * it gives: `{ id, step }`.
 */
export function work(random, next, owners = ['u1', 'u2', 'u3'], begin = 'begin immediate') {
  const some = (n) => Math.floor(random() * n);
  const owner = () => `'${owners[some(owners.length)]}'`;
  const statements = [];
  // What a PostgreSQL commit did to a row is told as one change: no row is updated twice in one.
  const touched = new Set();
  for (let i = 0; i <= some(4); i++) {
    const id = 1 + some(Math.max(1, next.id - 1));
    const what = random();
    if (what >= 0.25 && touched.has(id)) continue;
    touched.add(id);
    if (what < 0.25) {
      statements.push(`insert into counters(id, owner, n) values(${next.id}, ${owner()}, 0)`);
      next.id += next.step ?? 1;
    } else if (what < 0.8) statements.push(`update counters set n = n + 1 where id = ${id}`);
    else if (what < 0.9) {
      statements.push(`update counters set n = n + 1, owner = ${owner()} where id = ${id}`);
    } else statements.push(`delete from counters where id = ${id}`);
  }
  return `${begin};${statements.join(';')};commit`;
}

/** Mulberry32: small, seeded, printed by its users. */
export function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export const counters = {
  'tidewire.yaml': `version: 1
server:
  listen: 127.0.0.1:0
auth:
  jwt_secret: \${env:TIDEWIRE_JWT_SECRET}
store:
  schema: [schema.sql]
tables:
  counters:
    policies:
      - { name: own, using: owner = auth.uid() }
`,
  'schema.sql':
    'create table if not exists counters(id integer primary key, owner text, n integer);',
};
