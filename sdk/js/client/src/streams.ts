/**
 * Connections where WebSockets do not pass: server-sent events, long polling and polling, each in
 * the shape of a WebSocket, so that the machine sees no difference. Loaded when first needed.
 *
 *   open ──GET──▶ session ──▶ opened      events, answers ──▶ message
 *   send ──▶ one POST at a time, with all that has gathered, so that the order is kept
 *
 * A loss says what it tells of the transport (`fate`, state.ts). Keys go in headers: URLs are logged.
 */
import type { Environment, WebSocketLike } from './client.js';
import { EventParser } from './events.js';
import type { Fate, Transport } from './state.js';

export interface StreamOptions {
  /** The server's address without a slash at its end. */
  readonly base: string;
  readonly key: string;
  readonly fetch: typeof fetch;
  readonly env: Environment;
}

const requestMsMax = 15_000;
/** The server answers a waiting poll after 25 s. */
const longPollMsMax = 40_000;
const postCharsMax = 64_000;
const pollBaseMs = 5_000;
const pollMsMax = 120_000;
const pollGrow = 1.5;
/** How much longer than a polling client sleeps its session is kept, seconds. */
const pollKeepMoreSeconds = 20;
const pollTriesMax = 3;
const pollRetryMs = 1_000;

export function openStream(transport: Transport, options: StreamOptions): WebSocketLike {
  return transport === 'sse' ? new EventStream(options) : new Polls(options, transport === 'poll');
}

class Refused extends Error {
  constructor(readonly status: number) {
    super(`The server answered ${status}.`);
  }
}

/** What both have in common: requests that end with the connection, and the way up. */
abstract class Stream implements WebSocketLike {
  onopen: WebSocketLike['onopen'] = null;
  onmessage: WebSocketLike['onmessage'] = null;
  onclose: WebSocketLike['onclose'] = null;
  onerror: WebSocketLike['onerror'] = null;
  protected session = '';
  protected closed = false;
  #requests = new Set<AbortController>();
  #unsent: string[] = [];
  #posting = false;

  constructor(
    protected readonly options: StreamOptions,
    private readonly path: 'sse' | 'poll',
  ) {
    queueMicrotask(() => void this.run());
  }

  protected abstract run(): Promise<void>;
  /** Something was said: its answer may be waiting. */
  protected said(): void {}

  send(text: string): void {
    this.#unsent.push(text);
    if (!this.#posting) void this.#post();
  }

  close(): void {
    this.closed = true;
    for (const request of this.#requests) request.abort();
  }

  protected lost(code: number, reason: string, fate?: Fate): void {
    if (this.closed) return;
    this.close();
    this.onclose?.({ code, reason, fate });
  }

  protected opened(session: string): void {
    this.session = session;
    this.onopen?.({});
  }

  protected deliver(data: string): void {
    if (!this.closed) this.onmessage?.({ data });
  }

  /** All up to `position` was told: what a socket learns by its heartbeat. */
  protected reached(position: string): void {
    const response = { tidewire: { position } };
    this.deliver(JSON.stringify([null, null, 'phoenix', 'phx_reply', { status: 'ok', response }]));
  }

  /** One request; `read` is part of it, and of its deadline. Errors: Refused, or fetch's own. */
  protected async ask<T>(
    query: string,
    msMax: number,
    read: (answer: Response, started: () => void) => Promise<T>,
    init: RequestInit = {},
  ): Promise<T> {
    const { base, key, env, fetch: send } = this.options;
    const request = new AbortController();
    this.#requests.add(request);
    const timer = env.setTimeout(() => request.abort(), msMax);
    try {
      const answer = await send(`${base}/realtime/v1/${this.path}?${query}`, {
        ...init,
        headers: { apikey: key, Authorization: `Bearer ${key}`, ...init.headers },
        cache: 'no-store',
        signal: request.signal,
      });
      if (!answer.ok) throw new Refused(answer.status);
      return await read(answer, () => env.clearTimeout(timer));
    } finally {
      env.clearTimeout(timer);
      this.#requests.delete(request);
    }
  }

  async #post(): Promise<void> {
    this.#posting = true;
    try {
      while (this.#unsent.length > 0 && !this.closed) {
        // What is said in the same turn goes along.
        await null;
        let chars = 0;
        const fits = this.#unsent.findIndex((text) => (chars += text.length) > postCharsMax);
        const lines = this.#unsent.splice(0, fits < 0 ? Infinity : Math.max(1, fits));
        await this.ask(`session=${this.session}`, requestMsMax, async () => {}, {
          method: 'POST',
          body: lines.join('\n'),
          headers: { 'Content-Type': 'text/plain' },
        });
        this.said();
      }
    } catch (error) {
      this.lost(1006, String(error));
    }
    this.#posting = false;
  }
}

class EventStream extends Stream {
  constructor(options: StreamOptions) {
    super(options, 'sse');
  }

  protected async run(): Promise<void> {
    const read = async (answer: Response, started: () => void) => {
      if (!answer.headers.get('Content-Type')?.startsWith('text/event-stream')) {
        throw new Refused(answer.status);
      }
      const parser = new EventParser();
      const decoder = new TextDecoder();
      const reader = answer.body!.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        // From the first bytes on the heartbeat watches, not the clock of this request.
        started();
        for (const event of parser.push(decoder.decode(value, { stream: true }))) this.#take(event);
      }
    };
    try {
      await this.ask('vsn=2.0.0', requestMsMax, read, { headers: { Accept: 'text/event-stream' } });
      this.lost(1006, 'The stream ended.');
    } catch (error) {
      this.lost(1006, String(error), this.session ? undefined : 'unfit');
    }
  }

  #take({ name, data, id }: { name: string; data: string; id: string | null }): void {
    if (name === 'message' && data) this.deliver(data);
    else if (name === 'session') this.opened(String(JSON.parse(data).session));
    else if (name === 'close') {
      const { code, reason } = JSON.parse(data);
      this.lost(Number(code), String(reason));
    }
    if (id) this.reached(id);
  }
}

interface Answer {
  readonly session: string;
  readonly first: number;
  readonly seq: number;
  readonly messages: readonly unknown[];
  readonly position?: string;
  readonly closed?: { readonly code: number; readonly reason: string };
}

/** Long polling, or polling that sleeps the longer the less happens, and not while it is unseen. */
class Polls extends Stream {
  #seq = 0;
  #sleepMs = pollBaseMs;
  #wake: (() => void) | null = null;
  #restless = false;

  constructor(
    options: StreamOptions,
    private readonly sleeps: boolean,
  ) {
    super(options, 'poll');
  }

  override close(): void {
    if (this.session && !this.closed) this.#leave();
    super.close();
    this.#wake?.();
  }

  /** Others need not see this client any longer than it is here. */
  #leave(): void {
    const { base, key, fetch: send } = this.options;
    const query = `session=${this.session}&ack=${this.#seq}&wait=0&keep=0`;
    send(`${base}/realtime/v1/poll?${query}`, {
      headers: { apikey: key, Authorization: `Bearer ${key}` },
      keepalive: true,
    }).catch(() => {});
  }

  protected override said(): void {
    this.#restless = true;
    this.#wake?.();
  }

  protected async run(): Promise<void> {
    const json = async (answer: Response) => (await answer.json()) as Answer;
    try {
      const opening = await this.ask('vsn=2.0.0', requestMsMax, json);
      if (this.closed) return;
      this.opened(opening.session);
      this.#take(opening);
    } catch (error) {
      const gone = error instanceof Refused && error.status === 404;
      return this.lost(1006, String(error), gone ? 'unfit' : 'down');
    }
    for (let tries = 1; !this.closed;) {
      if (this.sleeps) await this.#sleep(this.#sleepMs);
      if (this.closed) return;
      this.#restless = false;
      try {
        const query = `session=${this.session}&ack=${this.#seq}${this.#manner()}`;
        this.#take(await this.ask(query, longPollMsMax, json));
        tries = 1;
      } catch (error) {
        // An answer that was lost is told again under its numbers.
        if (error instanceof Refused || tries++ >= pollTriesMax) {
          return this.lost(1006, String(error));
        }
        await this.#sleep(pollRetryMs);
      }
    }
  }

  #manner(): string {
    if (!this.sleeps) return '';
    const sleepMs = Math.min(pollMsMax, this.#sleepMs * pollGrow);
    return `&wait=0&keep=${Math.ceil(sleepMs / 1000) + pollKeepMoreSeconds}`;
  }

  #take({ first, seq, messages, position, closed }: Answer): void {
    this.#sleepMs =
      messages.length > 0 ? pollBaseMs : Math.min(pollMsMax, this.#sleepMs * pollGrow);
    messages.forEach((message, index) => {
      if (first + index > this.#seq) this.deliver(JSON.stringify(message));
    });
    this.#seq = Math.max(this.#seq, seq);
    if (position) this.reached(position);
    if (closed) this.lost(closed.code, closed.reason);
  }

  async #sleep(ms: number): Promise<void> {
    const { env } = this.options;
    const unseen = typeof document !== 'undefined' && document.visibilityState === 'hidden';
    if (this.#restless) return;
    let timer: unknown;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      // When the page is seen again the client says something, which wakes this.
      if (!unseen) timer = env.setTimeout(resolve, ms * (0.95 + env.random() / 10));
    });
    env.clearTimeout(timer);
    this.#wake = null;
  }
}
