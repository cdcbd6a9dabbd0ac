import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const packages = ['client', 'query', 'react', 'swr', 'components', 'devtools'];
const older = 'tests/react18/node_modules';

// The packages' sources, not what was built of them.
const alias = packages.flatMap((name) => [
  {
    find: new RegExp(`^@tidewire/${name}/([\\w-]+)$`),
    replacement: at(`sdk/js/${name}/src/$1.ts`),
  },
  { find: new RegExp(`^@tidewire/${name}$`), replacement: at(`sdk/js/${name}/src/index.ts`) },
]);

const shared = { testTimeout: 20_000, server: { deps: { inline: [/tanstack/, /swr/] } } };

export default defineConfig({
  test: {
    projects: [
      {
        resolve: { alias },
        test: {
          ...shared,
          name: 'packages',
          include: ['sdk/js/*/test/**/*.test.{ts,tsx}', 'examples/*/web/test/**/*.test.ts'],
        },
      },
      {
        resolve: {
          alias: [
            ...alias,
            { find: /^react$/, replacement: at(`${older}/react/index.js`) },
            { find: /^react\/(.*)$/, replacement: at(`${older}/react/$1.js`) },
            { find: /^react-dom$/, replacement: at(`${older}/react-dom/index.js`) },
            { find: /^react-dom\/(.*)$/, replacement: at(`${older}/react-dom/$1.js`) },
          ],
        },
        test: {
          ...shared,
          name: 'react 18',
          include: ['sdk/js/{react,swr,components}/test/**/*.test.tsx'],
        },
      },
    ],
  },
});
