import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

/** During development the page comes from Vite, and all else from this collector. */
const COLLECTOR = process.env['HERDBOOK_COLLECTOR'] ?? 'http://127.0.0.1:6121';
// As if the page came from the collector itself, which refuses other origins.
const headers = { origin: COLLECTOR, host: new URL(COLLECTOR).host };
const target = { target: COLLECTOR, changeOrigin: true, headers };
const proxy = {
  '/api': { ...target, ws: true },
  '/readyz': target,
  '/metrics': target,
  '/docs': target,
  '/openapi.json': target,
};

// Every URL is relative, so that the page works below any path of a reverse proxy, and nothing is
// inlined that the Content-Security-Policy of the collector forbids.
export default defineConfig({
  base: './',
  plugins: [svelte()],
  build: {
    target: ['chrome123', 'firefox121', 'safari17.5'],
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: true,
  },
  server: { host: '127.0.0.1', proxy },
  preview: { host: '127.0.0.1', proxy },
  test: { environment: 'node', include: ['src/**/*.test.ts'] },
});
