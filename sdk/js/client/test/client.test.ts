import { afterEach, expect, it } from 'vitest';
import WebSocket from 'ws';
import { fakeToken, startFakeServer } from '../../../../tests/e2e/fake-server.mjs';
import { createClient, TidewireError, type Client, type ClientOptions } from '../src/index.js';

type Server = Awaited<ReturnType<typeof startFakeServer>>;
interface Lead {
  id: number;
  workspace: string;
  stage: string;
}

const tables = { leads: ['id'] };
const visible = (row: Lead, claims: { workspace?: string }) => row.workspace === claims?.workspace;
const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const run of undo.splice(0).reverse()) await run();
});

async function server(options: object = {}): Promise<Server> {
  const made = await startFakeServer({ tables, visible: visible as any, ...options } as any);
  undo.push(() => made.stop());
  return made;
}

function clientOf(s: Server, options: Partial<ClientOptions> = {}): Client {
  const made = createClient({
    url: s.url,
    accessToken: fakeToken({ workspace: 'n' }),
    WebSocket: WebSocket as any,
    reconnect: { baseMs: 20, maxMs: 100 },
    ...options,
  });
  undo.push(() => made.close());
  return made;
}

async function until(what: () => boolean, ms = 5_000): Promise<void> {
  const end = Date.now() + ms;
  while (!what()) {
    if (Date.now() > end) throw new Error(`timed out waiting for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const lead = (id: number, stage = 'new', workspace = 'n') => ({ id, workspace, stage });

it('delivers inserts, updates, deletes and leaves, and only what may be seen', async () => {
  const s = await server();
  const client = clientOf(s);
  const seen: string[] = [];
  const subscription = client.subscribe<Lead>({
    table: 'leads',
    filter: 'stage=eq.new',
    onChange: (c) => seen.push(`${c.type} ${c.record?.id ?? c.oldRecord?.id}`),
  });
  await until(() => subscription.status === 'live');
  s.insert('leads', lead(1));
  s.insert('leads', lead(2, 'new', 'other'));
  s.update('leads', { id: 1, workspace: 'n' });
  s.update('leads', { id: 1, stage: 'won' });
  s.insert('leads', lead(3));
  s.remove('leads', lead(3));
  await until(() => seen.length === 5);
  expect(seen).toEqual(['INSERT 1', 'UPDATE 1', 'LEAVE 1', 'INSERT 3', 'DELETE 3']);
  expect(subscription.position).toBe(s.position());
});

it('resumes after a cut with everything, once, and says so', async () => {
  const s = await server();
  const client = clientOf(s);
  const seen: number[] = [];
  const verdicts: boolean[] = [];
  const states: string[] = [];
  client.onStatus((status) => states.push(status.state));
  const subscription = client.subscribe<Lead>({
    table: 'leads',
    onChange: (c) => seen.push(c.record!.id),
    onVerdict: (v) => verdicts.push(v.recovered),
  });
  await until(() => subscription.status === 'live');
  s.insert('leads', lead(1));
  await until(() => seen.length === 1);
  s.cut();
  s.insert('leads', lead(2));
  s.insert('leads', lead(3));
  await until(() => verdicts.length === 1);
  s.insert('leads', lead(4));
  await until(() => seen.length === 4);
  expect(seen).toEqual([1, 2, 3, 4]);
  expect(verdicts).toEqual([true]);
  expect(states).toEqual(expect.arrayContaining(['connecting', 'connected', 'reconnecting']));
  expect(client.status).toMatchObject({ state: 'connected', simple: 'connected', attempt: 0 });
});

it('carries several subscriptions on one socket, and stops one alone', async () => {
  const s = await server();
  const client = clientOf(s);
  const seen = { a: 0, b: 0 };
  const a = client.subscribe({ table: 'leads', onChange: () => seen.a++ });
  const b = client.subscribe({ table: 'leads', onChange: () => seen.b++ });
  await until(() => a.status === 'live' && b.status === 'live');
  expect(s.sockets.size).toBe(1);
  expect(s.state.joins.map((join: any) => join.topic)).toEqual([
    'realtime:public.leads',
    'realtime:public.leads.2',
  ]);
  a.unsubscribe();
  a.unsubscribe();
  s.insert('leads', lead(1));
  await until(() => seen.b === 1);
  expect(seen.a).toBe(0);
  expect(a.status).toBe('closed');
});

it('starts at a position of an earlier session', async () => {
  const s = await server();
  s.insert('leads', lead(1));
  const since = s.position();
  s.insert('leads', lead(2));
  const seen: number[] = [];
  const verdicts: unknown[] = [];
  clientOf(s).subscribe<Lead>({
    table: 'leads',
    since,
    onChange: (c) => seen.push(c.record!.id),
    onVerdict: (v) => verdicts.push(v),
  });
  await until(() => verdicts.length === 1);
  expect(seen).toEqual([2]);
  expect(verdicts).toEqual([{ recovered: true, reason: null }]);
});

it('asks for a token per attempt, and reports a refusal until it heals', async () => {
  const s = await server();
  let asked = 0;
  const client = clientOf(s, {
    accessToken: async () => {
      if (++asked === 1) throw new Error('signed out');
      return fakeToken({ workspace: 'n' });
    },
  });
  const state = s.state as { rejectJoin: string | null };
  state.rejectJoin = 'Unauthorized: no';
  const errors: (string | null)[] = [];
  const subscription = client.subscribe({ table: 'leads', onStatus: (_s, e) => errors.push(e) });
  await until(() => subscription.status === 'refused');
  expect(errors).toContain('Unauthorized: no');
  state.rejectJoin = null;
  await until(() => subscription.status === 'live');
  expect(asked).toBeGreaterThanOrEqual(3);
});

it('survives an error in a callback', async () => {
  const s = await server();
  const client = clientOf(s);
  const caught: unknown[] = [];
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (error) => caught.push(error));
  undo.push(() => {
    process.removeAllListeners('uncaughtException');
    for (const listener of listeners) process.on('uncaughtException', listener);
  });
  let calls = 0;
  const subscription = client.subscribe({
    table: 'leads',
    onChange: () => {
      if (++calls === 1) throw new Error('mine');
    },
  });
  await until(() => subscription.status === 'live');
  s.insert('leads', lead(1));
  s.insert('leads', lead(2));
  await until(() => calls === 2 && caught.length === 1);
});

it('pauses, and misses nothing', async () => {
  const s = await server();
  const client = clientOf(s);
  const seen: number[] = [];
  const subscription = client.subscribe<Lead>({
    table: 'leads',
    onChange: (c) => seen.push(c.record!.id),
  });
  await until(() => subscription.status === 'live');
  client.pause();
  expect(client.status.state).toBe('offline');
  await until(() => s.sockets.size === 0);
  s.insert('leads', lead(1));
  client.resume();
  await until(() => seen.length === 1);
});

it('reads a table with its position, and says why not', async () => {
  const s = await server();
  s.insert('leads', lead(1));
  const client = clientOf(s);
  const result = await client.select<Lead>('leads', { filters: { workspace: 'eq.n' } });
  expect(result).toEqual({ rows: [lead(1)], position: s.position() });
  await expect(client.select('nope')).rejects.toMatchObject({
    status: 404,
    message: 'no table nope',
  });
  await s.stop();
  await expect(client.select('leads')).rejects.toBeInstanceOf(TidewireError);
});

it('keeps rows true from the snapshot on, without a gap', async () => {
  const s = await server();
  s.insert('leads', lead(1));
  s.insert('leads', lead(2));
  s.state.delayMs = 60;
  const rows = clientOf(s).live<Lead>('leads', { order: 'id.desc' });
  undo.push(() => rows.close());
  const ids = () => rows.snapshot.rows.map((row) => `${row.id}${row.stage}`).join(' ');
  // Committed after the server has read, before the answer arrives: only the stream has it.
  await until(() => s.state.requests.length === 1);
  s.insert('leads', lead(3));
  await until(() => rows.snapshot.status === 'live');
  expect(ids()).toBe('3new 2new 1new');
  s.update('leads', { id: 1, stage: 'won' });
  s.remove('leads', lead(2));
  await until(() => ids() === '3new 1won');
  const before = rows.snapshot;
  s.update('leads', { id: 3, workspace: 'other' });
  await until(() => ids() === '1won');
  expect(before.rows).toHaveLength(2);
});

it('reads the rows again when it could not be recovered', async () => {
  const s = await server();
  s.insert('leads', lead(1));
  const rows = clientOf(s).live<Lead>('leads', { order: 'id' });
  undo.push(() => rows.close());
  await until(() => rows.snapshot.status === 'live');
  s.cut();
  s.remove('leads', lead(1));
  s.insert('leads', lead(2));
  s.state.logFrom = s.log.entries.length;
  await until(() => rows.snapshot.rows.map((row) => row.id).join() === '2');
  expect(s.state.requests).toHaveLength(2);
  await until(() => rows.snapshot.status === 'live');
});

it('tries a failed read again, keeping the error in sight', async () => {
  const s = await server();
  const { port } = s;
  await s.stop();
  const client = clientOf(s);
  const rows = client.live<Lead>('leads');
  undo.push(() => rows.close());
  await until(() => rows.snapshot.error !== null);
  const again = await server({ port });
  again.insert('leads', lead(1));
  await until(() => rows.snapshot.status === 'live');
  expect(rows.snapshot).toMatchObject({ error: null, rows: [lead(1)] });
});
