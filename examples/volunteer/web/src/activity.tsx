import { useEffect, useState, type ReactNode } from 'react';
import { onEntityEvents, type EntityEvent } from '@tidewire/client';
import { useTidewire } from '@tidewire/react';
import { entities, type EntityName } from './entities.js';
import { Ago, views, type View } from './views.js';

const eventsMax = 40;
const verbs = { insert: 'New', update: 'Changed', delete: 'Removed', leave: 'Left' } as const;

/** What happens anywhere, as it happens: one connection for all entities. */
export function Activity({ staff }: { staff: boolean }): ReactNode {
  const client = useTidewire();
  const [events, setEvents] = useState<readonly EntityEvent[]>([]);
  useEffect(() => {
    const seen = Object.fromEntries(
      Object.entries(entities).filter(([name]) => staff || !views[name as EntityName].staffOnly),
    );
    return onEntityEvents(client, seen, (event) =>
      setEvents((known) => [event, ...known].slice(0, eventsMax)),
    );
  }, [client, staff]);
  return (
    <aside className="activity" aria-labelledby="activity-title">
      <h2 id="activity-title">Happening now</h2>
      {events.length === 0 ? <p className="muted">Quiet so far. It moves by itself.</p> : null}
      <ol data-testid="activity">
        {events.map((event) => {
          const view = views[event.entity as EntityName] as unknown as View<any>;
          const row = { ...event.old, ...event.data };
          return (
            <li key={event.id} data-action={event.action}>
              <span className="activity-verb">{verbs[event.action]}</span>
              <span className="row-text">
                <b>{event.data ? view.name(row) : `${view.one} ${row['id'] ?? ''}`}</b>
                <span className="muted">
                  {view.one}
                  {event.data ? ` · ${view.status(row)}` : ''}
                </span>
              </span>
              <time className="muted">
                <Ago at={event.timestamp} />
              </time>
            </li>
          );
        })}
      </ol>
    </aside>
  );
}
