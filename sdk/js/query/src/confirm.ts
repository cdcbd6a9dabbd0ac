import type { Query } from '@tanstack/query-core';
import type { Position } from '@tidewire/client';
import type { Patch } from '@tidewire/client/optimistic';
import type { KeeperHost } from './host.js';
import { isAfter } from './position.js';

/** What a confirmation needs of the engine. */
export interface ConfirmHost extends KeeperHost {
  isLive(queryHash: string): boolean | null;
  positionOf(queryHash: string): Position | null;
  /** A read of the query that began after `seq` has ended. */
  readSince(query: Query, seq: number): boolean;
  /** Runs `check` whenever what is shown, or is being read, may have changed; returns how to stop. */
  onProgress(check: () => void): () => void;
  /** An acknowledged change that is not seen after so long is read for, milliseconds. */
  readonly confirmMs: number;
}

/**
 * Resolves when every entry that the patch touches shows what was acknowledged at `seq`: its rows
 * stand at `position` or later, or a read that began after the acknowledgement has ended.
 */
export function confirmPatch(
  host: ConfirmHost,
  patch: Patch,
  position: Position | null,
  seq: number,
): Promise<'synced' | 'unconfirmed'> {
  const cache = host.queryClient.getQueryCache();
  const missing = () =>
    [...patch.touched].flatMap((hash) => {
      const query = cache.get(hash);
      if (!query || !query.isActive()) return [];
      const at = position === null ? null : host.positionOf(hash);
      if (position !== null && at !== null) return isAfter(position, at) ? [query] : [];
      return host.readSince(query, seq) ? [] : [query];
    });
  // Entries that are not active read again when they are shown.
  for (const hash of patch.touched) {
    const query = cache.get(hash);
    if (query && !query.isActive()) query.invalidate();
  }
  return new Promise((resolve) => {
    const finish = (outcome: 'synced' | 'unconfirmed') => {
      clearTimeout(soon);
      clearTimeout(late);
      stop();
      resolve(outcome);
    };
    const check = () => missing().length === 0 && finish('synced');
    const read = () => missing().forEach((query) => host.markQuery(query, null));
    const kept = [...patch.touched].every((hash) => host.isLive(hash) === true);
    const soon = setTimeout(read, position !== null && kept ? host.confirmMs : 0);
    const late = setTimeout(() => finish('unconfirmed'), host.confirmMs * 4);
    const stop = host.onProgress(check);
    check();
  });
}
