import { createElement, StrictMode, type ReactNode } from 'react';
import { flushSync } from 'react-dom';
import { createRoot, type Root } from 'react-dom/client';
import { expect, vi } from 'vitest';
import type { Change, Client, ConnectionStatus, SubscribeOptions, Verdict } from '@tidewire/client';

/** A client whose stream, reads and rooms the test speaks for. */
export class FakeClient {
  status: ConnectionStatus = {
    state: 'connected',
    simple: 'connected',
    transport: 'ws',
    attempt: 0,
    nextRetryAt: null,
    error: null,
  };
  subscriptions: {
    options: SubscribeOptions<any>;
    position: string | null;
    status: string;
    open: boolean;
  }[] = [];
  rows: Record<string, Record<string, unknown>[]> = {};
  offset = 0;
  selects: string[] = [];
  selectDelayMs = 0;
  selectFails: Error | null = null;
  rooms: FakeRoom[] = [];
  retries = 0;
  #status = new Set<(status: ConnectionStatus) => void>();

  get position() {
    return `e:${this.offset}`;
  }
  get open() {
    return this.subscriptions.filter((each) => each.open);
  }
  onStatus(listener: (status: ConnectionStatus) => void) {
    this.#status.add(listener);
    return () => this.#status.delete(listener);
  }
  setStatus(status: Partial<ConnectionStatus>) {
    this.status = { ...this.status, ...status };
    for (const listener of [...this.#status]) listener(this.status);
  }
  retry() {
    this.retries++;
  }
  subscribe(options: SubscribeOptions<any>) {
    const entry = { options, position: null as string | null, status: 'joining', open: true };
    this.subscriptions.push(entry);
    queueMicrotask(() => {
      if (!entry.open) return;
      entry.status = 'live';
      entry.position = options.since ?? this.position;
      options.onStatus?.('live', null);
    });
    return {
      unsubscribe: () => void (entry.open = false),
      get position() {
        return entry.position;
      },
      get status() {
        return entry.status;
      },
    };
  }
  async select(table: string, query: { filters?: Record<string, string>; limit?: number } = {}) {
    this.selects.push(table);
    if (this.selectFails) throw this.selectFails;
    const matching = (this.rows[table] ?? []).filter((row) =>
      Object.entries(query.filters ?? {}).every(([c, v]) => `eq.${row[c]}` === v),
    );
    const answer = {
      rows: structuredClone(matching.slice(0, query.limit)) as any[],
      position: this.position,
    };
    if (this.selectDelayMs) await new Promise((r) => setTimeout(r, this.selectDelayMs));
    return answer;
  }
  live(table: string, options: any = {}) {
    const listeners = new Set<(changes: readonly Change<any>[]) => void>();
    let snapshot: any = { rows: [], status: 'loading', error: null, position: null };
    void this.select(table, options).then(({ rows, position }) => {
      snapshot = { rows, status: 'live', error: null, position };
      listeners.forEach((each) => each([]));
    });
    const stream = this.subscribe({
      table,
      onChange: (change: Change<any>) => {
        const id = (change.record ?? change.oldRecord)!['id'];
        const rest = snapshot.rows.filter((row: any) => row.id !== id);
        snapshot = {
          ...snapshot,
          rows: (change.record ? [...rest, change.record] : rest).sort(
            (a: any, b: any) => a.id - b.id,
          ),
          position: change.position,
        };
        listeners.forEach((each) => each([change]));
      },
    });
    return {
      get snapshot() {
        return snapshot;
      },
      onChange(listener: any) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
      refresh: async () => {},
      close: () => stream.unsubscribe(),
    };
  }
  room(name: string, options: { key?: string } = {}) {
    const room = new FakeRoom(name, options.key ?? 'me');
    this.rooms.push(room);
    return room;
  }
  /** Commits a change and delivers it. */
  commit(type: Change['type'], table: string, row: Record<string, unknown>, old?: object) {
    this.offset++;
    const rows = (this.rows[table] ??= []);
    const at = rows.findIndex((each) => each['id'] === row['id']);
    const before = at < 0 ? null : rows[at]!;
    if (type === 'DELETE') rows.splice(at, 1);
    else if (at < 0) rows.push(row);
    else rows[at] = { ...before, ...row };
    this.push(type, table, type === 'DELETE' ? null : { ...before, ...row }, old ?? before);
  }
  push(type: Change['type'], table: string, record: any, oldRecord: any, offset = this.offset) {
    for (const entry of this.open) {
      if (entry.options.table !== table || entry.status !== 'live') continue;
      entry.position = `e:${offset}`;
      entry.options.onChange?.({
        type,
        schema: 'public',
        table,
        commitTimestamp: `t${offset}`,
        record,
        oldRecord,
        errors: null,
        position: `e:${offset}`,
      });
    }
  }
  verdict(verdict: Verdict) {
    for (const entry of this.open) entry.options.onVerdict?.(verdict);
  }
  get asClient() {
    return this as unknown as Client;
  }
}

export class FakeRoom {
  members: any[] = [];
  joined = true;
  tracked: any[] = [];
  sent: [string, unknown][] = [];
  left = 0;
  changes = new Set<() => void>();
  listeners = new Set<(payload: any, event: string) => void>();
  constructor(
    readonly name: string,
    readonly key: string,
  ) {}
  onChange(listener: () => void) {
    this.changes.add(listener);
    return () => this.changes.delete(listener);
  }
  onBroadcast(_event: string, listener: (payload: any, event: string) => void) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
  async send(event: string, payload: unknown) {
    this.sent.push([event, payload]);
    return 'ok' as const;
  }
  track(state: any) {
    this.tracked.push(state);
  }
  leave() {
    this.left++;
  }
  setMembers(members: any[]) {
    this.members = members;
    this.changes.forEach((each) => each());
  }
  hear(event: string, payload: unknown) {
    this.listeners.forEach((each) => each(payload, event));
  }
}

export interface Rendered {
  readonly container: HTMLElement;
  rerender(node: ReactNode): Promise<void>;
  unmount(): Promise<void>;
}

/** Renders under StrictMode, so that every effect is made, undone and made again. */
export async function render(node: ReactNode): Promise<Rendered> {
  const container = document.createElement('div');
  document.body.append(container);
  const root: Root = createRoot(container);
  const strict = (inner: ReactNode) => createElement(StrictMode, null, inner);
  flushSync(() => root.render(strict(node)));
  await settle(20);
  return {
    container,
    async rerender(next) {
      flushSync(() => root.render(strict(next)));
      await settle(20);
    },
    async unmount() {
      root.unmount();
      container.remove();
    },
  };
}

/** Lets timers and promises of up to `ms` pass, with React's work. */
export async function settle(ms = 20): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits until the page says so; fails with what it says instead. */
export async function shows(page: Rendered | null, text: string): Promise<void> {
  await vi.waitFor(() => expect(page!.container.textContent).toBe(text), {
    timeout: 5_000,
    interval: 5,
  });
}
