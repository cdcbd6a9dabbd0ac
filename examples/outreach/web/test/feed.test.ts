import { expect, it } from 'vitest';
import type { Change } from '@tidewire/client';
import { FeedStore } from '../src/feed.js';
import {
  formatAgo,
  linesOf,
  nameOf,
  stageOf,
  timeOf,
  type Lead,
  type Metrics,
} from '../src/model.js';

const lead = (stage: string) => ({ lead_email: 'a@b.c', pipeline_stage: stage }) as Lead;
const change = (type: string, record: object | null, oldRecord: object | null = null) =>
  ({ type, record, oldRecord }) as never as Change<never>;

it('says what happened to a lead', () => {
  const feed = new FeedStore();
  feed.addLead(change('INSERT', lead('new')), null);
  feed.addLead(change('UPDATE', lead('replied'), { lead_email: 'a@b.c' }), lead('new'));
  feed.addLead(change('UPDATE', lead('replied')), lead('replied'));
  feed.addLead(change('LEAVE', null, { lead_email: 'a@b.c' }), lead('replied'));
  feed.addLead(change('DELETE', null, { lead_email: 'a@b.c' }), null);
  expect(feed.state.entries.map((entry) => entry.detail).reverse()).toEqual([
    'Added in New',
    'New → Replied',
    'Details updated',
    'Left this workspace',
    'Removed from the mirror',
  ]);
});

it('sums counters of a few seconds in one line', () => {
  const feed = new FeedStore();
  const metrics = (sent: number, opens = 0) =>
    ({ emails_sent_mtd: sent, opens_mtd: opens }) as Metrics;
  feed.addMetrics(change('UPDATE', metrics(11)), metrics(10));
  feed.addMetrics(change('UPDATE', metrics(14, 1)), metrics(10));
  expect(feed.state.entries).toHaveLength(1);
  expect(feed.state.entries[0]!.detail).toBe('+4 sent, +1 opened');
  expect(feed.state.changes).toBe(2);
});

it('tells a reconnect once, and the worst of its verdicts', () => {
  const feed = new FeedStore();
  feed.addVerdict({ recovered: true, reason: null });
  feed.addVerdict({ recovered: true, reason: null });
  feed.addVerdict({ recovered: false, reason: 'expired' });
  feed.addVerdict({ recovered: true, reason: null });
  expect(feed.state.entries).toHaveLength(2);
  expect(feed.state.verdict!.verdict.recovered).toBe(false);
});

it('words names, places and times', () => {
  expect(nameOf({ lead_email: 'a@b.c' })).toBe('a@b.c');
  expect(nameOf({ first_name: 'Ada', last_name: 'Byron' })).toBe('Ada Byron');
  expect(linesOf({ lead_email: 'a@b.c', title: 'CEO', company: null })).toEqual(['CEO']);
  expect(linesOf({ lead_email: 'a@b.c' })).toEqual(['a@b.c']);
  expect(stageOf({ pipeline_stage: 'unheard of' })).toBe('new');
  expect(timeOf('2026-01-02 03:04:05')).toBe(Date.UTC(2026, 0, 2, 3, 4, 5));
  expect(timeOf('2026-01-02T03:04:05+00:00')).toBe(Date.UTC(2026, 0, 2, 3, 4, 5));
  expect(timeOf('nonsense')).toBeNull();
  const ago = (seconds: number) => formatAgo(0, seconds * 1000);
  expect([2, 30, 90, 7200, 200_000].map(ago)).toEqual(['now', '30 s', '1 min', '2 h', '2 d']);
});
