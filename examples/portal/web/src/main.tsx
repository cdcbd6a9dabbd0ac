import type { SharedClient } from '@tidewire/client/shared';
import {
  ConnectionStatus,
  NotificationProvider,
  UnreadBadge,
  useNotifications,
} from '@tidewire/components';
import { TidewireProvider } from '@tidewire/react/hooks';
import { StrictMode, useEffect, useState, type ReactNode } from 'react';
import { createRoot } from 'react-dom/client';
import '@tidewire/components/styles.css';
import './styles.css';
import { Portal } from './portal.js';
import { loadUsers, openClient, type DemoUser } from './session.js';
import { useCustomerProfile } from './tables.js';

function Root(): ReactNode {
  const [users, setUsers] = useState<readonly DemoUser[]>([]);
  const [user, setUser] = useState<DemoUser | null>(null);
  const [client, setClient] = useState<SharedClient | null>(null);
  const [error, setError] = useState<string | null>(null);
  useEffect(() => {
    loadUsers().then(
      (found) => {
        const asked = new URLSearchParams(location.search).get('user');
        setUsers(found);
        setUser(found.find((each) => each.name.startsWith(asked ?? '')) ?? found[0] ?? null);
      },
      (reason: unknown) => setError(String(reason)),
    );
  }, []);
  useEffect(() => {
    if (!user) return;
    const opened = openClient(user);
    setClient(opened);
    return () => opened.close();
  }, [user]);
  if (error !== null) {
    return (
      <div className="centred" role="alert">
        <h2>We cannot be reached</h2>
        <p className="muted">{error}</p>
        <button type="button" className="primary" onClick={() => location.reload()}>
          Try again
        </button>
      </div>
    );
  }
  if (!client || !user) return <p className="centred muted">One moment…</p>;
  return (
    <TidewireProvider client={client}>
      <NotificationProvider>
        <Frame key={user.sub} user={user} users={users} onUser={setUser} />
      </NotificationProvider>
    </TidewireProvider>
  );
}

function Frame(props: {
  user: DemoUser;
  users: readonly DemoUser[];
  onUser: (user: DemoUser) => void;
}): ReactNode {
  const { user, users, onUser } = props;
  const [chosen, setChosen] = useState(user.customer_id ?? 1);
  const customers = useCustomerProfile({ enabled: user.portal === 'office', order: 'name' });
  const { unread, markRead } = useNotifications();
  return (
    <>
      <header className="top">
        <div className="brand">
          <svg viewBox="0 0 32 32" aria-hidden="true">
            <rect width="32" height="32" rx="9" />
            <path d="M8 17l8-7 8 7v7h-5v-5h-6v5H8z" />
          </svg>
          <h1>Fern &amp; Sons</h1>
        </div>
        {user.portal === 'office' ? (
          <select
            aria-label="Customer"
            value={chosen}
            onChange={(event) => setChosen(Number(event.target.value))}
          >
            {customers.rows.map((customer) => (
              <option key={customer.id} value={customer.id}>
                {customer.name}
              </option>
            ))}
          </select>
        ) : null}
        <select
          aria-label="Signed in as"
          value={user.sub}
          onChange={(event) => onUser(users.find((each) => each.sub === event.target.value)!)}
        >
          {users.map((each) => (
            <option key={each.sub} value={each.sub}>
              {each.name}
            </option>
          ))}
        </select>
        <button type="button" className="bell" onClick={() => markRead('all')}>
          <svg viewBox="0 0 24 24" aria-hidden="true">
            <path d="M6 17V11a6 6 0 0 1 12 0v6l2 2H4zM10 21h4" />
          </svg>
          <span className="tw-hidden">Mark notifications as read</span>
          <UnreadBadge count={unread} />
        </button>
        <ConnectionStatus />
      </header>
      <Portal key={chosen} user={user} customerId={chosen} />
    </>
  );
}

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <Root />
  </StrictMode>,
);
