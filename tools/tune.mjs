// Times every variant, and every route of a convolution, on the layers of networks (random data, forward and backward) on this machine's
// adapter, and prints which is the fastest for each kernel (or `convolution`, `convolutionBackwardInput`) and class of shapes. With --write, what gains enough goes into src/gpu/shipped-choices.ts, in the place of what
// stood there for such an adapter.
//
//   node tools/tune.mjs [--networks alexnet,vgg16] [--kernels conv2d,linear] [--batch 1] [--forward]
//                       [--mode full|first-use] [--runs 2] [--write]
import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { load, root } from '../bench/bundle.mjs';

const { tuneNetworks, table } = await load('bench/tune.ts');
const result = await tuneNetworks(process.argv.slice(2), (line) => {
  process.stderr.write(`${line}\n`);
});
process.stdout.write(`${result.adapter}, ${(result.totalMs / 1000).toFixed(0)} s\n\n`);
process.stdout.write(`${table(result.findings)}\n\n${JSON.stringify(result.choices, null, 2)}\n`);

if (result.write) {
  const { shippedChoices } = await load('src/gpu/shipped-choices.ts');
  const all = { ...shippedChoices, [result.name]: result.choices };
  const file = join(root, 'src/gpu/shipped-choices.ts');
  await writeFile(
    file,
    `import type { Choices } from './caps.js';

/**
 * Choices of variants for devices that are not tuned, by \`vendor architecture\` of the adapter in lower case. Written by
 * \`node tools/tune.mjs --write\` from a run on such an adapter; what is not listed is chosen by each kernel's own order.
 */
export const shippedChoices: Readonly<Record<string, Choices>> = ${JSON.stringify(all, null, 2)};
`,
  );
  const biome = createRequire(import.meta.url).resolve('@biomejs/biome/bin/biome');
  spawnSync(process.execPath, [biome, 'check', '--write', file], { stdio: 'inherit' });
}
