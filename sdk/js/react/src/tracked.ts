import { useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react';

/** State that changes by whole objects, and says so. */
export interface Store<S> {
  readonly state: S;
  onChange(listener: () => void): () => void;
}

/** A store that runs something while anybody listens: a subscription, a timer. */
export class RunningStore<S extends object> implements Store<S> {
  state: S;
  #listeners = new Set<() => void>();
  #start: (set: (change: Partial<S>) => void) => () => void;
  #stop: (() => void) | null = null;

  constructor(initial: S, start: (set: (change: Partial<S>) => void) => () => void) {
    this.state = initial;
    this.#start = start;
  }

  onChange = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    this.#stop ??= this.#start((change) => this.#set(change));
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      // StrictMode and quick route changes take it away and give it back at once.
      setTimeout(() => {
        if (this.#listeners.size > 0) return;
        this.#stop?.();
        this.#stop = null;
      });
    };
  };

  #set(change: Partial<S>): void {
    const keys = Object.keys(change) as (keyof S)[];
    if (keys.every((key) => Object.is(this.state[key], change[key]))) return;
    this.state = { ...this.state, ...change };
    for (const listener of [...this.#listeners]) listener();
  }
}

/** One store per `key` and `owner`; another when either changes. */
export function useKeyed<S>(key: string, owner: unknown, make: () => S): S {
  const [held, setHeld] = useState(() => ({ key, owner, store: make() }));
  if (held.key === key && held.owner === owner) return held.store;
  const next = { key, owner, store: make() };
  setHeld(next);
  return next.store;
}

/**
 * The store's state; the component renders again only when a field changes that it has read while
 * rendering. `null`: nothing runs and `idle` is shown.
 */
export function useTracked<S extends object>(store: Store<S> | null, idle: S): S {
  const read = useRef(new Set<keyof S>());
  const shown = useRef<S>(idle);
  const snapshot = () => {
    const state = store ? store.state : idle;
    const before = shown.current;
    if (state === before) return before;
    if (Object.keys(before).length !== Object.keys(state).length) return (shown.current = state);
    for (const key of read.current) {
      if (!Object.is(state[key], before[key])) return (shown.current = state);
    }
    return before;
  };
  const state = useSyncExternalStore(store?.onChange ?? idleSubscribe, snapshot, snapshot);
  return useMemo(() => {
    const view = {} as S;
    for (const key of Object.keys(state) as (keyof S)[]) {
      const get = () => {
        read.current.add(key);
        return state[key];
      };
      Object.defineProperty(view, key, { enumerable: true, get });
    }
    return view;
  }, [state]);
}

const idleSubscribe = () => () => {};

/** The newest of a value, for callbacks that outlive a render. */
export function useLatest<T>(value: T): { readonly current: T } {
  const ref = useRef(value);
  useEffect(() => {
    ref.current = value;
  });
  return ref;
}
