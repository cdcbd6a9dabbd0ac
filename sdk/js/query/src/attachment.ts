import type { Query, QueryKey } from '@tanstack/query-core';
import type { Change, Client, Position, Verdict } from '@tidewire/client';
import type { MutationQueue, Mutations } from '@tidewire/client/optimistic';

/** The keys that a table's changes make stale; matched by prefix, as `invalidateQueries` does. */
export type TableKeys = readonly QueryKey[] | WatchedKeys;

export interface WatchedKeys {
  readonly keys: readonly QueryKey[];
  readonly schema?: string;
  /** Only changes of rows that match it, e.g. `workspace_name=eq.Northwind`. */
  readonly filter?: string;
}

export interface AttachOptions {
  readonly tables?: Readonly<Record<string, TableKeys>>;
  /** Changes within so long are one invalidation, milliseconds; 50 by default, 0: a microtask. */
  readonly windowMs?: number;
  /** Changes of one commit are gathered for so long and shown together; 16 by default. */
  readonly frameMs?: number;
  /** An acknowledged change that is not seen after so long is read for, then given up at four
   * times as long; 1 500 by default. */
  readonly confirmMs?: number;
  /** When a read that a change asked for has failed, it is asked for again so much later; 5 000. */
  readonly retryMs?: number;
  /** Where mutations wait while offline; see `@tidewire/client/offline`. */
  readonly queue?: MutationQueue;
  /** Told of each change as it arrives, before its window closes; once, by however many streams it
   * comes. */
  readonly onChange?: (change: Change) => void;
  /** Told of each subscription's verdict after a reconnect. */
  readonly onVerdict?: (verdict: Verdict, table: string) => void;
  /** Told of each flush: the queries made stale. For tests and developer tools. */
  readonly onInvalidate?: (queries: readonly Query[]) => void;
}

export interface Attachment {
  readonly client: Client;
  /** Sends optimistic mutations over this cache. */
  readonly mutations: Mutations;
  /** Makes `keys` stale on changes of `table` from now on; returns how to stop. */
  watch(table: string, keys: TableKeys): () => void;
  /** Makes keys stale by hand, through the same window. */
  invalidate(keys: readonly QueryKey[]): void;
  /** Whether a query's rows are followed live now; null where they are not followed at all. */
  isLive(queryHash: string): boolean | null;
  /** Calls back when `isLive` of any query may have changed. */
  onLiveChange(listener: () => void): () => void;
  /** Where in the log a query's data stands; null where it is not known. */
  positionOf(queryHash: string): Position | null;
  detach(): void;
}
