import { expect, test } from 'vitest';
import { ShapeError } from '../../src/errors.js';
import { layerNorm, layerNormMoments } from '../../src/kernels/layer-norm.js';
import {
  layerNormBackward,
  layerNormBackwardParams,
} from '../../src/kernels/layer-norm-backward.js';
import { folded } from '../support/folded.js';
import { type Ndarray, runKernel, testCaps, useGpu } from '../support/gpu.js';
import { dot, expectClose, random } from '../support/numbers.js';

const { gpu } = useGpu();
const unit = 2 ** -24;

/** Normalised rows h, and 1 / sigma of each, in float64. */
function normalised(x: Ndarray, eps: number) {
  const [M, D] = x.shape;
  const h = new Float64Array(M * D);
  const inverse = new Float64Array(M);
  for (let m = 0; m < M; m++) {
    const row = Array.from(x.data.slice(m * D, (m + 1) * D));
    const mean = row.reduce((a, b) => a + b, 0) / D;
    const variance = row.reduce((a, v) => a + (v - mean) ** 2, 0) / D;
    inverse[m] = 1 / Math.sqrt(variance + eps);
    row.forEach((v, d) => {
      h[m * D + d] = (v - mean) * inverse[m];
    });
  }
  return { h, inverse };
}

function gradients(x: Ndarray, w: Ndarray, dy: Ndarray, eps: number) {
  const [M, D] = x.shape;
  const { h, inverse } = normalised(x, eps);
  const [dx, dw, db] = [new Float64Array(M * D), new Float64Array(D), new Float64Array(D)];
  const sizes = new Float64Array(D);
  for (let m = 0; m < M; m++) {
    let [mean, along] = [0, 0];
    for (let d = 0; d < D; d++) {
      const g = dy.data[m * D + d] * w.data[d];
      mean += g / D;
      along += (g * h[m * D + d]) / D;
      dw[d] += dy.data[m * D + d] * h[m * D + d];
      db[d] += dy.data[m * D + d];
      sizes[d] += Math.abs(dy.data[m * D + d]) * (1 + Math.abs(h[m * D + d]));
    }
    for (let d = 0; d < D; d++) {
      const i = m * D + d;
      dx[i] = inverse[m] * (dy.data[i] * w.data[d] - mean - h[i] * along);
    }
  }
  return { dx, dw, db, sizes, inverse };
}

const sources: Record<string, (shape: readonly number[]) => Ndarray> = {
  plain: (shape) => random(shape, 1),
  'far from 0': (shape) => ({ shape, data: random(shape, 1).data.map((v) => v + 1000) }),
  small: (shape) => ({ shape, data: random(shape, 2).data.map((v) => 1e-3 * v) }),
  constant: (shape) => ({ shape, data: random(shape, 2).data.fill(0.3) }),
};

for (const [M, D] of [
  [1, 1],
  [3, 5],
  [7, 64],
  [5, 197],
  [40, 66],
]) {
  for (const [name, source] of Object.entries(sources)) {
    for (const fold of [false, true]) {
      if (fold && D !== 66) continue;
      const f = <K>(kernel: K): K => (fold ? (folded(kernel as never) as K) : kernel);
      const [x, w, b, dy] = [source([M, D]), random([D], 4), random([D], 5), random([M, D], 6)];
      const eps = name === 'plain' ? 1e-5 : 1e-6;
      const adds = D + 16;

      for (const variant of layerNorm.variantsFor({ x, w, b }, { eps }, testCaps)) {
        test(`layerNorm (${variant}) of ${name} rows [${M},${D}] ${fold ? 'folded' : ''}`, async () => {
          const { y } = await runKernel(gpu(), f(layerNorm), { x, w, b }, { eps }, variant);
          const { h, inverse } = normalised(x, eps);
          // Taking the mean away is exact but for the rounding of what is left of it; everything behind is relative.
          expectClose(
            y,
            h.map((v, i) => v * w.data[i % D] + b.data[i % D]),
            (i) =>
              unit * adds * (1 + Math.abs(h[i])) +
              4 * unit * unit * adds * 1000 * inverse[Math.floor(i / D)],
          );
        });

        test(`layerNormBackward (${variant}) of ${name} rows [${M},${D}] ${fold ? 'folded' : ''}`, async () => {
          const { dx } = await runKernel(
            gpu(),
            f(layerNormBackward),
            { dy, x, w },
            { eps },
            variant,
          );
          const { dx: reference, inverse } = gradients(x, w, dy, eps);
          expectClose(dx, reference, (i) => 8 * adds * unit * inverse[Math.floor(i / D)]);
        });
      }

      test(`layerNormBackwardParams of ${name} rows [${M},${D}] ${fold ? 'folded' : ''}`, async () => {
        const { dw, db, sizes } = gradients(x, w, dy, eps);
        for (const variant of layerNormMoments.variantsFor({ x }, { eps }, testCaps)) {
          const data = (await runKernel(gpu(), f(layerNormMoments), { x }, { eps }, variant))
            .moments;
          const reads = { dy, x, moments: { shape: [M, 3], data } };
          const bound = (d: number) => unit * (M + adds + 16) * sizes[d] + 1e-30;
          for (const params of layerNormBackwardParams.variantsFor(reads, {}, testCaps)) {
            const got = await runKernel(gpu(), f(layerNormBackwardParams), reads, {}, params);
            expectClose(got.dw, dw, bound);
            expectClose(got.db, db, bound);
          }
        }
      });
    }
  }
}

test('layerNormBackward is the gradient by finite differences', async () => {
  const [M, D] = [2, 9];
  const [x, w, b, dy] = [random([M, D], 1), random([D], 2), random([D], 3), random([M, D], 4)];
  const { dx } = await runKernel(gpu(), layerNormBackward, { dy, x, w });
  const value = (data: Float32Array) => {
    const { h } = normalised({ shape: [M, D], data }, 1e-6);
    return dot(
      h.map((v, i) => v * w.data[i % D] + b.data[i % D]),
      dy.data,
    );
  };
  for (let i = 0; i < M * D; i++) {
    const [up, down] = [x.data.slice(), x.data.slice()];
    up[i] += 2 ** -10;
    down[i] -= 2 ** -10;
    const slope = (value(up) - value(down)) / (up[i] - down[i]);
    expect(Math.abs(dx[i] - slope)).toBeLessThan(1e-4);
  }
});

test('layerNorm refuses an eps that is no positive number', () => {
  const reads = { x: { shape: [2, 3] }, w: { shape: [3] }, b: { shape: [3] } };
  for (const eps of [0, -1, Number.NaN]) {
    expect(() => layerNorm.plan(reads, { eps })).toThrow(ShapeError);
  }
  expect(() => layerNorm.plan({ ...reads, w: { shape: [2] } })).toThrow('D is 3 in x');
});
