/**
 * Named queries whose rows stay true, of one client: all on one topic, so that the server encodes a frame
 * once for all clients. Loaded when first used.
 */
import type { Client } from './client.js';
import { Followed, type FollowedHost, type Listener, type LiveQuery } from './live-query.js';
import { createQueryReader, queryPath, type QueryArgs, type QueryReader } from './queries.js';
import type { Room } from './room.js';

export type { LiveMode, LiveQuery, LiveQuerySnapshot, QueryVerdict } from './live-query.js';
export type { RowsDiff } from './query-rows.js';

export interface LiveQueries {
  /** Follows a query. Those of equal name and arguments are one, and share their rows. */
  open<Row = Record<string, unknown>>(name: string, args?: QueryArgs): LiveQuery<Row>;
}

const topic = 'tidewire';
const hubs = new WeakMap<object, Hub>();

/** The live queries of a client. */
export function liveQueries(client: Pick<Client, 'request' | 'room'>): LiveQueries {
  let hub = hubs.get(client);
  if (!hub) hubs.set(client, (hub = new Hub(client)));
  return hub;
}

class Hub implements LiveQueries, FollowedHost {
  readonly reader: QueryReader;
  readonly #client: Pick<Client, 'room'>;
  readonly #open = new Map<string, Followed>();
  readonly #bySub = new Map<string, Followed>();
  #room: Room | null = null;
  #joined = false;

  constructor(client: Pick<Client, 'request' | 'room'>) {
    this.#client = client;
    this.reader = createQueryReader(client);
  }

  get room(): Room | null {
    return this.#joined ? this.#room : null;
  }

  open(name: string, args: QueryArgs = {}): LiveQuery<any> {
    const path = queryPath(name, args);
    let followed = this.#open.get(path);
    if (!followed) {
      this.#enter();
      followed = new Followed(this, name, args);
      this.#open.set(path, followed);
      followed.ask();
    }
    const held = followed;
    const undo = new Set<() => void>();
    held.users++;
    let closed = false;
    return {
      get snapshot() {
        return held.snapshot;
      },
      onChange(listener) {
        // Of its own: the same function may be given twice.
        const own: Listener = (diff) => listener(diff);
        held.listeners.add(own);
        const stop = () => void held.listeners.delete(own);
        undo.add(stop);
        return stop;
      },
      refresh: (options) => held.refresh(options),
      close: () => {
        if (closed) return;
        closed = true;
        for (const stop of undo) stop();
        if (--held.users > 0) return;
        this.#open.delete(path);
        held.end();
        if (this.#open.size === 0) this.#leave();
      },
    };
  }

  name(sub: string, followed: Followed): void {
    this.#bySub.set(sub, followed);
  }

  forget(sub: string, followed: Followed): void {
    if (this.#bySub.get(sub) === followed) this.#bySub.delete(sub);
  }

  #enter(): void {
    if (this.#room) return;
    // Nobody is present in it: an empty key.
    const room = this.#client.room(topic, { key: '' });
    this.#room = room;
    room.onMessage((event, payload) => {
      if (event === 'query') this.#bySub.get(String(payload['sub']))?.onPush(payload);
    });
    const onJoined = () => {
      if (room !== this.#room || room.joined === this.#joined) return;
      this.#joined = room.joined;
      for (const followed of [...this.#open.values()]) {
        if (room.joined) followed.ask();
        else followed.onCut();
      }
    };
    room.onChange(onJoined);
    onJoined();
  }

  #leave(): void {
    this.#room?.leave();
    this.#room = null;
    this.#joined = false;
  }
}
