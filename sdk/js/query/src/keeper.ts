import { notifyManager, type Query } from '@tanstack/query-core';
import { filterOf, type Change, type Position, type Subscription } from '@tidewire/client';
import type { Keeper, KeeperHost } from './host.js';
import { isAfter } from './position.js';
import { applyChanges, RecentChanges, type RowsSpec } from './rows.js';

/** A change this young may be followed by others of its commit, milliseconds. */
const arrivingMs = 3;

interface Kept {
  readonly query: Query;
  readonly spec: RowsSpec;
  readonly stream: Stream;
}

interface Stream {
  readonly id: string;
  readonly recent: RecentChanges;
  readonly queries: Set<Kept>;
  subscription: Subscription | null;
}

/**
 * Writes changes straight into the rows of queries that say which table, filter and order they are
 * (`realtimeQueryOptions`). One subscription per table and filter, while a query with it exists.
 *
 * A query's data stands at a position. A change at or before it is in it already; an answer that is
 * older than what is shown is not shown; an answer that lacks changes that came while it was on its
 * way gets them. The changes of one commit, in all queries, are shown together.
 */
export class RowsKeeper implements Keeper<RowsSpec> {
  #host: KeeperHost;
  #kept = new Map<string, Kept>();
  #streams = new Map<string, Stream>();
  #waiting: { stream: Stream; change: Change<any> }[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #lastAt = 0;

  constructor(host: KeeperHost) {
    this.#host = host;
  }

  /** Whether the query's stream is live now; null for a query that is not kept. */
  isLive(queryHash: string): boolean | null {
    const kept = this.#kept.get(queryHash);
    return kept ? kept.stream.subscription?.status === 'live' : null;
  }

  /** Up to where the data shown is known to be complete. */
  positionOf(queryHash: string): Position | null {
    const stream = this.#kept.get(queryHash)?.stream;
    const delivered = stream?.subscription?.status === 'live' ? stream.subscription.position : null;
    const result = this.#host.resultPosition(queryHash);
    if (result === null || delivered === null) return result;
    const idle = !this.#waiting.some((each) => each.stream === stream);
    return idle && isAfter(delivered, result) ? delivered : result;
  }

  add(query: Query, spec: RowsSpec): void {
    if (this.#kept.has(query.queryHash)) return;
    const filter = filterOf(spec.filters);
    const id = JSON.stringify([spec.schema, spec.table, filter]);
    let stream = this.#streams.get(id);
    if (!stream) {
      stream = { id, recent: new RecentChanges(), queries: new Set(), subscription: null };
      this.#streams.set(id, stream);
    }
    const kept: Kept = { query, spec, stream };
    stream.queries.add(kept);
    this.#kept.set(query.queryHash, kept);
    if (!stream.subscription) this.#open(stream, spec, filter);
  }

  remove(queryHash: string): void {
    const kept = this.#kept.get(queryHash);
    if (!kept) return;
    this.#kept.delete(queryHash);
    kept.stream.queries.delete(kept);
    if (kept.stream.queries.size > 0) return;
    kept.stream.subscription?.unsubscribe();
    this.#streams.delete(kept.stream.id);
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const { subscription } of this.#streams.values()) subscription?.unsubscribe();
    this.#streams.clear();
    this.#kept.clear();
  }

  /**
   * Settles an answer that is true at `position` with what is known: the data to show in its place,
   * and whether later changes continue it without a gap; or `older` when the data shown is newer.
   */
  reconcile(
    query: Query,
    data: unknown,
    position: Position | null,
  ): { data: unknown; whole: boolean } | 'older' {
    const kept = this.#kept.get(query.queryHash);
    if (!kept || position === null) return { data, whole: position !== null };
    const known = this.#host.floorOf(query.queryHash);
    const loaded = this.#host.overlay.baseOf(query.queryHash) !== undefined;
    if (loaded && known !== null && isAfter(known, position) && !isAfter(position, known)) {
      // Where the data shown has a gap, this answer does not close it.
      if (this.#host.resultPosition(query.queryHash) === null) this.#host.markQuery(query, known);
      return 'older';
    }
    const missed = kept.stream.recent.after(position);
    if (missed === null) {
      this.#host.markQuery(query, null);
      return { data, whole: false };
    }
    return { data: this.#apply(kept, data, position, missed), whole: true };
  }

  #open(stream: Stream, spec: RowsSpec, filter: string | undefined): void {
    let begun = false;
    let lost = false;
    stream.subscription = this.#host.client.subscribe<any>({
      table: spec.table,
      ...(spec.schema && { schema: spec.schema }),
      ...(filter && { filter }),
      onChange: (change) => this.#onChange(stream, change),
      onVerdict: (verdict) => {
        if (verdict.recovered) return;
        lost = true;
      },
      onStatus: (status, error) => {
        this.#host.onLive();
        if (status !== 'live' || error !== null) return;
        if (!begun || lost) {
          // What happened before the stream began is not in it.
          const from = stream.subscription?.position ?? null;
          this.flush();
          stream.recent.beginAfter(from);
          for (const { query } of stream.queries) {
            const known = this.#host.resultPosition(query.queryHash);
            if (known !== null && from !== null && !isAfter(from, known)) continue;
            // Later changes alone would hide the gap: nothing is written until a read closes it.
            this.#host.noteResult(query.queryHash, null);
            this.#host.markQuery(query, from);
          }
        }
        begun = true;
        lost = false;
      },
    });
  }

  #onChange(stream: Stream, change: Change<any>): void {
    this.#host.onStreamChange(change);
    this.#waiting.push({ stream, change });
    this.#lastAt = Date.now();
    this.#timer ??= setTimeout(() => this.#onFrame(), this.#host.frameMs);
  }

  /** Once per frame, however many changes come; a commit that is still arriving waits for the next. */
  #onFrame(): void {
    this.#timer = undefined;
    const last = this.#waiting.at(-1)?.change.commitTimestamp;
    const arriving = Date.now() - this.#lastAt < arrivingMs;
    const whole = this.#waiting.filter(({ change }) => change.commitTimestamp !== last);
    if (!arriving || whole.length === 0) return this.flush();
    const rest = this.#waiting.slice(whole.length);
    this.#waiting = whole;
    this.flush();
    this.#waiting = rest;
    this.#timer = setTimeout(() => this.#onFrame(), this.#host.frameMs);
  }

  /** Shows what has been gathered, in all queries at once. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const waiting = this.#waiting;
    this.#waiting = [];
    const byStream = new Map<Stream, Change<any>[]>();
    for (const { stream, change } of waiting) {
      stream.recent.add(change);
      byStream.set(stream, [...(byStream.get(stream) ?? []), change]);
    }
    const bases: [string, unknown][] = [];
    for (const [stream, changes] of byStream) {
      for (const kept of stream.queries) {
        const hash = kept.query.queryHash;
        const base = this.#host.overlay.baseOf(hash);
        const position = this.#host.resultPosition(hash);
        // Without data, or without knowing when it was true, an answer must come first.
        if (base === undefined || position === null) {
          this.#host.markQuery(kept.query, changes.at(-1)!.position);
          continue;
        }
        const missed = changes.filter((change) => isAfter(change.position, position));
        if (missed.length > 0) bases.push([hash, this.#apply(kept, base, position, missed)]);
      }
    }
    if (bases.length > 0) notifyManager.batch(() => this.#host.overlay.setBases(bases));
    this.#host.onShown();
  }

  #apply(kept: Kept, data: unknown, from: Position, changes: readonly Change<any>[]): unknown {
    const { data: next, incomplete } = applyChanges(kept.spec, data, changes);
    const unplaced = changes.some((change) => change.position === null);
    const position = changes.at(-1)?.position ?? from;
    this.#host.noteResult(kept.query.queryHash, position);
    if (incomplete || unplaced) this.#host.markQuery(kept.query, null);
    return next;
  }
}

export const keeperOf = (host: KeeperHost): RowsKeeper => new RowsKeeper(host);
