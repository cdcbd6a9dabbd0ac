import type { Change, Verdict } from '@tidewire/client';
import { nameOf, stageLabel, type Lead, type Metrics } from './model.js';

export interface FeedEntry {
  readonly id: number;
  readonly at: number;
  readonly kind: 'insert' | 'move' | 'update' | 'delete' | 'count' | 'connection';
  readonly title: string;
  readonly detail: string;
  /** The stage it ended in, for its colour. */
  readonly stage: string | null;
  /** For counts: by how much each has changed. */
  readonly deltas?: Readonly<Record<string, number>>;
}

export interface FeedState {
  readonly entries: readonly FeedEntry[];
  /** The last verdict after a reconnect, and when it came. */
  readonly verdict: { readonly verdict: Verdict; readonly at: number } | null;
  readonly changes: number;
}

const entriesMax = 60;
const countsMergedMs = 15_000;
const countsMergedWithin = 8;

const counters = [
  ['emails_sent_mtd', 'sent'],
  ['opens_mtd', 'opened'],
  ['replies_mtd', 'replied'],
  ['positive_replies_mtd', 'positive'],
  ['unsubscribed_mtd', 'unsubscribed'],
  ['bounced_mtd', 'bounced'],
] as const;

/** What has happened, newest first, as people read it. */
export class FeedStore {
  state: FeedState = { entries: [], verdict: null, changes: 0 };
  #listeners = new Set<() => void>();
  #next = 1;

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  addLead(change: Change<Lead>, before: Lead | null): void {
    const row = { ...before, ...change.oldRecord, ...change.record };
    const from = change.oldRecord?.pipeline_stage ?? before?.pipeline_stage ?? null;
    const to = change.record?.pipeline_stage ?? null;
    const title = nameOf(row);
    if (change.type === 'DELETE') this.#add('delete', title, 'Removed from the mirror', null);
    else if (change.type === 'LEAVE') this.#add('delete', title, 'Left this workspace', null);
    else if (change.type === 'INSERT') {
      this.#add('insert', title, `Added in ${stageLabel(to)}`, to);
    } else if (from !== null && from !== to) {
      this.#add('move', title, `${stageLabel(from)} → ${stageLabel(to)}`, to);
    } else this.#add('update', title, 'Details updated', to);
  }

  addMetrics(change: Change<Metrics>, before: Metrics | null): void {
    const { record } = change;
    if (!record) return;
    const deltas: Record<string, number> = {};
    for (const [column, label] of counters) {
      const was = change.oldRecord?.[column] ?? this.#lastCounts?.[column] ?? before?.[column];
      const delta = (record[column] ?? 0) - (was ?? record[column] ?? 0);
      if (delta !== 0) deltas[label] = delta;
    }
    this.#lastCounts = record;
    if (Object.keys(deltas).length > 0) this.#addCounts(deltas);
    else this.#set({ changes: this.state.changes + 1 });
  }

  /** Counts come with every e-mail: those of a few seconds are one line that grows. */
  #addCounts(deltas: Record<string, number>): void {
    const now = Date.now();
    const recent = this.state.entries.slice(0, countsMergedWithin);
    const open = recent.find((each) => each.kind === 'count' && now - each.at < countsMergedMs);
    const sum: Record<string, number> = { ...open?.deltas };
    for (const [label, by] of Object.entries(deltas)) sum[label] = (sum[label] ?? 0) + by;
    const detail = Object.entries(sum)
      .filter(([, by]) => by !== 0)
      .map(([label, by]) => `${by > 0 ? '+' : '−'}${Math.abs(by)} ${label}`)
      .join(', ');
    if (!open) {
      this.#add('count', 'Counters', detail, null, sum);
      return;
    }
    const grown = { ...open, detail, deltas: sum };
    this.#set({
      entries: this.state.entries.map((each) => (each === open ? grown : each)),
      changes: this.state.changes + 1,
    });
  }
  #lastCounts: Metrics | null = null;

  addVerdict(verdict: Verdict): void {
    const at = Date.now();
    const last = this.state.verdict;
    // Each table's subscription has its own verdict: a reconnect is told once, the worst counts.
    if (last && at - last.at < 1500 && (verdict.recovered || !last.verdict.recovered)) return;
    this.#set({ verdict: { verdict, at } });
    this.#add(
      'connection',
      'Reconnected',
      verdict.recovered ? 'Caught up, nothing missed' : `Reloaded (${verdict.reason})`,
      null,
    );
  }

  #add(
    kind: FeedEntry['kind'],
    title: string,
    detail: string,
    stage: string | null,
    deltas: Record<string, number> = {},
  ): void {
    const entry = { id: this.#next++, at: Date.now(), kind, title, detail, stage, deltas };
    this.#set({
      entries: [entry, ...this.state.entries].slice(0, entriesMax),
      changes: this.state.changes + 1,
    });
  }

  #set(change: Partial<FeedState>): void {
    this.state = { ...this.state, ...change };
    for (const listener of this.#listeners) listener();
  }
}
