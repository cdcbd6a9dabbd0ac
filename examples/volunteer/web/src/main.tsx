import { QueryClientProvider } from '@tanstack/react-query';
import { TidewireProvider } from '@tidewire/react';
import { StrictMode, useEffect, useState, type ReactNode } from 'react';
import { createRoot } from 'react-dom/client';
import '@tidewire/components/styles.css';
import './styles.css';
import { App } from './app.js';
import { loadUsers, openSession, type DemoUser, type Session } from './session.js';

function Root(): ReactNode {
  const [users, setUsers] = useState<readonly DemoUser[]>([]);
  const [user, setUser] = useState<DemoUser | null>(null);
  const [session, setSession] = useState<Session | null>(null);
  const [error, setError] = useState<string | null>(null);
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    let ended = false;
    loadUsers().then(
      (found) => {
        if (ended) return;
        const asked = new URLSearchParams(location.search).get('user');
        setUsers(found);
        setUser(found.find((each) => each.sub === asked) ?? found[0] ?? null);
      },
      (reason: unknown) => ended || setError(String(reason)),
    );
    return () => void (ended = true);
  }, [turn]);
  useEffect(() => {
    if (!user) return;
    const opened = openSession(user);
    setSession(opened);
    return () => opened.close();
  }, [user]);
  if (error !== null) {
    return (
      <div className="notice centred" role="alert">
        <h2>Kindly cannot be reached</h2>
        <p>{error}</p>
        <button
          type="button"
          className="button"
          onClick={() => {
            setError(null);
            setTurn(turn + 1);
          }}
        >
          Try again
        </button>
      </div>
    );
  }
  if (!session) return <p className="centred muted">Opening the desk…</p>;
  return (
    <TidewireProvider client={session.client}>
      <QueryClientProvider client={session.queries}>
        <App key={session.user.sub} session={session} users={users} onUser={setUser} />
      </QueryClientProvider>
    </TidewireProvider>
  );
}

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <Root />
  </StrictMode>,
);
