import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  plugins: [svelte()],
  base: './', // the server writes the path that a proxy shows it under
  build: {
    outDir: '../server/descent/static',
    emptyOutDir: true,
    target: 'es2022',
    cssCodeSplit: false, // 17 kB in one file; forty small ones would each be asked for
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0, // the content security policy allows no data: scripts or fonts
  },
  server: { proxy: { '/api': { target: 'http://127.0.0.1:8000', ws: true } } },
  test: {
    include: ['../tests/frontend/**/*.test.js', 'src/panels/**/*.test.js'],
    root: '.',
    coverage: { include: ['src/**/*.js'], exclude: ['**/*.test.js'], reporter: ['text'] },
  },
});
