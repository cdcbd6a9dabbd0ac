import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// `npm run dev` serves the page with hot reload in front of a running `tidewire dev`.
const server = process.env['TIDEWIRE_URL'] ?? 'http://127.0.0.1:4750';

export default defineConfig({
  base: './',
  plugins: [react()],
  build: { target: 'es2022', assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  server: {
    proxy: {
      '/demo': server,
      '/rest': server,
      '/realtime': { target: server, ws: true },
    },
  },
});
