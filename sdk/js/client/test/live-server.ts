import type { Answer, Room } from '../src/room.js';
import type { LiveMode } from '../src/live-queries.js';

export interface Item {
  id: number;
  n: number;
}

interface Version {
  readonly rows: readonly Item[];
  readonly version: string;
}

/**
 * The server's half of docs/queries.md for one query, and a network whose frames wait until they are
 * let through, in order, and are lost when it is cut.
 */
export class LiveServer {
  rows: readonly Item[] = [];
  mode: LiveMode = 'rows';
  /** Versions that a difference can be made from. */
  historyMax = 4;
  epoch = 1;
  offset = 1;
  refusal: { code: string; reason: string } | null = null;
  reads = 0;
  opens = 0;
  closes = 0;
  #clock = 0;
  #history: Version[] = [];
  #followed = false;
  #joined = false;
  #wire: (() => void)[] = [];
  #readings: ((ok: boolean) => void)[] = [];
  #changes = new Set<() => void>();
  #messages = new Set<(event: string, payload: Record<string, unknown>) => void>();

  get version(): string {
    return JSON.stringify(this.rows);
  }
  get position(): string {
    return `${this.epoch}:${this.offset}`;
  }
  #stamp() {
    return {
      position: this.position,
      as_of: `2026-01-01T00:${String(this.#clock++).padStart(6, '0')}`,
    };
  }

  /** The rows become others, by a commit. */
  commit(rows: readonly Item[]): void {
    const from = this.version;
    this.#history = [...this.#history, { rows: this.rows, version: from }].slice(-this.historyMax);
    const before = this.rows;
    this.rows = rows;
    this.offset++;
    if (!this.#followed || this.version === from) return;
    if (this.mode === 'invalidate') this.push({ ...this.#stamp(), invalidate: true });
    else if (this.mode === 'result') {
      this.push({ from, to: this.version, ...this.#stamp(), rows });
    } else this.push({ from, to: this.version, ...this.#stamp(), ...difference(before, rows) });
  }

  push(payload: Record<string, unknown>): void {
    if (!this.#followed) return;
    this.#wire.push(() => {
      for (const listener of [...this.#messages]) listener('query', { sub: 's', ...payload });
    });
  }

  reset(reason: string): void {
    this.push({ to: this.version, ...this.#stamp(), rows: this.rows, reset: reason });
  }

  /** A new log, as after a restored backup. */
  restart(): void {
    this.cut();
    this.epoch++;
    this.offset = 1;
    this.#history = [];
  }

  cut(): void {
    if (!this.#joined) return;
    this.#joined = this.#followed = false;
    const lost = this.#wire.splice(0);
    void lost;
    for (const each of [...this.#changes]) each();
    for (const answer of this.#asked.splice(0)) answer({ outcome: 'error' });
  }
  join(): void {
    if (this.#joined) return;
    this.#joined = true;
    for (const each of [...this.#changes]) each();
  }
  /** The next frame arrives. */
  arrive(): boolean {
    const next = this.#wire.shift();
    next?.();
    return next !== undefined;
  }
  /** The oldest or a later read is answered, or fails. */
  answerRead(at = 0, ok = true): boolean {
    const [answer] = this.#readings.splice(at % Math.max(1, this.#readings.length), 1);
    answer?.(ok);
    return answer !== undefined;
  }
  get waiting(): number {
    return this.#wire.length + this.#readings.length;
  }
  get reading(): number {
    return this.#readings.length;
  }

  #asked: ((answer: Answer) => void)[] = [];

  readonly client = {
    room: (): Room => {
      const room = {
        name: 'tidewire',
        key: '',
        members: [],
        onChange: (listener: () => void) => {
          this.#changes.add(listener);
          return () => void this.#changes.delete(listener);
        },
        onMessage: (listener: (event: string, payload: Record<string, unknown>) => void) => {
          this.#messages.add(listener);
          return () => void this.#messages.delete(listener);
        },
        ask: (event: string, payload: Record<string, unknown>) => this.#ask(event, payload),
        leave: () => {
          this.#changes.clear();
          this.#messages.clear();
          this.#followed = false;
        },
      };
      Object.defineProperty(room, 'joined', { get: () => this.#joined });
      return room as unknown as Room;
    },
    request: (_path: string, init: RequestInit = {}) => {
      this.reads++;
      const headers = init.headers as Record<string, string>;
      // As the server was when the question reached it.
      const { version, position, rows, refusal } = this;
      const stamp = this.#stamp();
      return new Promise<Response>((resolve, reject) => {
        this.#readings.push((ok) => {
          if (!ok) return reject(new Error('The server cannot be reached.'));
          if (refusal && refusal.code !== 'not_live') {
            return resolve(
              new Response(JSON.stringify({ error: 'no', code: refusal.code }), { status: 403 }),
            );
          }
          const same = headers['If-None-Match'] === `"${version}"`;
          resolve(
            new Response(same ? null : JSON.stringify(rows), {
              status: same ? 304 : 200,
              headers: {
                ETag: `"${version}"`,
                'Tidewire-Position': position,
                'Tidewire-As-Of': stamp.as_of,
              },
            }),
          );
        });
      });
    },
  };

  #ask(event: string, payload: Record<string, unknown>): Promise<Answer> {
    if (!this.#joined) return Promise.resolve({ outcome: 'offline' });
    if (event === 'query_close') {
      this.closes++;
      this.#followed = false;
      return Promise.resolve({ outcome: 'ok' });
    }
    this.opens++;
    const answer = this.#answer(payload['have'] as string | undefined);
    return new Promise((resolve) => {
      this.#asked.push(resolve);
      this.#wire.push(() => {
        this.#asked = this.#asked.filter((each) => each !== resolve);
        resolve(answer);
      });
    });
  }

  #answer(have: string | undefined): Answer {
    if (this.refusal) return { outcome: 'error', response: this.refusal };
    this.#followed = true;
    const old = this.#history.find((each) => each.version === have);
    const state =
      this.mode === 'invalidate'
        ? { state: 'invalidate' }
        : have === this.version
          ? { state: 'current' }
          : old && this.mode === 'rows'
            ? { state: 'diff', from: have, ...difference(old.rows, this.rows) }
            : { state: 'snapshot', rows: this.rows };
    const common = { sub: 's', mode: this.mode, row_key: ['id'], key: ['items'] };
    return {
      outcome: 'ok',
      response: structuredClone({ ...common, ...this.#stamp(), version: this.version, ...state }),
    };
  }
}

/** What leads from some rows to others; a row that stands elsewhere is moved. */
export function difference(before: readonly Item[], after: readonly Item[]) {
  const next = new Map(after.map((each) => [each.id, each]));
  const known = new Map(before.map((each) => [each.id, each]));
  const leave = before.filter(({ id }) => !next.has(id)).map(({ id }) => [id]);
  const update = before
    .filter(({ id, n }) => next.has(id) && next.get(id)!.n !== n)
    .map(({ id }) => ({ key: [id], set: { n: next.get(id)!.n } }));
  // Those that stay are a common subsequence; a plain one is enough.
  const stay = new Set<number>();
  let from = 0;
  for (const { id } of after) {
    const at = before.findIndex((each, i) => i >= from && each.id === id);
    if (at < 0) continue;
    stay.add(id);
    from = at + 1;
  }
  const place = after.flatMap((each, at) =>
    stay.has(each.id) ? [] : [known.has(each.id) ? { at, key: [each.id] } : { at, row: each }],
  );
  return structuredClone({ leave, update, place });
}
