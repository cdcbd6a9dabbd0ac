// Holds the connection of all tabs of one user.
import { serveSharedWorker } from '@tidewire/client/shared-worker';

serveSharedWorker();
