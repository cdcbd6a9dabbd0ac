/**
 * A place in a server's change log: `"<epoch>:<offset>"`, e.g. `"00000000deadbeef:1742"`.
 *
 * Offsets rise within an epoch and are never reused there. Positions of different epochs cannot be
 * compared: the server started a new log. Clients treat the text as opaque but for this module.
 */
export type Position = string;

/**
 * Orders two positions: negative, zero or positive as `a` is before, at or after `b`;
 * `null` when they belong to different epochs or either is not a position.
 *
 * Offsets are decimal without leading zeros and compared as text (length first), so that they stay
 * exact beyond 2^53.
 */
export function comparePositions(a: Position, b: Position): number | null {
  const cutA = a.indexOf(':');
  const cutB = b.indexOf(':');
  if (cutA < 1 || cutB < 1 || a.slice(0, cutA) !== b.slice(0, cutB)) return null;
  const left = a.slice(cutA + 1);
  const right = b.slice(cutB + 1);
  if (left.length !== right.length) return left.length - right.length;
  return left < right ? -1 : left > right ? 1 : 0;
}

/** The later of two positions of one epoch; `next` when they cannot be compared. */
export function laterPosition(current: Position | null, next: Position): Position {
  const order = current === null ? null : comparePositions(current, next);
  return order !== null && order > 0 ? current! : next;
}
