import { createClient, type Client, type ClientOptions, type Subscription } from './client.js';
import type { Answer, Room } from './room.js';
import { SharedFollows } from './shared-follows.js';

/** One tab's way to the host, or the host's to one tab. */
export interface Port {
  send(message: unknown): void;
  onMessage(listener: (message: any) => void): void;
  close(): void;
}

/** What a tab asks of the host. */
export type Ask =
  | {
      type: 'hello';
      options: Pick<
        ClientOptions,
        'url' | 'apikey' | 'reconnect' | 'heartbeatMs' | 'transports' | 'websocket'
      >;
      /** A Web Lock that the tab holds while it lives; null where there are none. */
      lock: string | null;
    }
  | { type: 'token'; token: string }
  | {
      type: 'subscribe';
      id: string;
      binding: { table: string; schema?: string; event?: any; filter?: string };
      since: string | null;
    }
  | { type: 'unsubscribe'; id: string }
  | { type: 'enter'; id: string; name: string; options: { key?: string; private?: boolean } }
  | { type: 'leave'; id: string }
  | { type: 'send'; id: string; event: string; payload: Record<string, unknown>; tag: number }
  | { type: 'ask'; id: string; event: string; payload: Record<string, unknown>; tag: number }
  | { type: 'track'; id: string; state: Record<string, unknown> | null }
  | { type: 'visible'; visible: boolean }
  | { type: 'retry' }
  | { type: 'bye' };

interface Tab {
  visible: boolean;
  readonly subscriptions: Map<string, Subscription>;
  readonly rooms: Map<string, { room: Room; stop: () => void }>;
}

const tokenMsMax = 10_000;

/**
 * The side that holds the connection: a client for many tabs, each known by a name. Thread: that of
 * the leading tab, or of the SharedWorker.
 */
export class Host {
  readonly client: Client;
  #post: (tab: string, message: unknown) => void;
  #tabs = new Map<string, Tab>();
  #follows = new SharedFollows();
  #asked: ((token: string) => void)[] = [];
  #token: string | null = null;

  constructor(options: ClientOptions, post: (tab: string, message: unknown) => void) {
    this.#post = post;
    const { pauseWhenHidden: _own, ...rest } = options;
    this.client = createClient({ ...rest, accessToken: () => this.#askToken() });
    this.client.onStatus((status) => this.#postAll({ type: 'status', status }));
  }

  receive(name: string, ask: Ask): void {
    const tab = this.#tabs.get(name) ?? this.#welcome(name);
    switch (ask.type) {
      case 'hello':
        // Granted when the tab is gone, however it went.
        if (ask.lock) void navigator.locks.request(ask.lock, () => this.forget(name));
        return;
      case 'token':
        this.#token = ask.token;
        for (const resolve of this.#asked.splice(0)) resolve(ask.token);
        return;
      case 'subscribe':
        return this.#subscribe(name, tab, ask);
      case 'unsubscribe':
        tab.subscriptions.get(ask.id)?.unsubscribe();
        tab.subscriptions.delete(ask.id);
        return;
      case 'enter':
        return this.#enter(name, tab, ask);
      case 'leave':
        tab.rooms.get(ask.id)?.stop();
        tab.rooms.delete(ask.id);
        return;
      case 'send':
        void tab.rooms
          .get(ask.id)
          ?.room.send(ask.event, ask.payload)
          .then((outcome) => this.#post(name, { type: 'sent', tag: ask.tag, answer: { outcome } }));
        return;
      case 'ask':
        void this.#ask(name, tab, ask).then((answer) =>
          this.#post(name, { type: 'sent', tag: ask.tag, answer }),
        );
        return;
      case 'track':
        tab.rooms.get(ask.id)?.room.track(ask.state);
        return;
      case 'visible':
        tab.visible = ask.visible;
        return this.#rest();
      case 'retry':
        this.client.retry();
        return;
      case 'bye':
        return this.forget(name);
    }
  }

  /** The tab is gone: what it followed ends. */
  forget(name: string): void {
    const tab = this.#tabs.get(name);
    this.#tabs.delete(name);
    for (const subscription of tab?.subscriptions.values() ?? []) subscription.unsubscribe();
    this.#follows.leave(name);
    for (const { stop } of tab?.rooms.values() ?? []) stop();
    this.#rest();
  }

  close(): void {
    this.client.close();
    this.#tabs.clear();
  }

  #welcome(name: string): Tab {
    const tab: Tab = { visible: true, subscriptions: new Map(), rooms: new Map() };
    this.#tabs.set(name, tab);
    this.#post(name, { type: 'status', status: this.client.status });
    return tab;
  }

  #subscribe(name: string, tab: Tab, ask: Ask & { type: 'subscribe' }): void {
    const { id } = ask;
    tab.subscriptions.get(id)?.unsubscribe();
    let subscription: Subscription | null = null;
    const at = () => subscription?.position ?? null;
    subscription = this.client.subscribe({
      ...ask.binding,
      since: ask.since,
      onChange: (change) => this.#post(name, { type: 'change', id, change }),
      onVerdict: (verdict) => this.#post(name, { type: 'verdict', id, verdict }),
      onStatus: (status, error) =>
        this.#post(name, { type: 'channel', id, status, error, position: at() }),
    });
    tab.subscriptions.set(id, subscription);
  }

  async #ask(name: string, tab: Tab, ask: Ask & { type: 'ask' }): Promise<Answer> {
    const room = tab.rooms.get(ask.id)?.room;
    if (!room) return { outcome: 'offline' };
    return this.#follows.ask(name, room, ask.event, ask.payload);
  }

  #enter(name: string, tab: Tab, ask: Ask & { type: 'enter' }): void {
    const { id } = ask;
    tab.rooms.get(id)?.stop();
    const room = this.client.room(ask.name, ask.options);
    const tell = () =>
      this.#post(name, { type: 'room', id, members: room.members, joined: room.joined });
    room.onChange(tell);
    room.onBroadcast('*', (payload, event) =>
      this.#post(name, { type: 'broadcast', id, event, payload }),
    );
    room.onMessage((event, payload) => this.#post(name, { type: 'message', id, event, payload }));
    tab.rooms.set(id, { room, stop: () => room.leave() });
    tell();
  }

  /** Without a tab in sight the connection may go, if the tabs ask for that. */
  #rest(): void {
    const tabs = [...this.#tabs.values()];
    if (tabs.length > 0 && tabs.every((tab) => !tab.visible)) this.client.pause();
    else if (this.client.status.state === 'offline') this.client.resume();
  }

  /** Any tab can tell: the first that answers. */
  #askToken(): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#asked.push(resolve);
      this.#postAll({ type: 'token?' });
      setTimeout(() => {
        if (this.#token === null) reject(new Error('No tab has told its token.'));
        else resolve(this.#token);
      }, tokenMsMax);
    });
  }

  #postAll(message: unknown): void {
    for (const name of this.#tabs.keys()) this.#post(name, message);
  }
}
