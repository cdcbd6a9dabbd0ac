import { notifyManager, QueryClient, QueryObserver } from '@tanstack/query-core';
import type { Change, Client, SubscribeOptions } from '@tidewire/client';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { attachQueryClient, realtimeQueryOptions } from '../src/index.js';

interface Row {
  id: number;
  /** The offset of the commit that made it. */
  version: number;
  status: string;
}

/** A reproducible source of chance. */
function chance(seed: number) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return { next, below: (n: number) => Math.floor(next() * n) };
}

/** A server whose reads are slow or fail, and whose stream lags, breaks and may lose its place. */
class World {
  offset = 0;
  rows = new Map<number, Row>();
  log: Change<Row>[] = [];
  streams: { options: SubscribeOptions<any>; at: number; live: boolean; open: boolean }[] = [];
  constructor(readonly random: ReturnType<typeof chance>) {}

  position = (offset: number) => `e:${offset}`;

  commit() {
    // One to three rows in one commit.
    const timestamp = `t${this.offset}`;
    for (let n = 1 + this.random.below(3); n > 0; n--) {
      const id = this.random.below(6);
      const old = this.rows.get(id) ?? null;
      this.offset++;
      const gone = old && this.random.next() < 0.25;
      const row = { id, version: this.offset, status: `s${this.random.below(4)}` };
      if (gone) this.rows.delete(id);
      else this.rows.set(id, row);
      this.log.push({
        type: gone ? 'DELETE' : old ? 'UPDATE' : 'INSERT',
        schema: 'public',
        table: 'rows',
        commitTimestamp: timestamp,
        record: gone ? null : row,
        oldRecord: old ? { id } : null,
        errors: null,
        position: this.position(this.offset),
      } as Change<Row>);
    }
  }

  write(id: number, status: string) {
    const old = this.rows.get(id);
    if (!old) return;
    this.offset++;
    const row = { id, version: this.offset, status };
    this.rows.set(id, row);
    this.log.push({
      type: 'UPDATE',
      schema: 'public',
      table: 'rows',
      commitTimestamp: `t${this.offset}`,
      record: row,
      oldRecord: { id },
      errors: null,
      position: this.position(this.offset),
    } as Change<Row>);
  }

  deliver(all = false) {
    for (const stream of this.streams) {
      if (!stream.open || !stream.live) continue;
      const until = all ? this.offset : stream.at + this.random.below(3);
      for (const change of this.log.slice(stream.at, until)) stream.options.onChange?.(change);
      stream.at = Math.max(stream.at, Math.min(until, this.offset));
    }
  }

  cut() {
    for (const stream of this.streams) {
      if (!stream.live) continue;
      stream.live = false;
      stream.options.onStatus?.('waiting', null);
    }
  }

  reconnect() {
    for (const stream of this.streams) {
      if (stream.live || !stream.open) continue;
      stream.live = true;
      if (this.random.next() < 0.4) {
        stream.at = this.offset;
        stream.options.onVerdict?.({ recovered: false, reason: 'expired' });
        stream.options.onStatus?.('live', null);
      } else {
        stream.options.onStatus?.('catching-up', null);
        for (const change of this.log.slice(stream.at)) stream.options.onChange?.(change);
        stream.at = this.offset;
        stream.options.onVerdict?.({ recovered: true, reason: null });
        stream.options.onStatus?.('live', null);
      }
    }
  }

  client(): Client {
    return {
      subscribe: (options: SubscribeOptions<any>) => {
        const stream = { options, at: this.offset, live: false, open: true };
        this.streams.push(stream);
        setTimeout(() => {
          stream.live = true;
          stream.at = this.offset;
          options.onStatus?.('live', null);
        }, this.random.below(20));
        const position = () => this.position(stream.at);
        return {
          unsubscribe: () => void (stream.open = false),
          get position() {
            return position();
          },
          get status() {
            return stream.live ? 'live' : 'waiting';
          },
        };
      },
      select: async () => {
        await new Promise((resolve) => setTimeout(resolve, this.random.below(15)));
        const failed = this.random.next() < 0.15;
        const rows = [...this.rows.values()].sort((a, b) => a.id - b.id).map((row) => ({ ...row }));
        const position = this.position(this.offset);
        await new Promise((resolve) => setTimeout(resolve, this.random.below(40)));
        if (failed) throw new Error('the read failed');
        return { rows, position };
      },
    } as unknown as Client;
  }
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const runs = Number(process.env['TIDEWIRE_TEST_RUNS'] ?? 120);
const first = Number(process.env['TIDEWIRE_TEST_SEED'] ?? Math.floor(Math.random() * 1e6));

async function simulate(seed: number) {
  const random = chance(seed);
  const world = new World(random);
  for (let n = random.below(5); n > 0; n--) world.commit();
  const queries = new QueryClient({
    defaultOptions: { queries: { retry: 2, retryDelay: 5, networkMode: 'always' } },
  });
  const client = world.client();
  const attachment = attachQueryClient(client, queries, {
    windowMs: 5,
    frameMs: 3,
    confirmMs: 40,
  });
  const options = realtimeQueryOptions<Row>(client, {
    queryKey: ['rows'],
    table: 'rows',
    order: 'id',
  });
  const observer = new QueryObserver(queries, options);
  const versions = new Map<number, number>();
  let shown = 0;
  const look = () => {
    const rows = observer.getCurrentResult().data;
    if (!rows) return;
    shown++;
    for (const { id, version } of rows) {
      const before = versions.get(id) ?? 0;
      expect(version, `row ${id} went back (seed ${seed})`).toBeGreaterThanOrEqual(before);
      versions.set(id, version);
    }
  };
  // As a component is told: after the notifications of one batch.
  const stop = observer.subscribe(notifyManager.batchCalls(look));
  let optimistic = 0;
  for (let i = 0; i < 60; i++) {
    const what = random.below(10);
    if (what < 3) world.commit();
    else if (what < 5) world.deliver();
    else if (what === 5) attachment.invalidate([['rows']]);
    else if (what === 6) void queries.refetchQueries({ queryKey: ['rows'] });
    else if (what === 7) random.next() < 0.5 ? world.cut() : world.reconnect();
    else {
      const id = random.below(6);
      const status = `mine${++optimistic}`;
      const refuse = random.next() < 0.3;
      void attachment.mutations
        .run(
          {
            mutationFn: async () => {
              await new Promise((resolve) => setTimeout(resolve, random.below(30)));
              if (refuse) throw new Error('refused');
              world.write(id, status);
              const position = world.position(world.offset);
              await new Promise((resolve) => setTimeout(resolve, random.below(30)));
              return { position };
            },
            apply: (store) =>
              store.update<Row[]>(['rows'], (rows) =>
                rows.map((row) => (row.id === id ? { ...row, status } : row)),
              ),
          },
          undefined,
        )
        .catch(() => {});
    }
    await vi.advanceTimersByTimeAsync(random.below(12));
  }
  world.reconnect();
  await vi.advanceTimersByTimeAsync(100);
  world.deliver(true);
  await vi.advanceTimersByTimeAsync(20_000);
  const rows = [...world.rows.values()].sort((a, b) => a.id - b.id);
  expect(observer.getCurrentResult().data, `seed ${seed}`).toEqual(rows);
  expect(attachment.mutations.overlay.pending, `seed ${seed}`).toBe(0);
  stop();
  attachment.detach();
  queries.clear();
  return shown;
}

it(`never shows an older state, and ends equal to the server (seeds ${first}…)`, async () => {
  let shown = 0;
  for (let n = 0; n < runs; n++) shown += await simulate(first + n);
  console.log(`seeds ${first}..${first + runs - 1}: ${shown} states shown`);
  expect(shown).toBeGreaterThan(runs * 5);
}, 120_000);
