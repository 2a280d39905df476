import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

// The bundle lies in the Python package under stable names, so that a rebuild without a change is no change.
export default defineConfig({
  plugins: [svelte()],
  build: {
    outDir: '../src/convscope/lab/static',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      output: {
        entryFileNames: 'assets/[name].js',
        chunkFileNames: 'assets/[name].js',
        assetFileNames: 'assets/[name][extname]',
      },
    },
  },
  // `npm run dev` beside a running `convscope lab --port 7860`.
  server: { proxy: { '/api': { target: 'http://127.0.0.1:7860', ws: true } } },
  test: { include: ['src/**/*.test.ts'], environment: 'node', css: true },
});
