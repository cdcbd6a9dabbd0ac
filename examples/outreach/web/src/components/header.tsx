import { useSession } from '../hooks.js';
import type { DemoUser } from '../session.js';
import { ConnectionBadge } from './connection.js';

export function Header(props: { users: readonly DemoUser[]; onChoose: (name: string) => void }) {
  const { user } = useSession();
  return (
    <header className="header">
      <div className="brand">
        <svg viewBox="0 0 32 32" width="30" height="30" aria-hidden="true">
          <rect width="32" height="32" rx="8" className="brand-tile" />
          <path
            d="M5 13c3.7 0 3.7-3 7.3-3s3.7 3 7.4 3 3.6-3 7.3-3M5 22c3.7 0 3.7-3 7.3-3s3.7 3 7.4 3 3.6-3 7.3-3"
            className="brand-wave"
          />
        </svg>
        <div>
          <h1>Outreach</h1>
          <p>Live mirror</p>
        </div>
      </div>
      <div className="segments" role="group" aria-label="Workspace">
        {props.users.map((each) => (
          <button
            key={each.name}
            type="button"
            aria-pressed={each.name === user.name}
            onClick={() => props.onChoose(each.name)}
            data-testid={`workspace-${each.name}`}
          >
            {each.name}
          </button>
        ))}
      </div>
      <ConnectionBadge />
    </header>
  );
}
