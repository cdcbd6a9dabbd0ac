// The service worker: the shell and the last reads are there without a network.
import { installSyncWorker } from '@tidewire/client/worker';

installSyncWorker({
  version: '__VERSION__',
  // Replaced by the list of built files; see vite.config.ts.
  shell: '__SHELL__' as unknown as string[],
  reads: /^\/(rest\/v1|demo)\//,
});
