import { fileURLToPath } from 'node:url';
import { defineConfig, type Plugin } from 'vitest/config';

/** Loads a shader as its text, as esbuild's text loader does in the build. */
const wgsl: Plugin = {
  name: 'wgsl',
  transform: (code, id) =>
    id.endsWith('.wgsl')
      ? { code: `export default ${JSON.stringify(code)}`, map: null }
      : undefined,
};

export default defineConfig({
  plugins: [wgsl],
  resolve: {
    alias: { '#platform': fileURLToPath(new URL('./src/gpu/platform-node.ts', import.meta.url)) },
  },
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    pool: 'forks',
    maxWorkers: 2,
  },
});
