import type { Query, QueryClient } from '@tanstack/query-core';
import type { Change, Client, Position } from '@tidewire/client';
import type { Overlay } from '@tidewire/client/optimistic';

/** What a keeper needs of the engine that it serves. */
export interface KeeperHost {
  readonly client: Client;
  readonly queryClient: QueryClient;
  readonly overlay: Overlay;
  /** How long changes are gathered so that those of one commit show together, milliseconds. */
  readonly frameMs: number;
  /** The data contains every change up to here; null where that is not known. */
  resultPosition(queryHash: string): Position | null;
  /** The latest position that was ever shown; answers from before it are not. */
  floorOf(queryHash: string): Position | null;
  noteResult(queryHash: string, position: Position | null): void;
  /** The query may lack something that happened at `position`. */
  markQuery(query: Query, position: Position | null): void;
  onStreamChange(change: Change<any>): void;
  /** A query is followed live from now on, or no longer. */
  onLive(): void;
  /** Gathered changes are shown now. */
  onShown(): void;
}

/** Keeps the queries of one kind true while they exist. Loaded when the first of them is used. */
export interface Keeper<Spec> {
  add(query: Query, spec: Spec): void;
  remove(queryHash: string): void;
  /** Whether the query is followed live now; null for a query that is not kept. */
  isLive(queryHash: string): boolean | null;
  /** Up to where the data shown is known to be complete. */
  positionOf(queryHash: string): Position | null;
  close(): void;
}
