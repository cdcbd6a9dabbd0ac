import { createClient, type Client, type ClientOptions, type SubscribeOptions } from './client.js';
import { randomId } from './id.js';
import { follower } from './shared-follower.js';
import { Host, type Ask, type Port } from './shared-host.js';

export interface SharedOptions extends Omit<ClientOptions, 'environment'> {
  /** Who is signed in. Tabs of different users never share a connection. */
  readonly user: string;
  /**
   * How tabs share: in a SharedWorker, through one of them that is elected, or not at all. By
   * default the first that the browser has. A worker is made by the application, so that its bundler
   * finds it: `() => new SharedWorker(new URL('./tidewire-worker.js', import.meta.url), …)`, whose
   * script calls `serveSharedWorker()` of `@tidewire/client/shared-worker`.
   */
  readonly worker?: () => { readonly port: MessagePort };
  readonly share?: 'auto' | 'off';
}

export interface SharedClient extends Client {
  /** `worker`, `leader` (this tab holds the connection), `follower`, or `alone`. */
  readonly role: 'worker' | 'leader' | 'follower' | 'alone';
}

/**
 * A client whose connection is shared by all tabs of a browser (mission S2.7): the same interface,
 * the same status in every tab. Reads and writes over HTTP stay each tab's own.
 *
 *   tabs ──port──▶ SharedWorker: one client          or, without one,
 *   tabs ──BroadcastChannel──▶ the tab that holds the Web Lock: one client
 *
 * When the tab that holds the connection goes, the lock passes to another, which subscribes anew at
 * each tab's own position: no gap and nothing twice.
 */
export function createSharedClient(options: SharedOptions): SharedClient {
  const own = createClient({ ...options, transports: [] });
  const locks = globalThis.navigator?.locks;
  if (options.share === 'off' || (!options.worker && (!locks || !globalThis.BroadcastChannel))) {
    own.close();
    return Object.assign(createClient(options), { role: 'alone' as const });
  }
  if (options.worker && typeof SharedWorker !== 'undefined') {
    const { port } = options.worker();
    return follower(own, workerPort(port), options, 'worker');
  }
  return elected(own, options, locks!);
}

/** Messages to and from a worker. */
function workerPort(port: MessagePort): Port {
  port.start();
  return {
    send: (message) => port.postMessage(message),
    onMessage: (listener) => {
      port.onmessage = ({ data }) => listener(data);
    },
    close: () => port.close(),
  };
}

/** Without a worker: one tab holds the lock and the connection; the others talk to it. */
function elected(own: Client, options: SharedOptions, locks: LockManager): SharedClient {
  const name = `tidewire:${options.url}:${options.user}`;
  const tab = randomId();
  const channel = new BroadcastChannel(name);
  let listener: (message: any) => void = () => {};
  let host: Host | null = null;
  let closed = false;

  const port: Port = {
    send: (message) => {
      // The leader's own messages do not come back through the channel.
      if (host) host.receive(tab, message as Ask);
      else channel.postMessage({ to: 'leader', tab, message });
    },
    onMessage: (run) => {
      listener = run;
    },
    close: () => {
      closed = true;
      host?.close();
      release?.();
      channel.close();
    },
  };
  channel.onmessage = ({ data }) => {
    if (data.to === 'leader' && host) host.receive(data.tab, data.message);
    else if (data.to === tab) listener(data.message);
    // Another tab leads from now on: what this tab follows is told to it again.
    else if (data.to === 'all' && !host) listener(data.message);
  };

  let release: (() => void) | null = null;
  const shared = follower(own, port, options, 'follower');
  void locks.request(name, () => {
    if (closed) return undefined;
    host = new Host(options, (to, message) => {
      if (to === tab) listener(message);
      else channel.postMessage({ to, message });
    });
    shared.setRole('leader');
    const news = { type: 'leader' };
    channel.postMessage({ to: 'all', message: news });
    listener(news);
    return new Promise<void>((resolve) => {
      release = resolve;
    });
  });
  return shared;
}

export type { SubscribeOptions };
