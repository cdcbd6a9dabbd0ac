import { useState, type ReactNode } from 'react';
import { ConnectionStatus, MultiSubscriptionStatus } from '@tidewire/components';
import { useAllUpdates, useTidewire } from '@tidewire/react';
import { Activity } from './activity.js';
import { entities, type EntityName } from './entities.js';
import { EntityList } from './list.js';
import type { DemoUser, Session } from './session.js';
import { views } from './views.js';

const order: readonly EntityName[] = [
  'applications',
  'projects',
  'payments',
  'volunteers',
  'vettingQueue',
  'organizations',
  'adminUsers',
];

export function App(props: {
  session: Session;
  users: readonly DemoUser[];
  onUser: (user: DemoUser) => void;
}): ReactNode {
  const { session, users, onUser } = props;
  const staff = session.user.app_role === 'staff';
  const shown = order.filter((name) => staff || !views[name].staffOnly);
  const [wanted, setWanted] = useState<EntityName>('applications');
  const entity = shown.includes(wanted) ? wanted : 'applications';
  return (
    <div className="shell">
      <header className="top">
        <div className="brand">
          <svg viewBox="0 0 32 32" aria-hidden="true">
            <rect width="32" height="32" rx="9" />
            <path d="M16 24s-8-4.6-8-10.4A4.6 4.6 0 0 1 16 11a4.6 4.6 0 0 1 8 2.6C24 19.4 16 24 16 24z" />
          </svg>
          <h1>Kindly</h1>
        </div>
        <label className="user">
          <span className="tw-hidden">Signed in as</span>
          <select
            value={session.user.sub}
            onChange={(event) => onUser(users.find((user) => user.sub === event.target.value)!)}
            data-testid="user"
          >
            {users.map((user) => (
              <option key={user.sub} value={user.sub}>
                {user.name}
              </option>
            ))}
          </select>
        </label>
        <ConnectionStatus variant="badge" />
      </header>
      <nav className="nav" aria-label="Sections">
        {shown.map((name) => (
          <button
            key={name}
            type="button"
            aria-current={name === entity ? 'page' : undefined}
            onClick={() => setWanted(name)}
          >
            {views[name].title}
          </button>
        ))}
      </nav>
      <main className="main">
        <EntityList key={entity} entity={entity} fallbackMs={session.fallbackMs} />
      </main>
      <div className="rail">
        <Activity staff={staff} />
        <Connection names={shown} />
      </div>
    </div>
  );
}

/** The connection at a glance, and a switch that lets one see the fallback at work. */
function Connection({ names }: { names: readonly EntityName[] }): ReactNode {
  const client = useTidewire();
  const [on, setOn] = useState(true);
  const updates = useAllUpdates(
    Object.fromEntries(names.map((name) => [name, { table: entities[name].table }])),
  );
  const labels = Object.fromEntries(names.map((name) => [name, views[name].title]));
  return (
    <section className="panel" aria-label="Connection">
      <ConnectionStatus variant="compact" />
      <label className="switch">
        <input
          type="checkbox"
          role="switch"
          checked={on}
          data-testid="realtime"
          onChange={() => {
            setOn(!on);
            if (on) client.pause();
            else client.resume();
          }}
        />
        <span>Realtime</span>
        <span className="muted">{on ? 'pushed' : 'off: lists ask by themselves'}</span>
      </label>
      <MultiSubscriptionStatus updates={updates} labels={labels} />
    </section>
  );
}
