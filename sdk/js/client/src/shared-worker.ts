import { Host, type Ask } from './shared-host.js';
import { openStream } from './streams.js';

/**
 * The script of the SharedWorker that holds the connection of all tabs:
 *
 *   import { serveSharedWorker } from '@tidewire/client/shared-worker';
 *   serveSharedWorker();
 *
 * One worker per user: give it the user in its name, so that tabs of different users never share.
 */
export function serveSharedWorker(scope: EventTarget = globalThis as unknown as EventTarget): void {
  const ports = new Map<string, MessagePort>();
  let host: Host | null = null;
  let count = 0;
  scope.addEventListener('connect', (event) => {
    const port = (event as MessageEvent).ports[0]!;
    const tab = String(++count);
    ports.set(tab, port);
    port.onmessage = ({ data }: { data: Ask }) => {
      if (data.type === 'hello' && !host) {
        // A worker's script is one file: nothing is loaded later.
        const options = { ...data.options, openStream };
        host = new Host(options, (to, message) => ports.get(to)?.postMessage(message));
      }
      host?.receive(tab, data);
      if (data.type === 'bye') ports.delete(tab);
    };
    port.start();
  });
}
