import { pollIntervalOf, type PagePolicy } from '@tidewire/client/refresh';

/** Poll while nothing is pushed: from `minMs`, growing while nothing changes, to `maxMs`. */
export interface Fallback {
  readonly interval?: number;
  readonly minMs?: number;
  readonly maxMs?: number;
}

export interface Polling {
  readonly fallback?: Fallback | false;
  readonly policy?: PagePolicy;
}

interface Polled {
  readonly state: { readonly dataUpdateCount: number; readonly data: unknown };
}

/** How soon a query asks again, milliseconds; false while it is pushed, or shall not. */
export function pollInterval(
  { fallback = {}, policy }: Polling,
  query: Polled,
  live: boolean,
): number | false {
  if (policy) {
    const interval = pollIntervalOf(policy, query.state.data, live);
    if (interval !== false || live) return interval;
  }
  return live || fallback === false ? false : fallbackInterval(fallback, query);
}

/** Grows with each answer that changed nothing; back to the start after one that did. */
function fallbackInterval(
  { interval, minMs = interval ?? 15_000, maxMs = Math.max(minMs, 120_000) }: Fallback,
  query: Polled,
): number {
  const known = quiet.get(query);
  const { data, dataUpdateCount } = query.state;
  if (!known || known.data !== data) {
    quiet.set(query, { data, since: dataUpdateCount });
    return minMs;
  }
  return Math.min(maxMs, Math.round(minMs * 1.5 ** (dataUpdateCount - known.since)));
}
const quiet = new WeakMap<object, { data: unknown; since: number }>();
