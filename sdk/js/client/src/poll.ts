import type { Client, Environment } from './client.js';
import { onceById, type EntityAction, type EntityEvent } from './entities.js';

/** One endpoint to ask, and how often. */
export interface PolledEntity<Row extends object = any> {
  readonly everyMs: number;
  readonly fetch: (signal: AbortSignal) => Promise<readonly Row[]>;
  /** The columns that identify a row: `['id']` by default. */
  readonly key?: readonly string[];
}

export interface PollerOptions {
  readonly entities: Readonly<Record<string, PolledEntity>>;
  /** The interval grows by `grow` while nothing changes or asking fails, and is `everyMs` again
   * after a change. By default 5 s, 2 min and 1.5. */
  readonly adaptive?: { minMs?: number; maxMs?: number; grow?: number };
  /** With a client: ask only while it is not connected. */
  readonly client?: Pick<Client, 'status' | 'onStatus'>;
  /** Each difference between two answers, once. The first answer is what the second is compared
   * with; it makes no events. */
  readonly onEvent: (event: EntityEvent) => void;
  readonly onError?: (entity: string, error: unknown) => void;
  readonly environment?: Partial<Environment>;
}

export interface Poller {
  /** Asks now, one entity or all, whatever the interval and the connection. */
  pollNow(entity?: string): Promise<void>;
  /** Takes in an event that came another way, so that it is not found again by polling. */
  note(event: EntityEvent): void;
  /** The present interval of an entity, milliseconds; null while it rests. */
  intervalOf(entity: string): number | null;
  close(): void;
}

interface Track {
  readonly name: string;
  readonly entity: PolledEntity;
  rows: Map<string, { row: object; text: string }> | null;
  intervalMs: number;
  timer: unknown;
  running: AbortController | null;
}

/**
 * Polling for when nothing pushes (mission S4.2): each entity at its own adaptive interval, only
 * differences reported. Rests while the page is hidden; asks at once when it is seen again.
 */
export function createPoller(options: PollerOptions): Poller {
  const { entities, client, onEvent, onError } = options;
  const env: Environment = {
    now: Date.now,
    random: Math.random,
    setTimeout: (run, ms) => setTimeout(run, ms),
    clearTimeout: (timer) => clearTimeout(timer as number),
    ...options.environment,
  };
  const { minMs = 5_000, maxMs = 120_000, grow = 1.5 } = options.adaptive ?? {};
  const first = onceById();
  const page = typeof document === 'undefined' ? null : document;
  let closed = false;

  const tracks = Object.entries(entities).map(([name, entity]): Track => {
    const intervalMs = Math.max(minMs, entity.everyMs);
    return { name, entity, rows: null, intervalMs, timer: undefined, running: null };
  });
  const resting = () =>
    closed || client?.status.simple === 'connected' || page?.visibilityState === 'hidden';
  const keyOf = ({ entity }: Track, row: any) =>
    JSON.stringify((entity.key ?? ['id']).map((column) => row?.[column] ?? null));

  const emit = (track: Track, action: EntityAction, key: string, data: any, old: any) => {
    const timestamp = new Date(env.now()).toISOString();
    const id = `poll ${track.name} ${key} ${timestamp} ${action}`;
    if (first(id)) {
      onEvent({ type: 'change', entity: track.name, action, data, old, timestamp, id });
    }
  };

  /** Reports what differs; whether anything did. */
  const compare = (track: Track, answer: readonly object[]): boolean => {
    const before = track.rows;
    const after = new Map(
      answer.map((row) => [keyOf(track, row), { row, text: JSON.stringify(row) }]),
    );
    track.rows = after;
    if (!before) return true;
    let changed = false;
    for (const [key, { row, text }] of after) {
      const old = before.get(key);
      if (old?.text === text) continue;
      changed = true;
      emit(track, old ? 'update' : 'insert', key, row, old?.row ?? null);
    }
    for (const [key, { row }] of before) {
      if (after.has(key)) continue;
      changed = true;
      emit(track, 'delete', key, null, row);
    }
    return changed;
  };

  const ask = async (track: Track): Promise<void> => {
    if (track.running) return;
    env.clearTimeout(track.timer);
    const aborter = (track.running = new AbortController());
    let changed = false;
    try {
      const answer = await track.entity.fetch(aborter.signal);
      if (aborter.signal.aborted) return;
      changed = compare(track, answer);
    } catch (error) {
      if (aborter.signal.aborted) return;
      onError?.(track.name, error);
    } finally {
      if (track.running === aborter) track.running = null;
    }
    const base = Math.max(minMs, track.entity.everyMs);
    track.intervalMs = changed ? base : Math.min(Math.max(maxMs, base), track.intervalMs * grow);
    plan(track);
  };

  const plan = (track: Track) => {
    env.clearTimeout(track.timer);
    if (resting()) return;
    // A tenth of chance keeps many clients from asking in step.
    const ms = track.intervalMs * (0.95 + env.random() / 10);
    track.timer = env.setTimeout(() => void (resting() || ask(track)), ms);
  };

  let rested = resting();
  const onTurn = () => {
    if (resting() === rested) return;
    rested = resting();
    for (const track of tracks) {
      if (!rested) void ask(track);
      else env.clearTimeout(track.timer);
    }
  };
  const stopStatus = client?.onStatus(onTurn);
  page?.addEventListener('visibilitychange', onTurn);
  if (!rested) for (const track of tracks) void ask(track);

  return {
    async pollNow(entity) {
      await Promise.all(tracks.filter(({ name }) => !entity || name === entity).map(ask));
    },
    note(event) {
      const track = tracks.find(({ name }) => name === event.entity);
      if (!track?.rows || !first(event.id)) return;
      const key = keyOf(track, event.data ?? event.old);
      if (event.data) track.rows.set(key, { row: event.data, text: JSON.stringify(event.data) });
      else track.rows.delete(key);
    },
    intervalOf(entity) {
      const track = tracks.find(({ name }) => name === entity);
      return track && !resting() ? track.intervalMs : null;
    },
    close() {
      closed = true;
      stopStatus?.();
      page?.removeEventListener('visibilitychange', onTurn);
      for (const track of tracks) {
        env.clearTimeout(track.timer);
        track.running?.abort();
      }
    },
  };
}
