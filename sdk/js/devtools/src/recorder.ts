import type { Query, QueryClient } from '@tanstack/react-query';
import type {
  Change,
  Client,
  ConnectionStatus,
  SubscribeOptions,
  Subscription,
  SubscriptionStatus,
  Verdict,
} from '@tidewire/client';

/** One request or query fetch, with its time. */
export interface FetchRecord {
  readonly id: number;
  readonly what: string;
  /** `request`: one HTTP request; `query`: a fetch of a cached query, with its retries. */
  readonly kind: 'request' | 'query';
  readonly at: number;
  readonly ms: number | null;
  readonly outcome: 'running' | 'ok' | 'failed' | 'given up';
  readonly status: number | null;
  readonly position: string | null;
}

/** Something that happened: a change, a verdict, a new state of the connection. */
export interface EventRecord {
  readonly id: number;
  readonly at: number;
  readonly kind: 'change' | 'verdict' | 'connection' | 'subscription' | 'invalidation';
  readonly title: string;
  readonly detail: string;
}

export interface SubscriptionRecord {
  readonly id: number;
  readonly table: string;
  readonly filter: string | null;
  readonly status: SubscriptionStatus;
  readonly error: string | null;
  readonly position: string | null;
  readonly changes: number;
}

/** Why a query was read again: the changes of the window before it. */
export interface WhyRecord {
  readonly id: number;
  readonly at: number;
  readonly queries: readonly string[];
  readonly changes: readonly {
    readonly table: string;
    readonly type: string;
    readonly position: string | null;
  }[];
}

/** The targets of S1.9. */
export interface Metrics {
  readonly apiResponseMsAvg: number | null;
  readonly cacheHitRate: number | null;
  readonly errorRate: number | null;
  readonly timeToFirstDataMs: number | null;
}

export interface RecorderState {
  readonly status: ConnectionStatus;
  readonly subscriptions: readonly SubscriptionRecord[];
  readonly events: readonly EventRecord[];
  readonly fetches: readonly FetchRecord[];
  readonly why: readonly WhyRecord[];
  readonly metrics: Metrics;
}

const recordsMax = 200;

/** Watches a client and, if there is one, a query client. For development: it keeps what it sees. */
export class Recorder {
  state: RecorderState;
  /** The client, now watched. */
  readonly client: Client;
  #next = 1;
  #listeners = new Set<() => void>();
  #scheduled = false;
  #born = Date.now();
  #requests = { done: 0, failed: 0, ms: 0 };
  #reads = { hits: 0, misses: 0 };
  #firstData: number | null = null;
  #recent: { table: string; type: string; position: string | null }[] = [];

  constructor(client: Client) {
    this.client = this.#wrap(client);
    this.state = {
      status: client.status,
      subscriptions: [],
      events: [],
      fetches: [],
      why: [],
      metrics: this.#metrics(),
    };
    client.onStatus((status) => {
      this.#set({ status });
      this.#event('connection', status.state, status.error ?? '');
    });
  }

  onChange = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Give these to `attachQueryClient`. */
  readonly attachOptions = {
    onInvalidate: (queries: readonly Query[]): void => {
      const keys = queries.map((query) => query.queryHash);
      const record = { id: this.#next++, at: Date.now(), queries: keys, changes: this.#recent };
      this.#recent = [];
      this.#set({ why: [record, ...this.state.why].slice(0, recordsMax) });
      this.#event('invalidation', keys.join(', '), `${record.changes.length} changes`);
    },
  };

  /** Watches the fetches of a query client; returns how to stop. */
  watchQueries(queryClient: QueryClient): () => void {
    const running = new Map<string, { id: number; at: number }>();
    return queryClient.getQueryCache().subscribe((event) => {
      const { query } = event;
      if (event.type === 'observerAdded') {
        if (query.state.data !== undefined) this.#reads.hits++;
        else this.#reads.misses++;
      }
      if (event.type !== 'updated') return;
      const { type } = event.action;
      if (type === 'fetch') {
        const id = this.#fetch('query', query.queryHash);
        running.set(query.queryHash, { id, at: Date.now() });
        return;
      }
      const known = running.get(query.queryHash);
      if (!known || query.state.fetchStatus !== 'idle') return;
      running.delete(query.queryHash);
      const outcome = type === 'success' ? 'ok' : type === 'error' ? 'failed' : 'given up';
      if (outcome === 'ok') this.#firstData ??= Date.now() - this.#born;
      this.#finish(known.id, { ms: Date.now() - known.at, outcome });
    });
  }

  /** Everything that was seen, as JSON: for a bug report. Rows are not in it. */
  export(): string {
    return JSON.stringify(this.state, null, 2);
  }

  /**
   * Replaces two methods of this one object; `select`, `write` and `live` go through them, so that
   * they are seen too.
   */
  #wrap(client: Client): Client {
    const { request, subscribe } = client;
    client.request = async (path, init) => {
      const at = Date.now();
      const id = this.#fetch('request', `${init?.method ?? 'GET'} ${path}`);
      try {
        const answer = await request.call(client, path, init);
        const position = answer.headers.get('Tidewire-Position');
        const outcome = answer.ok ? ('ok' as const) : ('failed' as const);
        this.#count(at, answer.ok);
        this.#finish(id, { ms: Date.now() - at, outcome, status: answer.status, position });
        return answer;
      } catch (error) {
        const givenUp = init?.signal?.aborted === true;
        if (!givenUp) this.#count(at, false);
        this.#finish(id, { ms: Date.now() - at, outcome: givenUp ? 'given up' : 'failed' });
        throw error;
      }
    };
    client.subscribe = <Row>(options: SubscribeOptions<Row>) =>
      subscribe.call(client, this.#watched(options)) as Subscription;
    return client;
  }

  #watched(options: SubscribeOptions<any>): SubscribeOptions<any> {
    const id = this.#next++;
    const { table, filter = null } = options;
    const update = (change: Partial<SubscriptionRecord>) =>
      this.#set({
        subscriptions: this.state.subscriptions.map((each) =>
          each.id === id ? { ...each, ...change } : each,
        ),
      });
    const record: SubscriptionRecord = {
      id,
      table,
      filter,
      status: 'waiting',
      error: null,
      position: options.since ?? null,
      changes: 0,
    };
    this.#set({ subscriptions: [...this.state.subscriptions, record].slice(-recordsMax) });
    return {
      ...options,
      onChange: (change: Change<any>) => {
        const known = this.state.subscriptions.find((each) => each.id === id);
        update({ position: change.position, changes: (known?.changes ?? 0) + 1 });
        this.#recent = [...this.#recent, { table, type: change.type, position: change.position }];
        this.#recent = this.#recent.slice(-20);
        this.#event('change', `${change.type} ${table}`, change.position ?? '');
        options.onChange?.(change);
      },
      onVerdict: (verdict: Verdict) => {
        this.#event('verdict', table, verdict.recovered ? 'recovered' : verdict.reason);
        options.onVerdict?.(verdict);
      },
      onStatus: (status, error) => {
        update({ status, error });
        options.onStatus?.(status, error);
      },
    };
  }

  #count(at: number, ok: boolean): void {
    this.#requests.done++;
    this.#requests.ms += Date.now() - at;
    if (!ok) this.#requests.failed++;
    else this.#firstData ??= Date.now() - this.#born;
  }

  #fetch(kind: FetchRecord['kind'], what: string): number {
    const id = this.#next++;
    const record: FetchRecord = {
      id,
      kind,
      what,
      at: Date.now(),
      ms: null,
      outcome: 'running',
      status: null,
      position: null,
    };
    this.#set({ fetches: [record, ...this.state.fetches].slice(0, recordsMax) });
    return id;
  }

  #finish(id: number, change: Partial<FetchRecord>): void {
    this.#set({
      fetches: this.state.fetches.map((each) => (each.id === id ? { ...each, ...change } : each)),
      metrics: this.#metrics(),
    });
  }

  #event(kind: EventRecord['kind'], title: string, detail: string): void {
    const record = { id: this.#next++, at: Date.now(), kind, title, detail };
    this.#set({ events: [record, ...this.state.events].slice(0, recordsMax) });
  }

  #metrics(): Metrics {
    const { done, failed, ms } = this.#requests;
    const reads = this.#reads.hits + this.#reads.misses;
    return {
      apiResponseMsAvg: done > 0 ? ms / done : null,
      cacheHitRate: reads > 0 ? this.#reads.hits / reads : null,
      errorRate: done > 0 ? failed / done : null,
      timeToFirstDataMs: this.#firstData,
    };
  }

  /** Tells the panel at most once per turn: it must not slow what it watches. */
  #set(change: Partial<RecorderState>): void {
    this.state = { ...this.state, ...change };
    if (this.#scheduled) return;
    this.#scheduled = true;
    setTimeout(() => {
      this.#scheduled = false;
      for (const listener of [...this.#listeners]) listener();
    }, 100);
  }
}
