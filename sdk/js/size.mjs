// Size gates: fails when what an application imports, bundled and minified, is above its budget
// after gzip. What is not imported is not counted: the packages are tree-shakeable, and this proves it.
// What is loaded only when it is needed is a file of its own with a gate of its own.
import { build } from 'esbuild';
import { gzipSync } from 'node:zlib';
import { fileURLToPath } from 'node:url';

const libraries = ['react', 'react-dom', 'react/jsx-runtime', '@tanstack/*', 'swr'];
const hooks = 'useTableUpdates, useAllUpdates, usePresence, useBroadcast, useConnectionStatus';
const gates = [
  {
    name: 'core',
    code: `export { createClient } from '@tidewire/client'`,
    bytesMax: 9_000,
  },
  {
    name: 'core + React hooks',
    code: `export { createClient } from '@tidewire/client';
      export { TidewireProvider, ${hooks}, useUnreadCount, useFreshness } from '@tidewire/react/hooks'`,
    bytesMax: 13_000,
  },
  {
    name: '+ TanStack Query, optimistic',
    code: `export { createClient } from '@tidewire/client';
      export { attachQueryClient, realtimeQueryOptions } from '@tidewire/query';
      export { TidewireProvider, useRealtimeQuery, useOptimisticMutation, useAutoRefreshOnSync,
        createEntityHooks, useConnectionStatus } from '@tidewire/react'`,
    bytesMax: 18_000,
  },
  {
    name: '@tidewire/query alone',
    code: `export * from '@tidewire/query'`,
    external: ['@tidewire/client', '@tidewire/client/*'],
    bytesMax: 3_000,
  },
  {
    name: 'rows of tables, when used',
    code: `export * from './query/dist/keeper.js'`,
    external: ['@tidewire/client', '@tidewire/client/*'],
    bytesMax: 2_500,
  },
  {
    name: '@tidewire/swr alone',
    code: `export * from '@tidewire/swr'`,
    external: ['@tidewire/client', '@tidewire/client/*'],
    bytesMax: 2_000,
  },
  {
    name: 'event streams and polling',
    code: `export { openStream } from '@tidewire/client/streams'`,
    bytesMax: 3_000,
  },
  {
    name: 'named queries',
    code: `export * from '@tidewire/client/queries'`,
    bytesMax: 1_500,
  },
  {
    name: 'live queries, when used',
    code: `export * from '@tidewire/client/live-queries'`,
    bytesMax: 4_500,
  },
  {
    name: 'offline queue',
    code: `export * from '@tidewire/client/offline'`,
    bytesMax: 4_000,
  },
  {
    name: '@tidewire/components alone',
    code: `export * from '@tidewire/components'`,
    external: ['@tidewire/client', '@tidewire/client/*', '@tidewire/react', '@tidewire/react/*'],
    bytesMax: 4_000,
  },
];

let failed = false;
for (const { name, code, external = [], bytesMax } of gates) {
  const result = await build({
    stdin: { contents: code, resolveDir: fileURLToPath(new URL('.', import.meta.url)) },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    external: [...libraries, ...external],
    splitting: true,
    outdir: 'out',
    metafile: true,
    write: false,
  });
  // The entry and what it imports at once.
  const wanted = new Set(['out/stdin.js']);
  for (const path of wanted) {
    for (const { path: next, kind } of result.metafile.outputs[path].imports) {
      if (kind === 'import-statement' && next in result.metafile.outputs) wanted.add(next);
    }
  }
  const bytes = result.outputFiles
    .filter(({ path }) => [...wanted].some((name) => path.endsWith(`/${name}`)))
    .reduce((sum, { contents }) => sum + gzipSync(contents, { level: 9 }).length, 0);
  const verdict = bytes <= bytesMax ? 'ok' : 'TOO LARGE';
  failed ||= bytes > bytesMax;
  console.log(`${name.padEnd(30)} ${String(bytes).padStart(6)} of ${bytesMax} bytes  ${verdict}`);
}
process.exit(failed ? 1 : 0);
