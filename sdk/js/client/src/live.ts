import type { Client, Environment } from './client.js';
import { comparePositions, type Position } from './position.js';
import type { Change, Verdict } from './protocol.js';
import { filterOf, type SelectQuery } from './rest.js';
import { backOff } from './state.js';

export interface LiveOptions<Row> extends SelectQuery {
  readonly schema?: string;
  /** The columns that identify a row: `['id']` by default. */
  readonly key?: readonly (keyof Row & string)[];
  /** After each reconnect; the rows are read anew by themselves when it was not recovered. */
  readonly onVerdict?: (verdict: Verdict) => void;
}

export interface LiveSnapshot<Row> {
  /** In the order asked for. A new array whenever, and only when, something changed. */
  readonly rows: readonly Row[];
  /** `loading` until the first rows; `stale` while they may lag; `live` while they are true. */
  readonly status: 'loading' | 'stale' | 'live';
  readonly error: Error | null;
  readonly position: Position | null;
}

export interface LiveRows<Row> {
  /** A stable object while nothing changes: fit for `useSyncExternalStore`. */
  readonly snapshot: LiveSnapshot<Row>;
  /** Calls back after each change, with the changes that led to it (none after a new read). */
  onChange(listener: (changes: readonly Change<Row>[]) => void): () => void;
  /** Reads again; resolves when it is done, whether or not it succeeded. */
  refresh(): Promise<void>;
  close(): void;
}

const readRetryBaseMs = 500;
const readRetryMaxMs = 20_000;

/**
 * Rows that stay true. Reads the table, then subscribes at the read's position, so that no change
 * falls between; after an unrecovered reconnect reads again and applies what has come since.
 *
 * `limit` bounds the read only: rows that come later are added, none is dropped for them.
 */
export function live<Row extends object>(
  client: Pick<Client, 'select' | 'subscribe'>,
  env: Pick<Environment, 'setTimeout' | 'clearTimeout' | 'random'>,
  table: string,
  options: LiveOptions<Row>,
): LiveRows<Row> {
  const key = (options.key ?? ['id']) as readonly string[];
  const keyOf = (row: object) => JSON.stringify(key.map((c) => (row as any)[c] ?? null));
  const order = compareBy<Row>(options.order);
  const listeners = new Set<(changes: readonly Change<Row>[]) => void>();
  const rows = new Map<string, Row>();
  const aborter = new AbortController();
  let subscription: ReturnType<Client['subscribe']> | null = null;
  /** Changes that arrived while a read was under way; null when none is. */
  let buffer: Change<Row>[] | null = [];
  /** Where the stream began: a read that is older would leave a gap. */
  let streamStart: Position | null = null;
  let failures = 0;
  /** Reads begun; only the newest counts. */
  let turns = 0;
  let timer: unknown;
  let snapshot: LiveSnapshot<Row> = { rows: [], status: 'loading', error: null, position: null };

  const publish = (change: Partial<LiveSnapshot<Row>>, changes: readonly Change<Row>[] = []) => {
    snapshot = { ...snapshot, ...change };
    for (const listener of [...listeners]) listener(changes);
  };
  const sorted = () => (order ? [...rows.values()].sort(order) : [...rows.values()]);

  const apply = (change: Change<Row>) => {
    const before = change.oldRecord ? keyOf(change.oldRecord) : null;
    if (!change.record) {
      if (before !== null) rows.delete(before);
      return;
    }
    const after = keyOf(change.record);
    // Columns that did not change may be missing: what is known of them stays.
    const known = rows.get(after) ?? (before === null ? undefined : rows.get(before));
    if (before !== null && before !== after && key.every((c) => c in change.oldRecord!)) {
      rows.delete(before);
    }
    rows.set(after, change.type === 'UPDATE' ? { ...known, ...change.record } : change.record);
  };

  const read = async (): Promise<void> => {
    buffer ??= [];
    const turn = ++turns;
    try {
      const result = await client.select<Row>(table, { ...options, signal: aborter.signal });
      if (aborter.signal.aborted || turn !== turns) return;
      const lag = result.position && streamStart && comparePositions(result.position, streamStart);
      if (lag && lag < 0) throw new Error('The rows read are older than the stream.');
      const waiting: Change<Row>[] = buffer.filter((change) => {
        if (!change.position || !result.position) return true;
        const later = comparePositions(change.position, result.position);
        return later === null || later > 0;
      });
      buffer = null;
      failures = 0;
      rows.clear();
      for (const row of result.rows) rows.set(keyOf(row), row);
      waiting.forEach(apply);
      const position = waiting.at(-1)?.position ?? result.position;
      const status = subscription?.status === 'live' ? 'live' : 'stale';
      publish({ rows: sorted(), status, error: null, position });
      if (!subscription) follow(result.position);
    } catch (error) {
      if (aborter.signal.aborted || turn !== turns) return;
      publish({ error: error as Error });
      const window = backOff(readRetryBaseMs, readRetryMaxMs, failures++);
      timer = env.setTimeout(() => void read(), window * (0.5 + env.random() / 2));
    }
  };

  const follow = (since: Position | null) => {
    const filter = filterOf(options.filters);
    subscription = client.subscribe<Row>({
      table,
      ...(options.schema ? { schema: options.schema } : {}),
      ...(filter ? { filter } : {}),
      since,
      onChange: (change) => {
        if (buffer) return void buffer.push(change);
        apply(change);
        publish({ rows: sorted(), position: change.position ?? snapshot.position }, [change]);
      },
      onVerdict: (verdict) => {
        options.onVerdict?.(verdict);
        if (verdict.recovered) return;
        streamStart = subscription?.position ?? null;
        env.clearTimeout(timer);
        buffer = [];
        publish({ status: 'stale' });
        void read();
      },
      onStatus: (status) => {
        // Without positions, what happened between read and join is unknown: read once more.
        if (status === 'live' && since === null && !buffer && !streamStart) {
          since = subscription?.position ?? '';
          void read();
        }
        const settled = status === 'live' && !buffer ? 'live' : 'stale';
        if (snapshot.status !== settled) publish({ status: settled });
      },
    });
  };

  void read();
  return {
    get snapshot() {
      return snapshot;
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    refresh: () => read(),
    close() {
      aborter.abort();
      env.clearTimeout(timer);
      subscription?.unsubscribe();
      listeners.clear();
    },
  };
}

/** A comparison for `"a.desc,b"`: nulls last when ascending, first when descending, as Postgres. */
export function compareBy<Row>(order: string | undefined): ((a: Row, b: Row) => number) | null {
  if (!order) return null;
  const terms = order.split(',').map((term) => {
    const [column, ...words] = term.trim().split('.');
    const sign = words.includes('desc') ? -1 : 1;
    const nullsFirst = words.includes('nullsfirst') || (sign < 0 && !words.includes('nullslast'));
    return { column: column!, sign, nullSign: nullsFirst ? -1 : 1 };
  });
  return (left: any, right: any) => {
    for (const { column, sign, nullSign } of terms) {
      const a = left[column] ?? null;
      const b = right[column] ?? null;
      if (a === b) continue;
      if (a === null) return nullSign;
      if (b === null) return -nullSign;
      return a < b ? -sign : sign;
    }
    return 0;
  };
}
