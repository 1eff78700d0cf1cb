import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The example bundled against the sources, in place of the published package. */
async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(root, 'examples/embed/edges.js')],
    bundle: true,
    format: 'esm',
    platform: 'node',
    external: ['webgpu', '@sparticuz/chromium', 'tar-fs'],
    loader: { '.wgsl': 'text' },
    alias: {
      'webgpu-cam/kernels': join(root, 'src/kernels/index.ts'),
      'webgpu-cam/node': join(root, 'src/gpu/platform-node.ts'),
      'webgpu-cam/shaders': join(root, 'shaders'),
      '#platform': join(root, 'src/gpu/platform-node.ts'),
    },
    write: false,
  });
  return outputFiles[0].text;
}

async function runText(text: string): Promise<{ code: number; stdout: string }> {
  // Inside node_modules, so that the bundle finds the packages it leaves out.
  const folder = await mkdtemp(join(root, 'node_modules', '.embed-'));
  try {
    const file = join(folder, 'edges.mjs');
    await writeFile(file, text);
    const { stdout } = await promisify(execFile)(process.execPath, [file], { timeout: 100_000 });
    return { code: 0, stdout };
  } catch (error) {
    const { code, stdout } = error as { code: number; stdout: string };
    return { code, stdout };
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('a plain WebGPU program borrows conv2d, as a record and as text', async () => {
  const text = await bundle();
  const { code, stdout } = await runText(text);
  expect(stdout).toMatch(/^ok: \d+ edge pixels, 0 wrong values, variant \w+\n$/);
  expect(code).toBe(0);

  // The program's own check is one: with a wrong filter it fails.
  const faulty = text.replace(
    'writeBuffer(filters, 0, sobel)',
    'writeBuffer(filters, 0, sobel.map((v) => -v))',
  );
  expect(faulty).not.toBe(text);
  expect((await runText(faulty)).code).toBe(1);
});
