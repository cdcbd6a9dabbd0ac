import type { Change } from '@tidewire/client';

/** Changes remembered as told. Streams of one connection are not further apart. */
const toldMax = 1024;

/** The latest changes that were told, so that one that comes by several streams is told once. */
export class ToldChanges {
  /** Oldest first. */
  #told = new Set<string>();

  /** Without a position nothing says whether two are one: each is new. */
  isNew({ table, position }: Change): boolean {
    if (position === null) return true;
    const id = `${table}@${position}`;
    if (this.#told.has(id)) return false;
    this.#told.add(id);
    if (this.#told.size > toldMax) this.#told.delete(this.#told.values().next().value!);
    return true;
  }
}
