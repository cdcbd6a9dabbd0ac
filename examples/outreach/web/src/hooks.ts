import {
  createContext,
  useContext,
  useEffect,
  useRef,
  useState,
  useSyncExternalStore,
} from 'react';
import type { ConnectionStatus } from '@tidewire/client';
import type { FeedState } from './feed.js';
import type { Session } from './session.js';
import { formatAgo, stageOf, type Lead, type StageId } from './model.js';

export const SessionContext = createContext<Session | null>(null);

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (!session) throw new Error('useSession outside of a session.');
  return session;
}

export function useConnection(): ConnectionStatus {
  const { client } = useSession();
  return useSyncExternalStore(
    (listener) => client.onStatus(listener),
    () => client.status,
  );
}

export function useFeed(): FeedState {
  const { feed } = useSession();
  return useSyncExternalStore(feed.subscribe, () => feed.state);
}

const tickListeners = new Set<() => void>();
let ticker: ReturnType<typeof setInterval> | undefined;

function onTick(listener: () => void): () => void {
  tickListeners.add(listener);
  ticker ??= setInterval(() => tickListeners.forEach((each) => each()), 1000);
  return () => {
    tickListeners.delete(listener);
    if (tickListeners.size > 0) return;
    clearInterval(ticker);
    ticker = undefined;
  };
}

/** How long ago, in words; renders again only when the words change. */
export function useAgo(time: number | null): string {
  return useSyncExternalStore(onTick, () => formatAgo(time, Date.now()));
}

/** Whole seconds until `time`; null when there is none. */
export function useSecondsUntil(time: number | null): number | null {
  return useSyncExternalStore(onTick, () =>
    time === null ? null : Math.max(0, Math.ceil((time - Date.now()) / 1000)),
  );
}

export interface Motion {
  /** Where it came from; null when it is new here. */
  readonly from: StageId | null;
  readonly at: number;
}

const motionMs = 6000;

/** Which leads are new or have moved lately, by e-mail address. */
export function useMotions(leads: readonly Lead[] | undefined): ReadonlyMap<string, Motion> {
  const before = useRef<Map<string, StageId> | null>(null);
  const [motions, setMotions] = useState<ReadonlyMap<string, Motion>>(new Map());
  useEffect(() => {
    if (!leads) return;
    const last = before.current;
    before.current = new Map(leads.map((lead) => [lead.lead_email, stageOf(lead)]));
    if (!last) return;
    const at = Date.now();
    const fresh: [string, Motion][] = [];
    for (const [email, stage] of before.current) {
      const was = last.get(email) ?? null;
      if (was !== stage) fresh.push([email, { from: was, at }]);
    }
    if (fresh.length === 0) return;
    setMotions((old) => new Map([...old, ...fresh]));
    const timer = setTimeout(
      () => setMotions((old) => new Map([...old].filter(([, m]) => Date.now() - m.at < motionMs))),
      motionMs + 50,
    );
    void timer;
  }, [leads]);
  return motions;
}
