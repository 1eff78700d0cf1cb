import { expect, test } from 'vitest';
import { gelu } from '../../src/kernels/gelu.js';
import { geluBackward } from '../../src/kernels/gelu-backward.js';
import { folded } from '../support/folded.js';
import { runKernel, useGpu } from '../support/gpu.js';
import { expectClose, random } from '../support/numbers.js';
import { density, distribution } from '../support/reference-normal.js';

const { gpu } = useGpu();

test('the reference is the normal distribution', () => {
  expect(distribution(0)).toBe(0.5);
  expect(distribution(1.96)).toBeCloseTo(0.9750021048517795, 14);
  expect(distribution(-3.5)).toBeCloseTo(0.00023262907903552504, 16);
  expect(distribution(3)).toBeCloseTo(0.9986501019683699, 14);
});

/** -8 .. 8 in small steps, both sides of where the pieces meet, and far outside. */
const x = Float32Array.of(
  ...Array.from({ length: 3201 }, (_, i) => (i - 1600) / 200),
  ...[1.4999999, 1.5, 1.5000001, -1.4999999, -1.5, -1.5000001, 0, -0, 1e-30, -1e-30],
  ...[20, -20, 20.1, -20.1, 1e4, -1e4, 3e38, -3e38],
);
const shape = [x.length];

for (const fold of [false, true]) {
  const f = <K>(kernel: K): K => (fold ? (folded(kernel as never) as K) : kernel);

  test(`gelu is x times the normal distribution within 1e-7 of it ${fold ? 'folded' : ''}`, async () => {
    const { y } = await runKernel(gpu(), f(gelu), { x: { shape, data: x } });
    // 1e-7 of the distribution, and one rounding of the product.
    expectClose(
      y,
      Float64Array.from(x, (v) => v * distribution(v)),
      (i) => 1e-7 * Math.min(Math.abs(x[i]), 9) + 2 ** -24 * Math.abs(x[i]),
    );
  });

  test(`geluBackward is the derivative ${fold ? 'folded' : ''}`, async () => {
    const dy = random(shape, 2);
    const { dx } = await runKernel(gpu(), f(geluBackward), { dy, x: { shape, data: x } });
    expectClose(
      dx,
      Float64Array.from(x, (v, i) => dy.data[i] * (distribution(v) + v * density(v))),
      (i) => Math.abs(dy.data[i]) * 3e-7 + 1e-30,
    );
  });
}

test('gelu of one element', async () => {
  const { y } = await runKernel(gpu(), gelu, { x: { shape: [1, 1], data: Float32Array.of(1) } });
  expect(y[0]).toBeCloseTo(0.8413447460685429, 6);
});
