import type { Client, LiveRows } from '@tidewire/client';
import type { LiveQuery } from '@tidewire/client/live-queries';
import type { QueryArgs } from '@tidewire/client/queries';

const load = () => import('@tidewire/client/live-queries');

/** A named query's rows in the shape of a table's; followed once the code for it is here. */
export function namedRows(client: Client, query: string, args: QueryArgs): LiveRows<any> {
  const listeners = new Set<() => void>();
  const tell = () => [...listeners].forEach((listener) => listener());
  let live: LiveQuery<any> | null = null;
  let closed = false;
  const opened = load().then(({ liveQueries }) => {
    if (closed) return;
    live = liveQueries(client).open(query, args);
    live.onChange(tell);
    tell();
  });
  // Without it the key is read as any other.
  opened.catch(() => {});
  return {
    get snapshot() {
      const { rows = [], status = 'loading', error = null, position = null } = live?.snapshot ?? {};
      return { rows, status: status === 'refused' ? 'stale' : status, error, position };
    },
    onChange(listener) {
      const own = () => listener([]);
      listeners.add(own);
      return () => listeners.delete(own);
    },
    async refresh() {
      await opened;
      await live?.refresh();
    },
    close() {
      closed = true;
      live?.close();
    },
  };
}

/** Reads it once. */
export async function readNamed(client: Client, query: string, args: QueryArgs) {
  const live = (await load()).liveQueries(client).open<any>(query, args);
  try {
    return (await live.refresh()).rows;
  } finally {
    live.close();
  }
}
