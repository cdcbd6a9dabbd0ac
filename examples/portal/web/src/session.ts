import { configFromEnv, createClient, type Client } from '@tidewire/client';

export interface DemoUser {
  readonly name: string;
  readonly sub: string;
  readonly portal: 'customer' | 'office';
  readonly customer_id?: number;
  readonly token: string;
}

export async function loadUsers(): Promise<DemoUser[]> {
  const answer = await fetch('./demo/config.json');
  if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
  return ((await answer.json()) as { users: DemoUser[] }).users;
}

/** One connection for everything on the page; released while the page is hidden. */
export function openClient(user: DemoUser): Client {
  const search = Object.fromEntries(new URLSearchParams(location.search));
  const config = configFromEnv({ ...import.meta.env, ...search });
  const hidden = Number(search['hidden'] ?? 60_000);
  return createClient({
    url: config.url ?? location.origin,
    accessToken: user.token,
    websocket: config.websocket,
    pauseWhenHidden: { afterMs: hidden },
  });
}
