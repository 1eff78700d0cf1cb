import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
/** In node_modules, so that what is run there finds the packages. */
const cache = join(root, 'node_modules', '.cache');
let folder: string;

beforeAll(async () => {
  await mkdir(cache, { recursive: true });
  folder = await mkdtemp(join(cache, 'process-test-'));
  await build({
    absWorkingDir: root,
    stdin: {
      contents: `
        export { Gpu } from './src/gpu/device.js';
        export { Recorder } from './src/gpu/recorder.js';
        export { relu } from './src/kernels/relu.js';
      `,
      resolveDir: root,
    },
    alias: { '#platform': './src/gpu/platform-node.ts' },
    outfile: join(folder, 'library.mjs'),
    bundle: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    loader: { '.wgsl': 'text' },
    logLevel: 'error',
  });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Runs a program that uses the library to its end. */
async function run(program: string) {
  const file = join(folder, `${Math.random().toString(36).slice(2)}.mjs`);
  const opening = `import { Gpu, Recorder, relu } from './library.mjs';
    async function work(gpu) {
      const recorder = Recorder.on(gpu);
      const y = recorder.k(relu, { x: recorder.constant(Float32Array.of(-1, 2)) });
      const [tensor] = await recorder.run([y]);
      process.stdout.write([...await tensor.read()].join());
    }\n`;
  await writeFile(file, opening + program);
  const child = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'pipe'] });
  const killer = setTimeout(() => child.kill('SIGKILL'), 60_000);
  let output = '';
  let errors = '';
  child.stdout.on('data', (text) => {
    output += text;
  });
  child.stderr.on('data', (text) => {
    errors += text;
  });
  const status = await new Promise((resolve) =>
    child.on('close', (code, signal) => resolve(signal ?? code)),
  );
  clearTimeout(killer);
  // What Dawn says of some drivers is none of ours.
  errors = errors.replace(/^Warning: max\w+ artificially reduced .*\n/gm, '');
  return { status, output, errors };
}

test('a process ends by itself once its work is done and the device destroyed', async () => {
  const { status, output, errors } = await run(`
    const gpu = await Gpu.request();
    await work(gpu);
    gpu.destroy();
  `);
  expect(errors).toBe('');
  expect({ status, output }).toEqual({ status: 0, output: '0,2' });
});

test('a process ends by itself though the device was forgotten', async () => {
  const { status, output } = await run('await work(await Gpu.request());');
  expect({ status, output }).toEqual({ status: 0, output: '0,2' });
});

test('a process ends by itself after the device was lost', async () => {
  const { status, output } = await run(`
    const gpu = await Gpu.request();
    const pending = work(gpu).catch((error) => process.stdout.write(error.name));
    gpu.device.destroy();
    await pending;
  `);
  expect({ status, output }).toEqual({ status: 0, output: 'DeviceError' });
});

test('work that fails after the device was lost does not end the process', async () => {
  const { status, output } = await run(`
    const gpu = await Gpu.request();
    gpu.device.destroy();
    await gpu.device.lost;
    const late = new Promise((_, reject) => setTimeout(() => reject(new Error('late')), 20));
    await gpu.guard(late).catch((error) => process.stdout.write(error.name));
    await new Promise((resolve) => setTimeout(resolve, 100));
  `);
  expect({ status, output }).toEqual({ status: 0, output: 'DeviceError' });
});

test('importing the library alone starts nothing', async () => {
  expect(await run('')).toEqual({ status: 0, output: '', errors: '' });
});
