import { QueryClient } from '@tanstack/react-query';
import { createClient, type Change, type Client, type Verdict } from '@tidewire/client';
import { attachQueryClient, realtimeQueryOptions, type Attachment } from '@tidewire/query';
import { FeedStore } from './feed.js';
import type { Health, Lead, Metrics } from './model.js';

export interface DemoUser {
  name: string;
  workspace_id: number;
  token: string;
}

export interface DemoConfig {
  url: string;
  anon_key: string;
  users: DemoUser[];
}

export const leadsMax = 500;

/** All that belongs to one signed-in user: one connection, one cache, one feed. */
export class Session {
  readonly client: Client;
  readonly queries = new QueryClient({
    defaultOptions: { queries: { retry: 2, refetchOnWindowFocus: false } },
  });
  readonly feed = new FeedStore();
  readonly user: DemoUser;
  readonly options;
  #attachment: Attachment;

  constructor(config: DemoConfig, user: DemoUser) {
    this.user = user;
    this.client = createClient({
      url: location.origin,
      apikey: config.anon_key,
      accessToken: user.token,
      pauseWhenHidden: { afterMs: 10 * 60_000 },
    });
    this.options = optionsOf(this.client);
    this.#attachment = attachQueryClient(this.client, this.queries, {
      tables: {
        client_leads: [['leads']],
        client_metrics: [['metrics']],
        webhook_health: [['health']],
      },
      onChange: (change) => this.#onChange(change),
      onVerdict: (verdict) => this.#onVerdict(verdict),
    });
  }

  close(): void {
    this.#attachment.detach();
    this.client.close();
    this.queries.clear();
  }

  #onChange(change: Change): void {
    if (change.table === 'client_leads') {
      const row = { ...change.oldRecord, ...change.record } as Partial<Lead>;
      const known = this.queries.getQueryData<Lead[]>(['leads']);
      const before = known?.find((lead) => lead.lead_email === row.lead_email) ?? null;
      this.feed.addLead(change as unknown as Change<Lead>, before);
    } else if (change.table === 'client_metrics') {
      const before = this.queries.getQueryData<Metrics[]>(['metrics'])?.[0] ?? null;
      this.feed.addMetrics(change as unknown as Change<Metrics>, before);
    }
  }

  #onVerdict(verdict: Verdict): void {
    this.feed.addVerdict(verdict);
  }
}

function optionsOf(client: Client) {
  return {
    leads: realtimeQueryOptions<Lead>(client, {
      queryKey: ['leads'],
      table: 'client_leads',
      key: ['workspace_name', 'lead_email'],
      select:
        'workspace_name,lead_email,first_name,last_name,title,company,pipeline_stage,updated_at',
      order: 'updated_at.desc',
      limit: leadsMax,
    }),
    metrics: realtimeQueryOptions<Metrics>(client, {
      queryKey: ['metrics'],
      table: 'client_metrics',
      key: ['workspace_name', 'metric_type', 'metric_date'],
      filters: { metric_type: 'eq.mtd' },
      order: 'metric_date.desc',
      limit: 1,
    }),
    health: realtimeQueryOptions<Health>(client, {
      queryKey: ['health'],
      table: 'webhook_health',
      key: ['workspace_name'],
      limit: 5,
    }),
  };
}
