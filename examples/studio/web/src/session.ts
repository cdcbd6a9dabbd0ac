import { createClient, type Client } from '@tidewire/client';
import { openOfflineQueue, type OfflineQueue } from '@tidewire/client/offline';
import { createRealtimeSWR, type RealtimeSWR } from '@tidewire/swr';
import { createContext, useContext } from 'react';

export interface DemoUser {
  readonly name: string;
  readonly sub: string;
  readonly app_role: 'editor' | 'guest';
  readonly token: string;
}

export interface Session {
  readonly user: DemoUser;
  readonly client: Client;
  readonly queue: OfflineQueue;
  readonly realtime: RealtimeSWR;
  close(): void;
}

export async function loadUsers(): Promise<DemoUser[]> {
  const answer = await fetch('./demo/config.json');
  if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
  return ((await answer.json()) as { users: DemoUser[] }).users;
}

export async function openSession(user: DemoUser): Promise<Session> {
  const queue = await openOfflineQueue({ user: user.sub, name: 'lumen' });
  const client = createClient({ url: location.origin, accessToken: user.token });
  const realtime = createRealtimeSWR(client, { queue });
  return {
    user,
    client,
    queue,
    realtime,
    close() {
      client.close();
      queue.close();
    },
  };
}

export const SessionContext = createContext<Session | null>(null);

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (!session) throw new Error('useSession outside of a session.');
  return session;
}
