import type { Position } from './position.js';

/**
 * The wire: Phoenix channels, serializer 2.0.0, text frames. Encoding and decoding only; no I/O.
 *
 * A frame is `[join_ref, ref, topic, event, payload]`.
 */
export type Frame = readonly [
  joinRef: string | null,
  ref: string | null,
  topic: string,
  event: string,
  payload: Record<string, unknown>,
];

/** Which rows a subscription follows. `filter` as in PostgREST: `status=eq.open,owner=eq.7`. */
export interface Binding {
  readonly event: ChangeEvent;
  readonly schema: string;
  readonly table: string;
  readonly filter?: string;
}

/** How a room is joined: who one is in its presence, and whether policies guard it. */
export interface RoomConfig {
  /** The presence key: connections of one key are one person. Empty: no presence. */
  readonly key: string;
  readonly private: boolean;
}

export type ChangeEvent = '*' | 'INSERT' | 'UPDATE' | 'DELETE';

/** How a row changed. `LEAVE`: it no longer matches the filter, or may no longer be seen. */
export type ChangeType = 'INSERT' | 'UPDATE' | 'DELETE' | 'LEAVE';

/** One committed change of one row. */
export interface Change<Row = Record<string, unknown>> {
  readonly type: ChangeType;
  readonly schema: string;
  readonly table: string;
  /** When the change was committed: UTC, ISO 8601 with milliseconds; null if unknown. */
  readonly commitTimestamp: string | null;
  /** The row as committed; null for DELETE and LEAVE. */
  readonly record: Row | null;
  /** What is known of the row before: its primary key at least; null for INSERT. */
  readonly oldRecord: Partial<Row> | null;
  /** The server's remarks on this change, e.g. that columns were too large to be sent. */
  readonly errors: readonly string[] | null;
  /** Where in the log the change stands; null when the server does not say. */
  readonly position: Position | null;
}

/** Whether everything since the last position was received after a reconnect, and if not, why. */
export type Verdict =
  | { readonly recovered: true; readonly reason: null }
  | { readonly recovered: false; readonly reason: VerdictReason };

export type VerdictReason =
  | 'expired'
  | 'epoch_changed'
  | 'too_many'
  | 'unknown_position'
  /** The changes hold rows in a table's former shape. */
  | 'schema_changed'
  /** The stored changes could not be read. */
  | 'unavailable'
  /** The server keeps no positions, so that nothing can be said about the time between. */
  | 'unsupported';

/** Reads a text frame; `null` for anything that is not one. */
export function decodeFrame(text: unknown): Frame | null {
  if (typeof text !== 'string') return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!Array.isArray(value) || value.length < 5) return null;
  const [joinRef, ref, topic, event, payload] = value as unknown[];
  if (typeof topic !== 'string' || typeof event !== 'string' || !isObject(payload)) return null;
  return [asText(joinRef), asText(ref), topic, event, payload];
}

/** The change inside a `postgres_changes` payload; `null` when it is not one. */
export function decodeChange(payload: Record<string, unknown>): Change | null {
  const data = payload['data'];
  if (!isObject(data) || typeof data['table'] !== 'string') return null;
  const type = data['type'];
  if (type !== 'INSERT' && type !== 'UPDATE' && type !== 'DELETE' && type !== 'LEAVE') return null;
  return {
    type,
    schema: String(data['schema'] ?? 'public'),
    table: data['table'],
    commitTimestamp: asText(data['commit_timestamp']),
    record: isObject(data['record']) && type !== 'LEAVE' ? data['record'] : null,
    oldRecord: isObject(data['old_record']) ? data['old_record'] : null,
    errors: Array.isArray(data['errors']) ? data['errors'].map(String) : null,
    position: asText(payload['position']),
  };
}

/**
 * When a JSON Web Token expires, in milliseconds since 1970; `null` when it does not say or is
 * opaque. Nothing is verified here: the server does that.
 */
export function expiryOf(token: string): number | null {
  try {
    const body = token.split('.')[1]!.replace(/-/g, '+').replace(/_/g, '/');
    const exp = (JSON.parse(atob(body)) as { exp?: unknown }).exp;
    return typeof exp === 'number' ? exp * 1000 : null;
  } catch {
    return null;
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A JSON object, or an empty one in place of anything else. */
export function asObject(value: unknown): Record<string, unknown> {
  return isObject(value) ? value : {};
}

export function asText(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
