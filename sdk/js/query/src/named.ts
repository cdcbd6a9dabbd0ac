import { notifyManager, type Query } from '@tanstack/query-core';
import { liveQueries, type LiveQuery } from '@tidewire/client/live-queries';
import type { QueryArgs } from '@tidewire/client/queries';
import type { Position } from '@tidewire/client';
import type { Keeper, KeeperHost } from './host.js';

/** A query of the server's catalogue. */
export interface NamedSpec {
  readonly query: string;
  readonly args: QueryArgs;
}

/**
 * Follows named queries while queries with them exist, and shows what the server pushes of them. What is
 * pushed within a frame is shown at once.
 */
export class NamedKeeper implements Keeper<NamedSpec> {
  #host: KeeperHost;
  #kept = new Map<string, LiveQuery<any>>();
  #waiting = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(host: KeeperHost) {
    this.#host = host;
  }

  add({ queryHash }: Query, { query, args }: NamedSpec): void {
    if (this.#kept.has(queryHash)) return;
    const live = liveQueries(this.#host.client).open(query, args);
    this.#kept.set(queryHash, live);
    let { status, rows, position } = live.snapshot;
    live.onChange(() => {
      const next = live.snapshot;
      if (next.rows !== rows || next.position !== position) this.#show(queryHash);
      rows = next.rows;
      position = next.position;
      if (next.status !== status) this.#host.onLive();
      status = next.status;
    });
    if (live.snapshot.version !== null) this.#show(queryHash);
  }

  remove(queryHash: string): void {
    this.#kept.get(queryHash)?.close();
    this.#kept.delete(queryHash);
    this.#waiting.delete(queryHash);
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const live of this.#kept.values()) live.close();
    this.#kept.clear();
  }

  isLive(queryHash: string): boolean | null {
    const live = this.#kept.get(queryHash);
    return live ? live.snapshot.status === 'live' : null;
  }

  positionOf(queryHash: string): Position | null {
    // What is gathered is not shown yet.
    return this.#waiting.has(queryHash)
      ? this.#host.resultPosition(queryHash)
      : (this.#kept.get(queryHash)?.snapshot.position ?? null);
  }

  /** Reads over HTTP: the rows of the answer, or newer ones that were pushed meanwhile. */
  async read(queryHash: string, spec: NamedSpec, signal: AbortSignal): Promise<readonly unknown[]> {
    const live = this.#kept.get(queryHash);
    const held = live ?? liveQueries(this.#host.client).open(spec.query, spec.args);
    try {
      const { rows, position } = await held.refresh({ signal });
      this.#waiting.delete(queryHash);
      if (!signal.aborted) this.#host.noteResult(queryHash, position);
      return rows;
    } finally {
      if (!live) held.close();
    }
  }

  #show(queryHash: string): void {
    this.#waiting.add(queryHash);
    this.#timer ??= setTimeout(() => this.#flush(), this.#host.frameMs);
  }

  #flush(): void {
    this.#timer = undefined;
    const bases: [string, unknown][] = [];
    for (const hash of this.#waiting) {
      const { rows, version, position } = this.#kept.get(hash)!.snapshot;
      this.#host.noteResult(hash, position);
      // Nothing is written into a query that is still loading: its read brings it.
      if (version === null && rows.length > 0) continue;
      bases.push([hash, rows]);
    }
    this.#waiting.clear();
    if (bases.length > 0) notifyManager.batch(() => this.#host.overlay.setBases(bases));
    this.#host.onShown();
  }
}

export const keeperOf = (host: KeeperHost): NamedKeeper => new NamedKeeper(host);
