import { expect, test } from 'vitest';
import { templateName } from '../../src/kernels/template-name.js';
import { folded } from '../support/folded.js';
import { type Ndarray, runKernel, testCaps, useGpu } from '../support/gpu.js';
import { expectClose, random } from '../support/numbers.js';

const { gpu } = useGpu();

/** The definition, in float64. */
const reference = ({ data }: Ndarray, factor: number) =>
  Float64Array.from(data, (v) => factor * v * v);

// The smallest, odd sizes, exactly one workgroup, several.
for (const shape of [[1], [3, 7], [64], [2, 3, 5, 11]]) {
  for (const variant of templateName.variantsFor({ x: { shape } }, {}, testCaps)) {
    test(`templateName ${variant} is its definition: [${shape}]`, async () => {
      const x = random(shape);
      const { y } = await runKernel(gpu(), templateName, { x }, { factor: -1.5 }, variant);
      const wanted = reference(x, -1.5);
      // Two products, each rounded once.
      expectClose(y, wanted, (i) => 2 * 2 ** -24 * Math.abs(wanted[i]) + 2 ** -126);
    });
  }
}

test('templateName folds more workgroups than a dimension holds', async () => {
  const x = random([5, 201]);
  const { y } = await runKernel(gpu(), folded(templateName), { x });
  const wanted = reference(x, 1);
  expectClose(y, wanted, (i) => 2 * 2 ** -24 * wanted[i] + 2 ** -126);
});

test('templateName refuses a factor that is no number', () => {
  expect(() => templateName.plan({ x: { shape: [2] } }, { factor: Number.NaN })).toThrow(
    'templateName: factor is NaN, should be a finite number',
  );
});
