import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: {
    alias: {
      '@tidewire/client': fileURLToPath(new URL('sdk/js/client/src/index.ts', import.meta.url)),
    },
  },
  test: {
    include: ['sdk/js/*/test/**/*.test.ts', 'examples/*/web/test/**/*.test.ts'],
    testTimeout: 20_000,
  },
});
