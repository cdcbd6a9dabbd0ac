import type { Client } from '@tidewire/client';

export interface DemoUser {
  readonly name: string;
  readonly sub: string;
  readonly organization_id: string;
  readonly token: string;
}

/** Which keys each source feeds (mission S0.4). */
export const sourceKeys = {
  meta: ['meta', 'meta-metrics', 'single-day-meta', 'creative-intelligence', 'hourly-metrics'],
  actblue_webhook: [
    'actblue',
    'donations',
    'recurring-health',
    'recurring-health-v2',
    'hourly-metrics',
  ],
  actblue_csv: ['actblue', 'donations', 'recurring-health', 'recurring-health-v2'],
  switchboard: ['sms', 'channels'],
  '*': ['dashboard'],
} as const;

export const sources = ['meta', 'switchboard', 'actblue_webhook', 'actblue_csv'] as const;

interface Ad {
  ad_id: string;
  date: string;
  spend: number | string | null;
  impressions: number | null;
  clicks: number | null;
}
interface Donation {
  receipt_id: string;
  amount: number | string | null;
  recurring: number | null;
  paid_at: string | null;
}
interface Sms {
  message_id: string;
  status: string | null;
  cost: number | string | null;
}

const total = (values: readonly (number | string | null)[]) =>
  values.reduce<number>((sum, value) => sum + Number(value ?? 0), 0);

export async function readAds(client: Client) {
  const { rows } = await client.select<Ad>('meta_ad_metrics', { order: 'date.desc', limit: 1_000 });
  const days = [...new Set(rows.map((row) => row.date))].slice(0, 14).reverse();
  return {
    spend: total(rows.map((row) => row.spend)),
    clicks: total(rows.map((row) => row.clicks)),
    impressions: total(rows.map((row) => row.impressions)),
    days: days.map((day) => ({
      day,
      spend: total(rows.filter((row) => row.date === day).map((row) => row.spend)),
    })),
  };
}

export async function readDonations(client: Client) {
  const { rows } = await client.select<Donation>('donations', {
    order: 'paid_at.desc',
    limit: 1_000,
  });
  return {
    amount: total(rows.map((row) => row.amount)),
    count: rows.length,
    recurring: rows.filter((row) => (row.recurring ?? 0) > 0).length,
    latest: rows.slice(0, 5),
  };
}

export async function readSms(client: Client) {
  const { rows } = await client.select<Sms>('sms_messages', { limit: 1_000 });
  return {
    sent: rows.length,
    failed: rows.filter((row) => row.status === 'failed').length,
    cost: total(rows.map((row) => row.cost)),
  };
}
