import { comparePositions, type Position } from '@tidewire/client';

/** Whether `a` is later than `b`; true when they cannot be compared. */
export function isAfter(a: Position | null, b: Position | null): boolean {
  if (a === null || b === null) return true;
  const order = comparePositions(a, b);
  return order === null || order > 0;
}
