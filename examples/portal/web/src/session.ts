import { configFromEnv } from '@tidewire/client';
import { createSharedClient, type SharedClient } from '@tidewire/client/shared';

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

/**
 * One connection for everything in all tabs of this user; released while all of them are hidden.
 * `?share=worker|tabs|off` chooses how, for trying it out.
 */
export function openClient(user: DemoUser): SharedClient {
  const search = Object.fromEntries(new URLSearchParams(location.search));
  const config = configFromEnv({ ...import.meta.env, ...search });
  const hidden = Number(search['hidden'] ?? 60_000);
  const worker = () =>
    new SharedWorker(new URL('./connection-worker.ts', import.meta.url), {
      type: 'module',
      name: `fern-${user.sub}`,
    });
  return createSharedClient({
    user: user.sub,
    share: search['share'] === 'off' ? 'off' : 'auto',
    ...(search['share'] !== 'tabs' && { worker }),
    url: config.url ?? location.origin,
    accessToken: user.token,
    websocket: config.websocket,
    pauseWhenHidden: { afterMs: hidden },
  });
}
