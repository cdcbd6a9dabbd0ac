/**
 * One named query whose rows stay true (docs/queries.md, "Following").
 *
 *   query_open ──▶ opening ──current, diff, snapshot──▶ live ──push from our version──▶ live
 *                     ▲  │ refused                       │ cut: stale; push from another version
 *                     └──┴── rejoined, back-off ◀────────┘
 *
 * A version is equal exactly when the rows are equal, so that whichever way rows come, by a read or by
 * a push, their version says what a difference applies to.
 */
import { comparePositions, type Position } from './position.js';
import { isObject } from './protocol.js';
import { QueryError, type QueryArgs, type QueryReader, type QueryResult } from './queries.js';
import { patchRows, replaceRows, type Patched, type RowsDiff } from './query-rows.js';
import type { Room } from './room.js';
import { backOff } from './state.js';

/** How the server keeps the query true; `off`: it does not, the query is only read. */
export type LiveMode = 'rows' | 'result' | 'invalidate' | 'off';

/**
 * Whether the differences told are all there were. `recovered: false`: the rows are right, but what
 * happened in between is known only as one difference of two results. `expired`: the server no longer
 * had the version; `unsupported`: this mode has no versions to resume from; `claims_changed`: the user's
 * rights are others now; `too_far`: too much at once.
 */
export type QueryVerdict =
  | { readonly recovered: true; readonly reason: null }
  | {
      readonly recovered: false;
      readonly reason: 'expired' | 'unsupported' | 'claims_changed' | 'too_far';
    };

export interface LiveQuerySnapshot<Row> {
  /** A new array whenever, and only when, something changed; unchanged rows stay the same objects. */
  readonly rows: readonly Row[];
  /**
   * `loading` until the first rows; `live` while they are kept true; `stale` while they may lag;
   * `refused` when the server will not have it (`error`).
   */
  readonly status: 'loading' | 'live' | 'stale' | 'refused';
  readonly mode: LiveMode | null;
  /** The client key that the configuration gives the query. */
  readonly key: readonly unknown[] | null;
  readonly version: string | null;
  /** The rows are true at this position. */
  readonly position: Position | null;
  /** When they were last read or checked: UTC, ISO 8601. */
  readonly asOf: string | null;
  /** Of the last reconnect or reset; null before the first. */
  readonly verdict: QueryVerdict | null;
  readonly error: Error | null;
}

export interface LiveQuery<Row> {
  /** A stable object while nothing changes: fit for `useSyncExternalStore`. */
  readonly snapshot: LiveQuerySnapshot<Row>;
  /** Calls back after each change; with the difference where rows became others, not the first. */
  onChange(listener: (diff: RowsDiff<Row> | null) => void): () => void;
  /** Reads over HTTP; what it brings is kept if it is not older. Errors: QueryError. */
  refresh(options?: { signal?: AbortSignal }): Promise<LiveQuerySnapshot<Row>>;
  /** This handle is over; the last one of a query closes it. */
  close(): void;
}

const retryBaseMs = 500;
const retryMaxMs = 60_000;
/** Of these the same question would get the same answer until the next connection. */
const final = /^(unknown|missing|invalid|forbidden)_?/;

/** What one query needs of those that it is among. */
export interface FollowedHost {
  readonly reader: QueryReader;
  /** Where it is followed; null while that is not joined. */
  readonly room: Room | null;
  /** The server names it so from now on. */
  name(sub: string, followed: Followed): void;
  forget(sub: string, followed: Followed): void;
}

export type Listener = (diff: RowsDiff<any> | null) => void;
type Timer = ReturnType<typeof setTimeout> | undefined;
type Told = Record<string, any>;

export class Followed {
  snapshot: LiveQuerySnapshot<any> = {
    rows: [],
    status: 'loading',
    mode: null,
    key: null,
    version: null,
    position: null,
    asOf: null,
    verdict: null,
    error: null,
  };
  readonly listeners = new Set<Listener>();
  users = 0;
  #sub: string | null = null;
  #rowKey: readonly string[] = [];
  /** Counts the questions; an answer to any but the last is of the past. */
  #turn = 0;
  /** A question is unanswered: pushes are answers to earlier ones, and not for us. */
  #asking = false;
  /** It is followed, as of the last answer. */
  #followed = false;
  /** It was followed when the connection was cut: the next answer is a verdict. */
  #cut = false;
  /** Rows have been shown. */
  #shown = false;
  #failures = 0;
  #askTimer: Timer;
  #readTimer: Timer;
  /** Mode `invalidate`: what the next read must contain, and whether one is under way. */
  #wanted: { position: Position | null } | null = null;
  #reading = false;
  #ended = false;

  constructor(
    private readonly hub: FollowedHost,
    private readonly query: string,
    private readonly args: QueryArgs,
  ) {}

  /** Opens it, or opens it again with the version that is here. */
  ask(): void {
    clearTimeout(this.#askTimer);
    const { room } = this.hub;
    const have = this.snapshot.version;
    if (!room || this.#ended) return;
    const turn = ++this.#turn;
    this.#asking = true;
    const { query, args } = this;
    void room.ask('query_open', { query, args, ...(have && { have }) }).then((answer) => {
      if (turn !== this.#turn || this.#ended) return;
      this.#asking = false;
      const told = isObject(answer.response) ? answer.response : {};
      if (answer.outcome === 'ok') this.#onOpened(told, have);
      else if (answer.outcome === 'error') this.#onRefused(told);
      // Not sent: it is asked again once it is joined.
    });
  }

  onCut(): void {
    this.#turn++;
    this.#asking = false;
    this.#cut ||= this.#followed;
    this.#followed = false;
    clearTimeout(this.#askTimer);
    if (this.snapshot.status === 'live') this.#publish({ status: 'stale' });
  }

  onPush(told: Told): void {
    if (!this.#followed || this.#asking || this.#ended) return;
    const { version, position } = this.snapshot;
    const at = { ...stampOf(told), status: 'live' as const, error: null };
    if (isObject(told['error'])) {
      const { message, code } = told['error'];
      const error = new QueryError(0, String(message), String(code), null);
      // The rights are gone, and with them the rows.
      if (code === 'forbidden') return this.#refused(error);
      return this.#publish({ error, status: this.#shown ? 'stale' : 'loading' });
    }
    if (told['invalidate'] === true) return this.#want(at.position ?? null);
    const reason = told['reset'] === 'claims_changed' ? 'claims_changed' : 'too_far';
    const reset = () => this.#replace(told, { ...at, verdict: { recovered: false, reason } });
    // What one may see now, whatever was seen before.
    if (reason === 'claims_changed') return reset();
    const order = position && at.position && comparePositions(at.position, position);
    // Rows that came by a read may be newer than what was under way.
    if (typeof order === 'number' && order < 0) return;
    if ('reset' in told) return reset();
    if (!('to' in told) || told['to'] === version) return this.#publish(at);
    if (told['from'] !== version) return this.ask();
    if (Array.isArray(told['rows'])) return this.#replace(told, at);
    this.#patch(told, at);
  }

  async refresh({ signal }: { signal?: AbortSignal } = {}): Promise<LiveQuerySnapshot<any>> {
    const { version, rows, position, asOf } = this.snapshot;
    const { reader } = this.hub;
    if (version) reader.keep(this.query, this.args, { rows, version, position, asOf, cache: null });
    const told = await reader.read<any>(this.query, this.args, { ...(signal && { signal }) });
    if (!this.#ended) this.#offer(told);
    return this.snapshot;
  }

  end(): void {
    this.#ended = true;
    clearTimeout(this.#askTimer);
    clearTimeout(this.#readTimer);
    this.listeners.clear();
    const { query, args } = this;
    if (this.#sub === null) return;
    this.hub.forget(this.#sub, this);
    void this.hub.room?.ask('query_close', { sub: this.#sub, query, args });
  }

  #onOpened(told: Told, have: string | null): void {
    this.#failures = 0;
    this.#followed = true;
    this.#sub = String(told['sub']);
    this.hub.name(this.#sub, this);
    this.#rowKey = Array.isArray(told['row_key']) ? told['row_key'].map(String) : [];
    const { state } = told;
    const mode = told['mode'] as LiveMode;
    const to = { ...told, to: told['version'] };
    const key = Array.isArray(told['key']) ? told['key'] : null;
    const at = { ...stampOf(told), mode, key, status: 'live' as const, error: null };
    if (state === 'invalidate') {
      // It is followed from here on; what was before is read.
      this.#publish({ mode, key, ...this.#verdict(false, 'unsupported') });
      return this.#want(at.position ?? null);
    }
    const { version, position } = this.snapshot;
    const order = position && at.position ? comparePositions(at.position, position) : null;
    // Rows of a read are ahead of what is followed: its next push leads to them, or asks again.
    if (order !== null && order < 0) {
      return this.#publish({ mode, key, status: 'live', ...this.#verdict(true) });
    }
    // A read came meanwhile: a difference is not to its rows.
    if (state === 'diff' && version !== have && version !== told['version']) return this.ask();
    if (state === 'current' || version === told['version']) {
      return this.#publish({ ...at, ...this.#verdict(true) });
    }
    if (state === 'diff') return this.#patch(to, { ...at, ...this.#verdict(true) });
    this.#replace(to, {
      ...at,
      ...this.#verdict(false, mode === 'rows' ? 'expired' : 'unsupported'),
    });
  }

  /** What the first answer after a cut says of the time between. */
  #verdict(
    recovered: boolean,
    reason: 'expired' | 'unsupported' = 'expired',
  ): { verdict?: QueryVerdict } {
    if (!this.#cut) return {};
    this.#cut = false;
    return { verdict: recovered ? { recovered, reason: null } : { recovered: false, reason } };
  }

  #onRefused(told: Told): void {
    const code = typeof told['code'] === 'string' ? told['code'] : null;
    const pointer = typeof told['pointer'] === 'string' ? told['pointer'] : null;
    if (code === 'not_live') return this.#publish({ mode: 'off' });
    const reason = told['reason'] ?? 'The server did not answer in time.';
    const error = new QueryError(0, String(reason), code, pointer);
    if (code !== null && final.test(code)) return this.#refused(error);
    this.#publish({ error });
    this.#askTimer = this.#later(() => this.ask());
  }

  #later(run: () => void): Timer {
    const window = backOff(retryBaseMs, retryMaxMs, this.#failures++);
    return setTimeout(run, window * (0.5 + Math.random() / 2));
  }

  /** The server will not have it, or not any more. */
  #refused(error: QueryError): void {
    const { rows } = this.snapshot;
    this.#followed = this.#cut = false;
    if (error.code !== 'forbidden') return this.#publish({ error, status: 'refused' });
    // Without the right to them the rows go; the right may come back with another token.
    this.#askTimer = setTimeout(() => this.ask(), retryMaxMs);
    const none = { rows: [], version: null, position: null, asOf: null };
    const diff = { inserted: [], updated: [], removed: rows };
    this.#publish({ error, status: 'refused', ...none }, rows.length > 0 ? diff : null);
  }

  #patch(told: Told, at: Partial<LiveQuerySnapshot<any>>): void {
    const patched = patchRows(this.snapshot.rows, this.#rowKey, told);
    if (patched) return this.#settle(patched, { ...at, version: told['to'] });
    // Not the rows that it was made for: begin anew.
    this.#publish({ status: 'stale', version: null, position: null });
    this.ask();
  }

  #replace(told: Told, at: Partial<LiveQuerySnapshot<any>>): void {
    const rows = Array.isArray(told['rows']) ? told['rows'] : [];
    const patched = replaceRows(this.snapshot.rows, this.#rowKey, rows);
    this.#settle(patched, { ...at, version: told['to'] });
  }

  #settle({ rows, diff }: Patched, at: Partial<LiveQuerySnapshot<any>>): void {
    const first = !this.#shown;
    this.#shown = true;
    this.#publish({ ...at, rows }, first ? null : diff);
  }

  /** Rows of a read: kept unless a push has brought newer ones. */
  #offer(told: QueryResult<any>): void {
    const { position, version, asOf } = this.snapshot;
    const order = position && told.position ? comparePositions(told.position, position) : null;
    if (order !== null && order < 0) return;
    // At one position a clock decides, as for queries that read one; of other epochs nothing else can.
    if (!order && asOf !== null && told.asOf !== null && told.asOf < asOf) return;
    const at = {
      version: told.version,
      position: told.position,
      asOf: told.asOf,
      error: null,
      status: this.#statusOfRead(),
    };
    if (told.version !== null && told.version === version) return this.#publish(at);
    this.#settle(replaceRows(this.snapshot.rows, this.#rowKey, told.rows), at);
  }

  #statusOfRead(): 'live' | 'stale' {
    const lacks = this.#asking || this.#wanted || this.#reading;
    return this.#followed && !lacks ? 'live' : 'stale';
  }

  /** Mode `invalidate`: something at `position` concerned it. One read at a time, none for each. */
  #want(position: Position | null): void {
    this.#wanted = { position };
    if (this.snapshot.status === 'live') this.#publish({ status: 'stale' });
    if (!this.#reading) void this.#readWanted();
  }

  async #readWanted(): Promise<void> {
    this.#reading = true;
    clearTimeout(this.#readTimer);
    const { query, args } = this;
    while (this.#wanted && !this.#ended) {
      const { position } = this.#wanted;
      this.#wanted = null;
      try {
        const told = await this.hub.reader.read(query, args, { minPosition: position });
        if (this.#ended) return;
        this.#failures = 0;
        this.#offer(told);
      } catch (error) {
        if (this.#ended) return;
        this.#publish({ error: error as Error });
        this.#wanted ??= { position };
        this.#readTimer = this.#later(() => void this.#readWanted());
        this.#reading = false;
        return;
      }
    }
    this.#reading = false;
    if (!this.#ended && this.#shown) this.#publish({ status: this.#statusOfRead() });
  }

  #publish(change: Partial<LiveQuerySnapshot<any>>, diff: RowsDiff<any> | null = null): void {
    this.snapshot = { ...this.snapshot, ...change };
    for (const listener of [...this.listeners]) listener(diff);
  }
}

function stampOf(told: Told): { position?: string; asOf?: string } {
  const { position, as_of: asOf } = told;
  return {
    ...(typeof position === 'string' && { position }),
    ...(typeof asOf === 'string' && { asOf }),
  };
}
