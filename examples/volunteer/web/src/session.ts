import { QueryClient } from '@tanstack/react-query';
import { configFromEnv, createClient, type Client } from '@tidewire/client';
import { realtimeDefaults } from '@tidewire/client/refresh';
import { attachQueryClient } from '@tidewire/query';

export interface DemoUser {
  readonly name: string;
  readonly sub: string;
  readonly app_role: 'staff' | 'ngo';
  readonly token: string;
}

export interface Session {
  readonly user: DemoUser;
  readonly client: Client;
  readonly queries: QueryClient;
  readonly fallbackMs: number | null;
  close(): void;
}

export async function loadUsers(): Promise<DemoUser[]> {
  const answer = await fetch('./demo/config.json');
  if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
  return ((await answer.json()) as { users: DemoUser[] }).users;
}

/** One signed-in user: one connection and one cache. The environment says how (mission S4.6). */
export function openSession(user: DemoUser): Session {
  const search = Object.fromEntries(new URLSearchParams(location.search));
  const config = configFromEnv({ ...import.meta.env, ...search });
  const client = createClient({
    url: config.url ?? location.origin,
    accessToken: user.token,
    websocket: config.websocket,
    // S4.1: 3 s base, 10 attempts, 30 s heartbeat.
    reconnect: { baseMs: 3_000, maxMs: 30_000, attempts: 10 },
    heartbeatMs: 30_000,
    pauseWhenHidden: { afterMs: 60_000 },
  });
  const queries = new QueryClient({ defaultOptions: { queries: realtimeDefaults.query } });
  const attachment = attachQueryClient(client, queries);
  return {
    user,
    client,
    queries,
    fallbackMs: config.fallback ? config.fallbackIntervalMs : null,
    close() {
      attachment.detach();
      client.close();
      queries.clear();
    },
  };
}
