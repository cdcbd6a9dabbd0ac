import type { Client } from './client.js';
import type { Change } from './protocol.js';

/** One kind of thing that screens show, and the table it lives in. */
export interface Entity {
  readonly table: string;
  readonly schema?: string;
  /** The columns that identify a row: `['id']` by default. */
  readonly key?: readonly string[];
  /** Columns to read; all by default. */
  readonly columns?: readonly string[];
}

export type Entities = Readonly<Record<string, Entity>>;

/** The one place that names an application's entities, one line each. Keeps the names' types. */
export function defineEntities<const E extends Entities>(entities: E): E {
  return entities;
}

export type EntityAction = 'insert' | 'update' | 'delete' | 'leave';

/** What happened to an entity, however it was learnt: pushed, replayed or found by polling. */
export interface EntityEvent<T = Record<string, unknown>> {
  readonly type: 'change';
  readonly entity: string;
  readonly action: EntityAction;
  /** The row as it is now; null for `delete` and `leave`. */
  readonly data: T | null;
  /** What is known of the row before, its key at least; null for `insert`. */
  readonly old: Partial<T> | null;
  /** When it was committed (pushed) or noticed (polled): ISO 8601. */
  readonly timestamp: string;
  /** Equal for the same event on every transport and replay. */
  readonly id: string;
}

/** A pushed change as an event. */
export function toEntityEvent<T>(entity: string, change: Change<T>): EntityEvent<T> {
  const timestamp = change.commitTimestamp ?? '';
  return {
    type: 'change',
    entity,
    action: change.type.toLowerCase() as EntityAction,
    data: change.record,
    old: change.oldRecord,
    timestamp,
    id: change.position ?? `${timestamp} ${JSON.stringify(change.record ?? change.oldRecord)}`,
  };
}

/** Lets each id through once, over the last `idsMax` ids. */
export function onceById(idsMax = 10_000): (id: string) => boolean {
  const seen = new Set<string>();
  return (id) => {
    if (seen.has(id)) return false;
    seen.add(id);
    if (seen.size > idsMax) seen.delete(seen.values().next().value!);
    return true;
  };
}

/** Follows several entities on one connection. `listener` is called once per event id. */
export function onEntityEvents(
  client: Pick<Client, 'subscribe'>,
  entities: Entities,
  listener: (event: EntityEvent) => void,
): () => void {
  const first = onceById();
  const subscriptions = Object.entries(entities).map(([name, { table, schema }]) =>
    client.subscribe({
      table,
      ...(schema && { schema }),
      onChange: (change) => {
        const event = toEntityEvent(name, change);
        if (first(event.id)) listener(event);
      },
    }),
  );
  return () => subscriptions.forEach((each) => each.unsubscribe());
}
