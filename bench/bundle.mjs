// Bundles TypeScript and shaders for the two ways to run the benches. Nothing needs to be built before.
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

export const root = fileURLToPath(new URL('..', import.meta.url));

/** Chooses the platform's file from the sources, where package.json would name the built one. */
const platform = (name) => ({
  name: 'platform',
  setup({ onResolve }) {
    onResolve({ filter: /^#platform$/ }, () => ({ path: join(root, `src/gpu/${name}.ts`) }));
  },
});

async function bundle(entry, settings) {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    loader: { '.wgsl': 'text' },
    sourcemap: 'inline',
    logLevel: 'error',
    ...settings,
  });
  return outputFiles[0].text;
}

/** The text of one script for a page. */
export const forPage = (entry) =>
  bundle(entry, { platform: 'browser', plugins: [platform('platform-browser')] });

/** Loads a module of this repository in Node. */
export async function load(entry) {
  const code = await bundle(entry, {
    platform: 'node',
    packages: 'external',
    plugins: [platform('platform-node')],
  });
  // Within node_modules, so that the packages it imports are found.
  const folder = join(root, 'node_modules', '.cache', 'webgpu-cam');
  const file = join(folder, `bench-${process.pid}.mjs`);
  await mkdir(folder, { recursive: true });
  await writeFile(file, code);
  try {
    return await import(pathToFileURL(file).href);
  } finally {
    await rm(file, { force: true });
  }
}
