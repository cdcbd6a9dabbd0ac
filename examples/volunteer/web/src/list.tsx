import { useEffect, useRef, useState, type ReactNode } from 'react';
import type { UseRealtimeQueryResult } from '@tidewire/react';
import { hooks, type EntityName } from './entities.js';
import { views, type View } from './views.js';

type AnyRow = { readonly id: number };
type ListHook = (filter: object, options: object) => UseRealtimeQueryResult<AnyRow[]>;

const listHooks: Record<EntityName, ListHook> = {
  projects: hooks.useProjects as unknown as ListHook,
  applications: hooks.useApplications as unknown as ListHook,
  volunteers: hooks.useVolunteers as unknown as ListHook,
  payments: hooks.usePayments as unknown as ListHook,
  organizations: hooks.useOrganizations as unknown as ListHook,
  adminUsers: hooks.useAdminUsers as unknown as ListHook,
  vettingQueue: hooks.useVettingQueue as unknown as ListHook,
};

const syncWords = {
  live: 'live',
  'catching-up': 'catching up',
  polling: 'asked every few seconds',
  offline: 'not updated',
} as const;

export function EntityList(props: { entity: EntityName; fallbackMs: number | null }): ReactNode {
  const { entity, fallbackMs } = props;
  const view = views[entity] as unknown as View<AnyRow>;
  const [chosen, setChosen] = useState<string | null>(null);
  const useList = listHooks[entity];
  const { data, error, isPending, refetch, sync } = useList(
    chosen === null ? {} : { [view.filter.column]: chosen },
    {
      order: view.order,
      fallback: fallbackMs === null ? false : { minMs: fallbackMs, maxMs: fallbackMs * 8 },
    },
  );
  const fresh = useFresh(data);
  return (
    <section className="list" aria-labelledby="list-title" data-sync={sync.state}>
      <header className="list-head">
        <h2 id="list-title">{view.title}</h2>
        <p className="muted" data-testid="count">
          {data ? `${data.length} ${data.length === 1 ? view.one : plural(view.one)}` : ' '}
          {data ? ` · ${syncWords[sync.state]}` : ''}
        </p>
        <div className="chips" role="group" aria-label={`Filter by ${view.filter.column}`}>
          {[null, ...view.filter.values].map((value) => (
            <button
              key={value ?? 'all'}
              type="button"
              aria-pressed={chosen === value}
              onClick={() => setChosen(value)}
            >
              {value ?? 'all'}
            </button>
          ))}
        </div>
      </header>
      {error && !data ? (
        <div className="notice" role="alert">
          <h3>This list could not be read</h3>
          <p>{error.message}</p>
          <button type="button" className="button" onClick={() => void refetch()}>
            Try again
          </button>
        </div>
      ) : null}
      {isPending && !error ? <Skeletons /> : null}
      {data?.length === 0 ? (
        <div className="empty">
          <h3>Nothing here</h3>
          <p>{view.empty}</p>
        </div>
      ) : null}
      <ul className="rows">
        {data?.map((row) => (
          <li key={row.id} data-id={row.id} data-fresh={fresh.get(row.id)} data-testid="row">
            <span className="avatar" aria-hidden="true">
              {initials(view.name(row))}
            </span>
            <span className="row-text">
              <b>{view.name(row)}</b>
              <span className="muted">{view.line(row)}</span>
            </span>
            <span className="row-side">{view.side(row)}</span>
            <span className="pill" data-value={view.status(row)}>
              {view.status(row)}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Skeletons(): ReactNode {
  return (
    <ul className="rows" aria-hidden="true">
      {[64, 48, 72, 56, 60].map((width) => (
        <li key={width} className="skeleton-row">
          <span className="skeleton" style={{ width: `${width}%` }} />
        </li>
      ))}
    </ul>
  );
}

const freshMs = 4_000;

/** Which rows are new or have changed lately. */
function useFresh(rows: readonly AnyRow[] | undefined): ReadonlyMap<number, 'new' | 'changed'> {
  const before = useRef<Map<number, string> | null>(null);
  const [fresh, setFresh] = useState<ReadonlyMap<number, 'new' | 'changed'>>(new Map());
  useEffect(() => {
    if (!rows) return;
    const last = before.current;
    before.current = new Map(rows.map((row) => [row.id, JSON.stringify(row)]));
    if (!last || last.size === 0) return;
    const found: [number, 'new' | 'changed'][] = [];
    for (const [id, text] of before.current) {
      if (!last.has(id)) found.push([id, 'new']);
      else if (last.get(id) !== text) found.push([id, 'changed']);
    }
    // A different filter, not news.
    if (found.length === 0 || found.length > 5) return;
    setFresh((known) => new Map([...known, ...found]));
    setTimeout(
      () =>
        setFresh((known) => new Map([...known].filter(([id]) => !found.some(([f]) => f === id)))),
      freshMs,
    );
  }, [rows]);
  return fresh;
}

function initials(name: string): string {
  const words = name.split(' ');
  return (
    (words[0]?.[0] ?? '') + (words.length > 1 ? (words.at(-1)?.[0] ?? '') : '')
  ).toUpperCase();
}

function plural(word: string): string {
  if (word === 'person') return 'people';
  return `${word}s`;
}
