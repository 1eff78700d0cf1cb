import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Gpu } from '../src/gpu/device.js';
import type { TuneMode } from '../src/gpu/tuner.js';
import { runBench } from './bench.js';
import { command } from './command.js';
import type { Ran } from './runtime.js';
import { runScoreCam } from './score-cam/profile.js';

/** `npm run bench`. @returns the exit code. */
export const main = (root: string, args: readonly string[]): Promise<number> => {
  const weights = (network: string) => readFile(join(root, 'models', `${network}.safetensors`));
  return command(root, args, {
    name: 'node',
    run: (selection, host) =>
      onDevice(root, (gpu) => runBench(gpu, selection, host), selection.tune),
    scoreCam: (settings, host) =>
      onDevice(root, (gpu) => runScoreCam(gpu, settings, host, weights)),
  });
};

async function onDevice<Result>(
  root: string,
  work: (gpu: Gpu) => Promise<Result>,
  tune?: TuneMode,
): Promise<Ran<Result>> {
  const gpu = await Gpu.request({ tune });
  try {
    return {
      result: await work(gpu),
      runtime: `node ${process.versions.node}`,
      versions: { dawn: dawnVersion(root), platform: `${process.platform} ${process.arch}` },
    };
  } finally {
    gpu.destroy();
  }
}

function dawnVersion(root: string): string {
  const file = join(root, 'node_modules', 'webgpu', 'package.json');
  return `webgpu ${JSON.parse(readFileSync(file, 'utf8')).version}`;
}
