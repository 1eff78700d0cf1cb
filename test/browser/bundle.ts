import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';
import { kernelFiles } from '../support/all-kernels.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

const forBrowser: Plugin = {
  name: 'for-browser',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^#platform$/ }, () => ({ path: `${root}src/gpu/platform-browser.ts` }));
    // Helpers that check belong to Node; the import goes away with them where the page uses none.
    onResolve({ filter: /^vitest$/ }, ({ path }) => ({ path, external: true, sideEffects: false }));
    onLoad({ filter: /[\\/]test[\\/]support[\\/]all-kernels\.ts$/ }, ({ path }) => ({
      contents: kernelList(),
      loader: 'ts',
      resolveDir: path.replace(/[\\/][^\\/]*$/, ''),
    }));
  },
};

/** What all-kernels.ts exports, without a file system. */
function kernelList(): string {
  const imports = kernelFiles.map(
    (name, i) => `import * as k${i} from '../../src/kernels/${name.replace('.ts', '.js')}';`,
  );
  return [
    `import { isKernel } from './kernel-cases.js';`,
    ...imports,
    `export const allKernels = [${kernelFiles.map((_, i) => `k${i}`)}]`,
    `  .flatMap((exports) => Object.values(exports).filter(isKernel));`,
  ].join('\n');
}

/** The text of one script for a page. `entry` is relative to the repository. */
export async function bundleForBrowser(entry: string): Promise<string> {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'chrome125',
    loader: { '.wgsl': 'text' },
    plugins: [forBrowser],
    sourcemap: 'inline',
    logLevel: 'error',
  });
  return outputFiles[0].text;
}
