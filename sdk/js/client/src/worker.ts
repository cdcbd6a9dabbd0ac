/**
 * The service worker of an application that works offline (mission S1.6). In the worker's script:
 *
 *   import { installSyncWorker } from '@tidewire/client/worker';
 *   installSyncWorker({ version: 'build-42', shell: ['./', './assets/app.js'] });
 *
 * and in the page: `navigator.serviceWorker.register('./sw.js', { type: 'module' })`.
 */
export interface SyncWorkerOptions {
  /** Names the caches; a new version replaces those of the last one. */
  readonly version: string;
  /** What is fetched at installation and then served from the cache. */
  readonly shell: readonly string[];
  /** Reads that are answered from the cache when the network fails; `/rest/v1/` by default. */
  readonly reads?: RegExp;
  /** Cached reads at most; the oldest go first. 200 by default. */
  readonly readsMax?: number;
}

interface WorkerScope {
  addEventListener(name: string, listener: (event: any) => void): void;
  readonly caches: CacheStorage;
  readonly location: { readonly origin: string };
  readonly clients: {
    claim(): Promise<void>;
    matchAll(): Promise<readonly { postMessage(message: unknown): void }[]>;
  };
  skipWaiting(): Promise<void>;
  fetch(request: Request): Promise<Response>;
}

/** Installs the listeners. Reads are cached per user: the token is part of the cache's key. */
export function installSyncWorker(
  options: SyncWorkerOptions,
  scope: WorkerScope = globalThis as unknown as WorkerScope,
): void {
  const { version, shell, reads = /^\/(rest\/v1|v1\/queries)\//, readsMax = 200 } = options;
  const shellName = `tidewire-shell-${version}`;
  const readsName = `tidewire-reads-${version}`;

  scope.addEventListener('install', (event) => {
    const fill = scope.caches.open(shellName).then((cache) => cache.addAll([...shell]));
    event.waitUntil(fill.then(() => scope.skipWaiting()));
  });

  scope.addEventListener('activate', (event) => {
    const clean = async () => {
      for (const name of await scope.caches.keys()) {
        const ours = name.startsWith('tidewire-') && name !== shellName && name !== readsName;
        if (ours) await scope.caches.delete(name);
      }
      await scope.clients.claim();
    };
    event.waitUntil(clean());
  });

  scope.addEventListener('fetch', (event) => {
    const request: Request = event.request;
    const url = new URL(request.url);
    if (request.method !== 'GET' || url.origin !== scope.location.origin) return;
    if (reads.test(url.pathname)) event.respondWith(networkFirst(request));
    else if (request.mode === 'navigate') event.respondWith(page(request));
    else if (shell.some((path) => new URL(path, url).pathname === url.pathname)) {
      event.respondWith(cacheFirst(request));
    }
  });

  // Where the browser has Background Sync it wakes us; the tabs hold the queue.
  scope.addEventListener('sync', (event) => {
    const wake = async () => {
      for (const client of await scope.clients.matchAll()) client.postMessage('tidewire:drain');
    };
    event.waitUntil(wake());
  });

  const networkFirst = async (request: Request): Promise<Response> => {
    const cache = await scope.caches.open(readsName);
    const key = await readKey(request);
    try {
      const answer = await scope.fetch(request);
      if (answer.ok) {
        await cache.put(key, answer.clone());
        const kept = await cache.keys();
        for (const old of kept.slice(0, Math.max(0, kept.length - readsMax))) {
          await cache.delete(old);
        }
      }
      return answer;
    } catch (error) {
      const known = await cache.match(key);
      if (known) return known;
      throw error;
    }
  };

  const page = async (request: Request): Promise<Response> => {
    try {
      return await scope.fetch(request);
    } catch (error) {
      const cache = await scope.caches.open(shellName);
      const known = (await cache.match(request)) ?? (await cache.match('./'));
      if (known) return known;
      throw error;
    }
  };

  const cacheFirst = async (request: Request): Promise<Response> => {
    const cache = await scope.caches.open(shellName);
    return (await cache.match(request)) ?? scope.fetch(request);
  };
}

/** The address with a digest of the token, so that no user is shown another's cached rows. */
async function readKey(request: Request): Promise<string> {
  const token = request.headers.get('Authorization') ?? '';
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(token));
  const hex = [...new Uint8Array(digest).slice(0, 12)].map((b) => b.toString(16).padStart(2, '0'));
  const url = new URL(request.url);
  url.searchParams.set('tidewire-reader', hex.join(''));
  return url.href;
}
