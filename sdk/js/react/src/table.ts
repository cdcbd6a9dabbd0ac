import { useMemo } from 'react';
import {
  filterOf,
  type Change,
  type ChangeEvent,
  type Client,
  type LiveRows,
  type Verdict,
} from '@tidewire/client';
import { useTidewire } from './context.js';
import { derivedOf, type DeriveMap, type Derived } from './derive.js';
import { RunningStore, useKeyed, useLatest, useTracked } from './tracked.js';
import { filtersOf, type Where } from './where.js';

export interface TableCallbacks<Row> {
  readonly onChange?: (change: Change<Row>) => void;
  readonly onInsert?: (row: Row) => void;
  readonly onUpdate?: (row: Row, old: Partial<Row> | null) => void;
  readonly onDelete?: (old: Partial<Row>) => void;
  /** The row no longer matches, or may no longer be seen. */
  readonly onLeave?: (old: Partial<Row>) => void;
  /** After each reconnect: whether anything may have been missed. */
  readonly onVerdict?: (verdict: Verdict) => void;
}

/** A named happening: whether this change is one. */
export type Happening<Row> = (change: Change<Row>) => boolean;

export interface TableOptions<
  Row extends object,
  D extends DeriveMap<Row> = Record<never, never>,
> extends TableCallbacks<Row> {
  readonly where?: Where;
  readonly schema?: string;
  readonly event?: ChangeEvent;
  /** Reads the rows first and keeps them true; else only changes arrive. */
  readonly rows?: boolean;
  /** The columns that identify a row: `['id']` by default. */
  readonly key?: readonly (keyof Row & string)[];
  readonly columns?: readonly (keyof Row & string)[];
  readonly order?: string;
  readonly limit?: number;
  /** Values kept over the rows; implies `rows`. */
  readonly derive?: D;
  readonly on?: Readonly<Record<string, Happening<Row>>>;
  readonly onEvent?: Readonly<Record<string, (change: Change<Row>) => void>>;
  readonly enabled?: boolean;
}

export interface TableState<Row, D = Record<never, never>> {
  /** Empty unless `rows` or `derive` was asked for. */
  readonly rows: readonly Row[];
  readonly status: 'idle' | 'loading' | 'stale' | 'live' | 'refused';
  /** Changes arrive. */
  readonly isConnected: boolean;
  readonly error: Error | null;
  readonly latestUpdate: Change<Row> | null;
  readonly derived: D;
}

type AnyState = TableState<any, any>;

const idle: AnyState = {
  rows: [],
  status: 'idle',
  isConnected: false,
  error: null,
  latestUpdate: null,
  derived: {},
};

/** Everything that makes a subscription another one. */
export function identityOf(table: string, options: TableOptions<any, any>): string {
  const { where, schema, event, key, columns, order, limit, derive } = options;
  const rows = options.rows || derive !== undefined;
  return JSON.stringify([table, where, schema, event, key, columns, order, limit, rows]);
}

export function tableStore(
  client: Client,
  table: string,
  options: TableOptions<any, any>,
  callbacks: { readonly current: TableOptions<any, any> },
): RunningStore<AnyState> {
  const follow = options.rows || options.derive ? followRows : followChanges;
  return new RunningStore<AnyState>({ ...idle, status: 'loading' }, (set) =>
    follow(client, table, options, callbacks, set),
  );
}

type Follow = (
  client: Client,
  table: string,
  options: TableOptions<any, any>,
  callbacks: { readonly current: TableOptions<any, any> },
  set: (change: Partial<AnyState>) => void,
) => () => void;

const followChanges: Follow = (client, table, options, callbacks, set) => {
  const filter = filterOf(filtersOf(options.where));
  const subscription = client.subscribe<any>({
    table,
    ...(options.schema && { schema: options.schema }),
    ...(options.event && { event: options.event }),
    ...(filter && { filter }),
    onChange: (change) => {
      set({ latestUpdate: change });
      tell(callbacks.current, change);
    },
    onVerdict: (verdict) => callbacks.current.onVerdict?.(verdict),
    onStatus: (phase, error) =>
      set({
        status: phase === 'live' ? 'live' : phase === 'refused' ? 'refused' : 'stale',
        isConnected: phase === 'live' && error === null,
        error: error === null ? null : new Error(error),
      }),
  });
  return () => {
    subscription.unsubscribe();
    set({ isConnected: false, status: 'loading' });
  };
};

const followRows: Follow = (client, table, options, callbacks, set) => {
  const rows: LiveRows<any> = client.live<any>(table, {
    filters: filtersOf(options.where),
    ...(options.schema && { schema: options.schema }),
    ...(options.key && { key: options.key }),
    ...(options.columns && { select: options.columns.join(',') }),
    ...(options.order && { order: options.order }),
    ...(options.limit !== undefined && { limit: options.limit }),
    onVerdict: (verdict) => callbacks.current.onVerdict?.(verdict),
  });
  const derive = derivedOf(options.derive);
  const publish = (changes: readonly Change<any>[]) => {
    const { snapshot } = rows;
    const last = changes.at(-1);
    set({
      rows: snapshot.rows,
      status: snapshot.status,
      isConnected: snapshot.status === 'live',
      error: snapshot.error,
      ...(last && { latestUpdate: last }),
      derived: derive(snapshot.rows),
    });
    for (const change of changes) tell(callbacks.current, change);
  };
  publish([]);
  const stop = rows.onChange(publish);
  return () => {
    stop();
    rows.close();
    set({ isConnected: false, status: 'loading' });
  };
};

/** The callback of the kind of change, then those of the named happenings. */
function tell(callbacks: TableOptions<any, any>, change: Change<any>): void {
  const { onChange, onInsert, onUpdate, onDelete, onLeave, on, onEvent } = callbacks;
  onChange?.(change);
  if (change.type === 'INSERT') onInsert?.(change.record);
  else if (change.type === 'UPDATE') onUpdate?.(change.record, change.oldRecord);
  else if (change.type === 'DELETE') onDelete?.(change.oldRecord ?? {});
  else onLeave?.(change.oldRecord ?? {});
  for (const [name, happens] of Object.entries(on ?? {})) {
    if (onEvent?.[name] && happens(change)) onEvent[name](change);
  }
}

/**
 * Follows a table: callbacks for each committed change, in order, each once; with `rows` or
 * `derive`, the rows themselves. Renders again only when a field changes that was read.
 */
export function useTableUpdates<
  Row extends object = Record<string, unknown>,
  const D extends DeriveMap<Row> = Record<never, never>,
>(table: string, options: TableOptions<Row, D> = {}): TableState<Row, Derived<Row, D>> {
  const client = useTidewire();
  const callbacks = useLatest(options);
  const identity = identityOf(table, options);
  const store = useKeyed(identity, client, () => tableStore(client, table, options, callbacks));
  return useTracked(options.enabled === false ? null : store, idle) as TableState<
    Row,
    Derived<Row, D>
  >;
}

/**
 * A typed hook for one table, in one line:
 * `const useJobs = createTableHook<Job>()('jobs', { order: 'scheduled_at' })`.
 */
export function createTableHook<Row extends object>() {
  return <const D extends DeriveMap<Row> = Record<never, never>>(
      table: string,
      defaults: TableOptions<Row, D> = {},
    ) =>
    (options: TableOptions<Row, D> = {}): TableState<Row, Derived<Row, D>> =>
      useTableUpdates<Row, D>(table, { ...defaults, ...options });
}

export interface AllUpdates {
  /** Every subscription is live. */
  readonly isConnected: boolean;
  readonly error: Error | null;
  readonly latestUpdate: Change<any> | null;
  /** How many subscriptions are live, all on one connection. */
  readonly activeSubscriptions: number;
  /** Each subscription's own state, by its name. */
  readonly items: Readonly<Record<string, TableState<any, any>>>;
}

export type AllTables = Readonly<Record<string, TableOptions<any, any> & { table?: string }>>;

const idleAll: AllUpdates = {
  isConnected: false,
  error: null,
  latestUpdate: null,
  activeSubscriptions: 0,
  items: {},
};

/** Several tables at once, on one connection: `useAllUpdates({ jobs: {…}, invoices: {…} })`. */
export function useAllUpdates(tables: AllTables): AllUpdates {
  const client = useTidewire();
  const latest = useLatest(tables);
  const wanted = Object.entries(tables).filter(([, options]) => options.enabled !== false);
  const identity = JSON.stringify(
    wanted.map(([name, options]) => [name, identityOf(options.table ?? name, options)]),
  );
  const store = useKeyed(identity, client, () => allStore(client, wanted, latest));
  return useTracked(store, idleAll);
}

function allStore(
  client: Client,
  wanted: [string, AllTables[string]][],
  latest: { readonly current: AllTables },
): RunningStore<AllUpdates> {
  return new RunningStore<AllUpdates>(idleAll, (set) => {
    const stores = wanted.map(([name, options]) => {
      const callbacks = {
        get current() {
          return latest.current[name] ?? options;
        },
      };
      return [name, tableStore(client, options.table ?? name, options, callbacks)] as const;
    });
    let latestUpdate: Change<any> | null = null;
    const publish = (changed?: AnyState) => {
      const states = stores.map(([name, { state }]) => [name, state] as const);
      const live = states.filter(([, state]) => state.isConnected).length;
      latestUpdate = changed?.latestUpdate ?? latestUpdate;
      set({
        items: Object.fromEntries(states),
        activeSubscriptions: live,
        isConnected: live > 0 && live === states.length,
        error: states.find(([, state]) => state.error)?.[1].error ?? null,
        latestUpdate,
      });
    };
    const stops = stores.map(([, each]) => {
      let before = each.state.latestUpdate;
      return each.onChange(() => {
        const news = each.state.latestUpdate !== before;
        before = each.state.latestUpdate;
        publish(news ? each.state : undefined);
      });
    });
    publish();
    return () => stops.forEach((stop) => stop());
  });
}

/** How many rows are unread: those that match `where` and for which `unread` holds. */
export function useUnreadCount<Row extends object = Record<string, unknown>>(
  table: string,
  options: Pick<TableOptions<Row>, 'where' | 'schema' | 'key' | 'enabled'> & {
    /** By default: `read_at` is null. */
    readonly unread?: (row: Row) => boolean;
  } = {},
): number {
  const { unread = isUnread, ...rest } = options;
  const { rows } = useTableUpdates<Row>(table, { ...rest, rows: true });
  return useMemo(() => rows.filter(unread).length, [rows, unread]);
}

const isUnread = (row: object) => (row as { read_at?: unknown }).read_at == null;
