import { realtimeDefaults } from '@tidewire/client/refresh';
import { ConnectionStatus, NotificationProvider, useNotify } from '@tidewire/components';
import { TidewireProvider } from '@tidewire/react/hooks';
import { StrictMode, useEffect, useState, useSyncExternalStore, type ReactNode } from 'react';
import { createRoot } from 'react-dom/client';
import { SWRConfig } from 'swr';
import '@tidewire/components/styles.css';
import './styles.css';
import { useQueuedMutations } from './mutations.js';
import { Assets, Campaigns, Dashboard, Reviews, Videos } from './pages.js';
import { loadUsers, openSession, SessionContext, type DemoUser, type Session } from './session.js';

const pages = {
  Today: Dashboard,
  Reviews,
  Videos,
  Campaigns,
  Assets,
};

function Root(): ReactNode {
  const [users, setUsers] = useState<readonly DemoUser[]>([]);
  const [user, setUser] = useState<DemoUser | null>(null);
  const [session, setSession] = useState<Session | null>(null);
  const [error, setError] = useState<string | null>(null);
  useEffect(() => {
    loadUsers().then(
      (found) => {
        const asked = new URLSearchParams(location.search).get('user');
        setUsers(found);
        setUser(found.find((each) => each.sub === asked) ?? found[0] ?? null);
      },
      (reason: unknown) => setError(String(reason)),
    );
  }, []);
  useEffect(() => {
    if (!user) return;
    let ended = false;
    let opened: Session | null = null;
    openSession(user).then(
      (made) => {
        opened = made;
        if (ended) made.close();
        else setSession(made);
      },
      (reason: unknown) => setError(String(reason)),
    );
    return () => {
      ended = true;
      opened?.close();
      setSession(null);
    };
  }, [user]);
  if (error !== null) {
    return (
      <div className="centred" role="alert">
        <h2>The studio cannot be reached</h2>
        <p className="muted">{error}</p>
        <button type="button" className="primary" onClick={() => location.reload()}>
          Try again
        </button>
      </div>
    );
  }
  if (!session) return <p className="centred muted">Switching on the light…</p>;
  return (
    <SessionContext.Provider value={session}>
      <TidewireProvider client={session.client}>
        <SWRConfig value={{ ...realtimeDefaults.swr, provider: () => new Map() }}>
          <NotificationProvider>
            <Frame key={session.user.sub} session={session} users={users} onUser={setUser} />
          </NotificationProvider>
        </SWRConfig>
      </TidewireProvider>
    </SessionContext.Provider>
  );
}

function Frame(props: {
  session: Session;
  users: readonly DemoUser[];
  onUser: (user: DemoUser) => void;
}): ReactNode {
  const { session, users, onUser } = props;
  const [page, setPage] = useState<keyof typeof pages>('Today');
  const Shown = pages[page];
  return (
    <div className="shell">
      <header className="top">
        <div className="brand">
          <svg viewBox="0 0 32 32" aria-hidden="true">
            <rect width="32" height="32" rx="9" />
            <circle cx="16" cy="14" r="5" />
            <path d="M13 22h6M14 25h4" />
          </svg>
          <h1>Lumen studio</h1>
        </div>
        <nav aria-label="Pages">
          {Object.keys(pages).map((name) => (
            <button
              key={name}
              type="button"
              aria-current={name === page ? 'page' : undefined}
              onClick={() => setPage(name as keyof typeof pages)}
            >
              {name}
            </button>
          ))}
        </nav>
        <Waiting session={session} />
        <select
          aria-label="Signed in as"
          value={session.user.sub}
          onChange={(event) => onUser(users.find((each) => each.sub === event.target.value)!)}
        >
          {users.map((each) => (
            <option key={each.sub} value={each.sub}>
              {each.name}
            </option>
          ))}
        </select>
        <ConnectionStatus />
      </header>
      <main>
        <Shown />
      </main>
      <Refused session={session} />
    </div>
  );
}

/** How many changes wait for the network. */
function Waiting({ session }: { session: Session }): ReactNode {
  const waiting = useSyncExternalStore(
    (listener) => session.queue.onChange(listener),
    () => session.queue.waiting,
  );
  return (
    <p className="waiting" role="status" data-testid="waiting" data-count={waiting}>
      {waiting > 0
        ? `${waiting} ${waiting === 1 ? 'change waits' : 'changes wait'} to be sent`
        : ''}
    </p>
  );
}

/** Changes of an earlier visit that the server has refused meanwhile. */
function Refused({ session }: { session: Session }): ReactNode {
  const notify = useNotify();
  useQueuedMutations();
  useEffect(() => {
    for (const dead of session.queue.dead) {
      notify({ kind: 'info', tone: 'bad', title: 'A change was refused', text: dead.error });
      void session.queue.discard(dead.id);
    }
  }, [session, notify]);
  return null;
}

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <Root />
  </StrictMode>,
);

if ('serviceWorker' in navigator && import.meta.env.PROD) {
  void navigator.serviceWorker.register('./sw.js', { type: 'module' });
}
