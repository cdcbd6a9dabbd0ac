import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

// `npm run dev` serves the page with hot reload in front of a running `tidewire dev`.
const server = process.env['TIDEWIRE_URL'] ?? 'http://127.0.0.1:4750';

/** Tells the service worker which files are the shell, and a version that changes with them. */
function shell(): Plugin {
  return {
    name: 'shell',
    generateBundle(_options, bundle) {
      const files = Object.keys(bundle).filter((name) => name.startsWith('assets/'));
      const worker = bundle['sw.js'];
      if (worker?.type !== 'chunk') return;
      const list = JSON.stringify(['./', ...files.map((name) => `./${name}`)]);
      const version = files
        .join('')
        .replace(/[^a-z0-9]/gi, '')
        .slice(-32);
      worker.code = worker.code.replaceAll('"__SHELL__"', list).replaceAll('__VERSION__', version);
    },
  };
}

export default defineConfig({
  base: './',
  plugins: [react(), shell()],
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: {
      input: { main: 'index.html', sw: 'src/sw.ts' },
      output: {
        entryFileNames: ({ name }) => (name === 'sw' ? 'sw.js' : 'assets/[name]-[hash].js'),
      },
    },
  },
  server: {
    proxy: {
      '/demo': server,
      '/rest': server,
      '/realtime': { target: server, ws: true },
    },
  },
});
