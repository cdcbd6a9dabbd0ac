import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react';
import type { Client, Member, Room, RoomOptions, SendOutcome } from '@tidewire/client';
import { useTidewire } from './context.js';
import { RunningStore, useKeyed, useLatest, useTracked } from './tracked.js';

type State = Record<string, unknown>;

interface RoomState {
  readonly room: Room | null;
  readonly members: readonly Member<any>[];
  readonly joined: boolean;
}

const outside: RoomState = { room: null, members: [], joined: false };

function useRoom(name: string | null, options: RoomOptions): RoomState {
  const client = useTidewire();
  const identity = JSON.stringify([name, options.key, options.private]);
  const store = useKeyed(identity, client, () => roomStore(client, name ?? '', options));
  return useTracked(name === null ? null : store, outside);
}

function roomStore(client: Client, name: string, options: RoomOptions): RunningStore<RoomState> {
  return new RunningStore<RoomState>(outside, (set) => {
    const room = client.room(name, options);
    const publish = () => set({ room, members: room.members, joined: room.joined });
    publish();
    const stop = room.onChange(publish);
    return () => {
      stop();
      room.leave();
      set(outside);
    };
  });
}

export interface UsePresence<T> {
  /** Everybody else, by key. */
  readonly others: readonly Member<T>[];
  /** Oneself, as the others see it; null until the server has said so. */
  readonly self: Member<T> | null;
  readonly isJoined: boolean;
  /** Changes what others see. */
  update(patch: Partial<T>): void;
}

/** Who is in a room. `initial` is what others see of oneself; null: only look. */
export function usePresence<T extends State = State>(
  name: string | null,
  initial: T | null = null,
  options: RoomOptions = {},
): UsePresence<T> {
  const { room, members, joined } = useRoom(name, options);
  const [state, setState] = useState<T | null>(initial);
  const text = JSON.stringify(state);
  const newest = useLatest(state);
  useEffect(() => {
    if (room && newest.current !== null) room.track(newest.current);
  }, [room, text, newest]);
  // Others may stay in the room after this component has gone.
  useEffect(() => () => room?.track(null), [room]);
  const update = useCallback(
    (patch: Partial<T>) => setState((before) => ({ ...(before as T), ...patch })),
    [],
  );
  return useMemo(() => {
    const others = members.filter((member) => !member.self);
    const self = members.find((member) => member.self) ?? null;
    return { others, self, isJoined: joined, update };
  }, [members, joined, update]);
}

export interface BroadcastOptions extends RoomOptions {
  /** Which messages; all by default. */
  readonly event?: string;
  readonly onMessage?: (payload: any, event: string) => void;
}

/** Messages to everybody else in a room, not kept. Returns how to send one. */
export function useBroadcast(
  name: string | null,
  options: BroadcastOptions = {},
): (event: string, payload?: State) => Promise<SendOutcome> {
  const { room } = useRoom(name, options);
  const callback = useLatest(options.onMessage);
  const { event = '*' } = options;
  useEffect(
    () => room?.onBroadcast(event, (payload, named) => callback.current?.(payload, named)),
    [room, event, callback],
  );
  return useCallback(
    (named: string, payload: State = {}) =>
      room ? room.send(named, payload) : Promise.resolve<SendOutcome>('offline'),
    [room],
  );
}

export interface UseTyping {
  /** Who types, as they called themselves. */
  readonly typing: readonly string[];
  /** Call it on each key press; it is sent once per second at most. */
  notify(): void;
}

/** "Ada is typing": silence for `timeoutMs` ends it, so does `stop` (an empty message). */
export function useTyping(
  name: string | null,
  me: string,
  { timeoutMs = 3_000, ...options }: RoomOptions & { timeoutMs?: number } = {},
): UseTyping {
  const [store] = useState(() => new TypingStore());
  const send = useBroadcast(name, {
    ...options,
    event: 'typing',
    onMessage: ({ name: who }: { name?: unknown }) =>
      typeof who === 'string' && store.heard(who, timeoutMs),
  });
  useEffect(() => () => store.clear(), [store]);
  const last = useRef(0);
  const typing = useSyncExternalStore(
    store.onChange,
    () => store.names,
    () => store.names,
  );
  const notify = useCallback(() => {
    if (Date.now() - last.current < Math.min(1_000, timeoutMs / 2)) return;
    last.current = Date.now();
    void send('typing', { name: me });
  }, [send, me, timeoutMs]);
  return { typing, notify };
}

class TypingStore {
  names: readonly string[] = [];
  #timers = new Map<string, ReturnType<typeof setTimeout>>();
  #listeners = new Set<() => void>();

  onChange = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  heard(name: string, ms: number): void {
    clearTimeout(this.#timers.get(name));
    this.#timers.set(
      name,
      setTimeout(() => {
        this.#timers.delete(name);
        this.#publish();
      }, ms),
    );
    if (!this.names.includes(name)) this.#publish();
  }

  clear(): void {
    this.#timers.forEach((timer) => clearTimeout(timer));
    this.#timers.clear();
    this.#publish();
  }

  #publish(): void {
    this.names = [...this.#timers.keys()];
    for (const listener of [...this.#listeners]) listener();
  }
}
