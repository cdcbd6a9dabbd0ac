import type { Answer, Room } from './room.js';

type State = Record<string, unknown>;

interface Follow {
  readonly tabs: Set<string>;
  /** An entrance of one of them, to speak through. */
  room: Room;
  close: State;
}

/**
 * Which tabs follow which live query. The server knows one follower per connection and query, so that
 * a query is closed there only when the last tab lets it go. Called in the order of the tabs' messages.
 */
export class SharedFollows {
  #follows = new Map<string, Follow>();

  async ask(tab: string, room: Room, event: string, payload: State): Promise<Answer> {
    if (event !== 'query_open' && event !== 'query_close') return room.ask(event, payload);
    const id = JSON.stringify([payload['query'], payload['args']]);
    if (event === 'query_close') return this.#close(id, tab, room, payload);
    const follow = this.#follows.get(id) ?? { tabs: new Set<string>(), room, close: {} };
    this.#follows.set(id, follow);
    follow.tabs.add(tab);
    const answer = await room.ask(event, payload);
    const { sub } = (answer.response ?? {}) as { sub?: string };
    if (sub) follow.close = { ...payload, sub };
    return answer;
  }

  /** The tab is gone, and its entrances are about to end. */
  leave(tab: string): void {
    for (const [id, follow] of this.#follows) {
      if (follow.tabs.has(tab)) void this.#close(id, tab, follow.room, follow.close);
    }
  }

  async #close(id: string, tab: string, room: Room, payload: State): Promise<Answer> {
    const follow = this.#follows.get(id);
    follow?.tabs.delete(tab);
    if (follow && follow.tabs.size > 0) return { outcome: 'ok' };
    this.#follows.delete(id);
    return room.ask('query_close', payload);
  }
}
