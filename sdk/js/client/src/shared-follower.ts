import type { Client, SubscribeOptions, Subscription, SubscriptionStatus } from './client.js';
import { randomId } from './id.js';
import { live } from './live.js';
import { comparePositions, laterPosition, type Position } from './position.js';
import type { Change, Verdict } from './protocol.js';
import type { Answer, Member, Room, RoomOptions } from './room.js';
import type { ConnectionStatus } from './status.js';
import type { Ask, Port } from './shared-host.js';
import type { SharedClient, SharedOptions } from './shared.js';

interface Followed {
  readonly id: string;
  readonly options: SubscribeOptions<any>;
  position: Position | null;
  status: SubscriptionStatus;
}

interface Entered {
  readonly id: string;
  readonly name: string;
  readonly options: RoomOptions;
  members: readonly Member[];
  joined: boolean;
  state: Record<string, unknown> | null;
  readonly changes: Set<() => void>;
  readonly messages: Set<(event: string, payload: Record<string, unknown>) => void>;
  readonly broadcasts: Set<{ event: string; listener: (payload: any, event: string) => void }>;
}

const timers = {
  setTimeout: (run: () => void, ms: number) => setTimeout(run, ms),
  clearTimeout: (timer: any) => clearTimeout(timer),
  random: Math.random,
};

/** A tab's client over a host's connection. `own` does what stays in the tab: HTTP. */
export function follower(
  own: Client,
  port: Port,
  options: SharedOptions,
  role: SharedClient['role'],
): SharedClient & { setRole(role: SharedClient['role']): void } {
  const followed = new Map<string, Followed>();
  const entered = new Map<string, Entered>();
  const listeners = new Set<(status: ConnectionStatus) => void>();
  const sending = new Map<number, (answer: Answer) => void>();
  let status: ConnectionStatus = { ...own.status, state: 'idle', simple: 'connecting' };
  let count = 0;
  const ask = (message: Ask) => port.send(message);
  const { url, apikey, reconnect, heartbeatMs, transports, websocket } = options;
  const lock = holdLock();
  const hello = () =>
    ask({
      type: 'hello',
      lock,
      options: {
        url,
        ...(apikey !== undefined && { apikey }),
        ...(reconnect && { reconnect }),
        ...(heartbeatMs !== undefined && { heartbeatMs }),
        ...(transports && { transports }),
        ...(websocket !== undefined && { websocket }),
      },
    });

  const follow = ({ id, options: { table, schema, event, filter }, position }: Followed) =>
    ask({
      type: 'subscribe',
      id,
      binding: {
        table,
        ...(schema && { schema }),
        ...(event && { event }),
        ...(filter && { filter }),
      },
      since: position,
    });
  const enter = ({ id, name, options: room, state }: Entered) => {
    ask({ type: 'enter', id, name, options: room });
    if (state) ask({ type: 'track', id, state });
  };

  const token = async () => {
    const { accessToken, apikey: key } = options;
    const told = typeof accessToken === 'function' ? await accessToken() : accessToken;
    ask({ type: 'token', token: told ?? key ?? '' });
  };

  port.onMessage((message) => {
    switch (message.type) {
      case 'leader':
        // Somebody else holds the connection now, and knows nothing of this tab.
        return announce();
      case 'status':
        status = message.status as ConnectionStatus;
        for (const listener of [...listeners]) listener(status);
        return;
      case 'token?':
        return void token();
      case 'change':
        return onChange(followed.get(message.id), message.change as Change);
      case 'verdict':
        return followed.get(message.id)?.options.onVerdict?.(message.verdict as Verdict);
      case 'channel':
        return onChannel(followed.get(message.id), message);
      case 'room':
        return onRoom(entered.get(message.id), message);
      case 'broadcast':
        for (const each of [...(entered.get(message.id)?.broadcasts ?? [])]) {
          if (each.event === '*' || each.event === message.event) {
            each.listener(message.payload, message.event);
          }
        }
        return;
      case 'message':
        for (const listener of [...(entered.get(message.id)?.messages ?? [])]) {
          listener(message.event, message.payload);
        }
        return;
      case 'sent':
        sending.get(message.tag)?.(message.answer as Answer);
        sending.delete(message.tag);
    }
  });

  const onChange = (each: Followed | undefined, change: Change) => {
    if (!each) return;
    // The last host and the next one may both have sent it.
    const order =
      change.position && each.position && comparePositions(change.position, each.position);
    if (typeof order === 'number' && order <= 0) return;
    each.position = change.position ?? each.position;
    each.options.onChange?.(change);
  };
  const onChannel = (each: Followed | undefined, message: any) => {
    if (!each) return;
    each.status = message.status;
    if (message.status === 'live' && message.position) {
      each.position = laterPosition(each.position, message.position);
    }
    each.options.onStatus?.(message.status, message.error);
  };
  const onRoom = (each: Entered | undefined, message: any) => {
    if (!each) return;
    each.members = message.members;
    each.joined = message.joined;
    for (const listener of [...each.changes]) listener();
  };

  const announce = () => {
    hello();
    for (const each of followed.values()) follow(each);
    for (const each of entered.values()) enter(each);
  };
  const cleanup = watchPage(options, ask, announce);
  hello();

  const client: SharedClient & { setRole(role: SharedClient['role']): void } = {
    role,
    setRole(next) {
      Object.defineProperty(client, 'role', { value: next, configurable: true, enumerable: true });
    },
    get status() {
      return status;
    },
    onStatus(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    subscribe(wanted): Subscription {
      const each: Followed = {
        id: String(++count),
        options: wanted,
        position: wanted.since ?? null,
        status: 'waiting',
      };
      followed.set(each.id, each);
      follow(each);
      return {
        unsubscribe() {
          if (!followed.delete(each.id)) return;
          each.status = 'closed';
          ask({ type: 'unsubscribe', id: each.id });
        },
        get position() {
          return each.position;
        },
        get status() {
          return each.status;
        },
      };
    },
    select: (table, query) => own.select(table, query),
    write: (request) => own.write(request),
    request: (path, init) => own.request(path, init),
    live: (table, rows = {}) => live(client, timers, table, rows),
    room(name, room = {}): Room {
      const each: Entered = {
        id: String(++count),
        name,
        // Only what can be cloned: callers pass more than this.
        options: {
          key: room.key ?? randomId(),
          ...(room.private !== undefined && { private: room.private }),
        },
        members: [],
        joined: false,
        state: null,
        changes: new Set(),
        messages: new Set(),
        broadcasts: new Set(),
      };
      entered.set(each.id, each);
      enter(each);
      return roomOf(each, ask, sending, () => {
        if (entered.delete(each.id)) ask({ type: 'leave', id: each.id });
      });
    },
    pause: () => ask({ type: 'visible', visible: false }),
    resume: () => ask({ type: 'visible', visible: true }),
    retry: () => ask({ type: 'retry' }),
    close() {
      cleanup();
      ask({ type: 'bye' });
      followed.clear();
      entered.clear();
      port.close();
      own.close();
    },
  };
  return client;
}

/** Holds a lock of a fresh name for as long as this tab lives; its name. */
function holdLock(): string | null {
  const locks = globalThis.navigator?.locks;
  if (!locks) return null;
  const name = `tidewire:tab:${randomId()}`;
  void locks.request(name, () => new Promise(() => {}));
  return name;
}

let tags = 0;

function roomOf(
  each: Entered,
  ask: (message: Ask) => void,
  sending: Map<number, (answer: Answer) => void>,
  leave: () => void,
): Room {
  const keep = <T>(set: Set<T>, item: T) => {
    set.add(item);
    return () => void set.delete(item);
  };
  const say = (type: 'send' | 'ask', event: string, payload: Record<string, unknown>) =>
    new Promise<Answer>((resolve) => {
      const tag = ++tags;
      sending.set(tag, resolve);
      ask({ type, id: each.id, event, payload, tag });
    });
  return {
    name: each.name,
    key: each.options.key!,
    get joined() {
      return each.joined;
    },
    get members() {
      return each.members;
    },
    onChange: (listener) => keep(each.changes, () => listener()),
    onBroadcast: (event, listener) => keep(each.broadcasts, { event, listener }),
    onMessage: (listener) => keep(each.messages, listener),
    send: async (event, payload = {}) => (await say('send', event, payload)).outcome,
    ask: (event, payload) => say('ask', event, payload),
    track(state) {
      each.state = state;
      ask({ type: 'track', id: each.id, state });
    },
    leave,
  };
}

/** Tells the host when the page is hidden for long, is shown again, or goes. */
function watchPage(
  options: SharedOptions,
  ask: (message: Ask) => void,
  announce: () => void,
): () => void {
  if (typeof document === 'undefined') return () => {};
  const { pauseWhenHidden } = options;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const onVisibility = () => {
    clearTimeout(timer);
    if (document.visibilityState !== 'hidden') ask({ type: 'visible', visible: true });
    else if (pauseWhenHidden) {
      timer = setTimeout(() => ask({ type: 'visible', visible: false }), pauseWhenHidden.afterMs);
    }
  };
  const onHide = () => ask({ type: 'bye' });
  // Back from the browser's page cache: the host has forgotten it.
  const onShow = ({ persisted }: PageTransitionEvent) => persisted && announce();
  addEventListener('pageshow', onShow);
  document.addEventListener('visibilitychange', onVisibility);
  addEventListener('pagehide', onHide);
  return () => {
    clearTimeout(timer);
    document.removeEventListener('visibilitychange', onVisibility);
    removeEventListener('pagehide', onHide);
    removeEventListener('pageshow', onShow);
  };
}
