/**
 * Every kernel with its floats stored in 16 bits, by every variant that the device can run, beside the same with 32: sums are made in 32 bits either way, so
 * what is stored may be rounded and nothing else. Needs `shader-f16`; that all of them compile is tested everywhere (test/gpu/shaders.test.ts).
 */
import { expect, test } from 'vitest';
import { fromHalf, toHalf } from '../../src/gpu/half.js';
import { allKernels } from '../support/all-kernels.js';
import { type Ndarray, runKernel, testCaps, useGpu } from '../support/gpu.js';
import { casesOf, inputsOf } from '../support/kernel-cases.js';
import { relativeL2 } from '../support/numbers.js';

const { gpu } = useGpu();

const untouched = 7;

/**
 * Never recorded in 16 bits: methods' own steps, which have 32 (noise and paths of any scale, the power iteration), relevance, which networks in 16 bits
 * refuse, and the last of Winograd's steps, whose terms are 100 times their sum.
 */
const only32 = ['addNoise', 'pathPoints', 'principalVector', 'relevanceShare', 'winogradOutput'];

/** Floats that 16 bits hold exactly. */
const rounded = ({ shape, data }: Ndarray): Ndarray => ({
  shape,
  data: data instanceof Float32Array ? fromHalf(toHalf(data)) : data,
});

if (!testCaps.features.has('shader-f16')) test.skip('the adapter has no shader-f16', () => {});
else {
  for (const kernel of allKernels.filter(({ name }) => !only32.includes(name))) {
    test(kernel.name, { timeout: 300_000 }, async () => {
      for (const c of casesOf(kernel)) {
        const inputs = Object.fromEntries(
          Object.entries(inputsOf(c)).map(([name, input]) => [name, rounded(input)]),
        );
        const plain = kernel.variantsFor(c.reads, c.options, testCaps).at(-1);
        const wide = await runKernel(gpu(), kernel, inputs, c.options, plain);
        for (const variant of kernel.variantsFor(c.reads, c.options, testCaps, 'f16')) {
          const half = await runKernel(gpu(), kernel, inputs, c.options, variant, undefined, 'f16');
          for (const name of kernel.resultNames) {
            const what = `${c.name} (${variant}): ${name}`;
            // Elements that a kernel leaves to others keep the NaN that they had.
            const [got, expected] = [half[name], wide[name]].map((data) =>
              Array.from(data, (v) => (Number.isNaN(v) ? untouched : v)),
            );
            if (wide[name] instanceof Float32Array)
              expect.soft(relativeL2(got, expected), what).toBeLessThan(1e-3);
            else expect.soft(got, what).toEqual(expected);
          }
        }
      }
    });
  }
}
