// Size gates: fails when a package, bundled and minified, is above its budget after gzip.
import { build } from 'esbuild';
import { gzipSync } from 'node:zlib';
import { fileURLToPath } from 'node:url';

const gates = [
  { name: '@tidewire/client', entry: 'client/dist/index.js', external: [], bytesMax: 9_000 },
  {
    name: '@tidewire/query',
    entry: 'query/dist/index.js',
    external: ['@tidewire/client', '@tanstack/query-core'],
    bytesMax: 3_000,
  },
];

let failed = false;
for (const { name, entry, external, bytesMax } of gates) {
  const result = await build({
    entryPoints: [fileURLToPath(new URL(entry, import.meta.url))],
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    external,
    write: false,
  });
  const bytes = gzipSync(result.outputFiles[0].contents, { level: 9 }).length;
  const verdict = bytes <= bytesMax ? 'ok' : 'TOO LARGE';
  failed ||= bytes > bytesMax;
  console.log(`${name.padEnd(20)} ${String(bytes).padStart(6)} of ${bytesMax} bytes  ${verdict}`);
}
process.exit(failed ? 1 : 0);
