import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { createClient, type Client } from '@tidewire/client';
import { realtimeDefaults } from '@tidewire/client/refresh';
import { NotificationProvider } from '@tidewire/components';
import { TidewireProvider } from '@tidewire/react';
import { StrictMode, useEffect, useState, type ReactNode } from 'react';
import { createRoot } from 'react-dom/client';
import '@tidewire/components/styles.css';
import './styles.css';
import { App } from './app.js';
import type { DemoUser } from './model.js';

interface Session {
  readonly user: DemoUser;
  readonly client: Client;
  readonly queries: QueryClient;
}

function Root(): ReactNode {
  const [users, setUsers] = useState<readonly DemoUser[]>([]);
  const [user, setUser] = useState<DemoUser | null>(null);
  const [session, setSession] = useState<Session | null>(null);
  const [error, setError] = useState<string | null>(null);
  useEffect(() => {
    const load = async () => {
      const answer = await fetch('./demo/config.json');
      if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
      const found = ((await answer.json()) as { users: DemoUser[] }).users;
      const asked = new URLSearchParams(location.search).get('user');
      setUsers(found);
      setUser(found.find((each) => each.sub === asked) ?? found[0] ?? null);
    };
    load().catch((reason: unknown) => setError(String(reason)));
  }, []);
  useEffect(() => {
    if (!user) return;
    const client = createClient({ url: location.origin, accessToken: user.token });
    const defaults = { ...realtimeDefaults.query, staleTime: Infinity };
    const queries = new QueryClient({ defaultOptions: { queries: defaults } });
    setSession({ user, client, queries });
    return () => client.close();
  }, [user]);
  if (error !== null) {
    return (
      <div className="centred" role="alert">
        <h2>The desk cannot be reached</h2>
        <p className="muted">{error}</p>
        <button type="button" className="tw-button" onClick={() => location.reload()}>
          Try again
        </button>
      </div>
    );
  }
  if (!session) return <p className="centred muted">Counting…</p>;
  return (
    <TidewireProvider client={session.client}>
      <QueryClientProvider client={session.queries}>
        <NotificationProvider>
          <App key={session.user.sub} user={session.user} users={users} onUser={setUser} />
        </NotificationProvider>
      </QueryClientProvider>
    </TidewireProvider>
  );
}

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <Root />
  </StrictMode>,
);
