import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Gpu } from '../src/gpu/device.js';
import { runBench } from './bench.js';
import { command } from './command.js';

/** `npm run bench`. @returns the exit code. */
export const main = (root: string, args: readonly string[]): Promise<number> =>
  command(root, args, {
    name: 'node',
    run: async (selection, host) => {
      const gpu = await Gpu.request();
      try {
        return {
          result: await runBench(gpu, selection, host),
          runtime: `node ${process.versions.node}`,
          versions: { dawn: dawnVersion(root), platform: `${process.platform} ${process.arch}` },
        };
      } finally {
        gpu.destroy();
      }
    },
  });

function dawnVersion(root: string): string {
  const file = join(root, 'node_modules', 'webgpu', 'package.json');
  return `webgpu ${JSON.parse(readFileSync(file, 'utf8')).version}`;
}
