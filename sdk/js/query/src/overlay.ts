import { hashKey, notifyManager, type QueryClient } from '@tanstack/query-core';
import type { OverlayCache } from '@tidewire/client/optimistic';

/** A query client as the cache under an overlay. `showing` surrounds what the overlay writes. */
export function overlayCacheOf(
  queryClient: QueryClient,
  showing: (run: () => void) => void,
): OverlayCache {
  const cache = queryClient.getQueryCache();
  return {
    hashOf: (key) => hashKey(key),
    find: (prefix) => cache.findAll({ queryKey: prefix }).map((query) => query.queryHash),
    read: (hash) => cache.get(hash)?.state.data,
    show(hash, data) {
      const query = cache.get(hash);
      if (!query || query.state.data === data) return;
      const { isInvalidated } = query.state;
      query.setData(data, { manual: true });
      // Data of our own making does not make up for a read that is due.
      if (isInvalidated) query.invalidate();
    },
    batch: (run) => showing(() => notifyManager.batch(run)),
  };
}
