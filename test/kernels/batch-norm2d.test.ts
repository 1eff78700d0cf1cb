import { expect, test } from 'vitest';
import { batchNorm2d } from '../../src/kernels/batch-norm2d.js';
import {
  batchNorm2dBackward,
  batchNorm2dBackwardParams,
} from '../../src/kernels/batch-norm2d-backward.js';
import type { Activation } from '../../src/kernels/kernel.js';
import { folded } from '../support/folded.js';
import { runKernel, useGpu } from '../support/gpu.js';
import { expectClose, random } from '../support/numbers.js';

const { gpu } = useGpu();

const cases: readonly {
  shape: readonly number[];
  eps?: number;
  act?: Activation;
}[] = [
  { shape: [1, 1, 1, 1] },
  { shape: [2, 8, 5, 6], eps: 1e-3 },
  { shape: [3, 5, 7, 11], act: 'relu' },
  { shape: [2, 70, 3, 3], eps: 0 },
];

for (const c of cases) {
  for (const fold of [false, true]) {
    const { shape } = c;
    if (fold && shape[1] < 70) continue;
    test(`batchNorm2d and its gradients are their definitions: ${JSON.stringify(c)} ${fold ? 'folded' : ''}`, async () => {
      const [N, C, H, W] = shape;
      const per = [C];
      const [x, dy, w, b, mean] = [
        random(shape, 1),
        random(shape, 2),
        random(per, 3),
        random(per, 4),
        random(per, 5),
      ];
      const variance = { shape: per, data: random(per, 6).data.map((v) => v + 1.01) };
      const { eps = 1e-5, act = 'none' } = c;
      const options = c.eps === undefined ? { act } : { eps, act };
      const f = <K>(kernel: K): K => (fold ? (folded(kernel as never) as K) : kernel);

      const y = new Float64Array(x.data.length);
      const dx = new Float64Array(y.length);
      const size = new Float64Array(y.length);
      const [dw, db, sizeW, sizeB] = [0, 1, 2, 3].map(() => new Float64Array(C));
      for (let i = 0; i < y.length; i++) {
        const k = Math.floor(i / (H * W)) % C;
        const inverse = 1 / Math.sqrt(variance.data[k] + eps);
        const centred = x.data[i] - mean.data[k];
        const value = centred * inverse * w.data[k] + b.data[k];
        y[i] = act === 'relu' ? Math.max(value, 0) : value;
        size[i] =
          (Math.abs(x.data[i]) + Math.abs(mean.data[k])) * Math.abs(inverse * w.data[k]) +
          Math.abs(b.data[k]);
        dx[i] = dy.data[i] * inverse * w.data[k];
        dw[k] += dy.data[i] * centred * inverse;
        sizeW[k] += Math.abs(dy.data[i] * inverse) * (Math.abs(x.data[i]) + Math.abs(mean.data[k]));
        db[k] += dy.data[i];
        sizeB[k] += Math.abs(dy.data[i]);
      }
      // Difference, square root, quotient, product, sum: 8 roundings at most beside those of long sums.
      const got = await runKernel(gpu(), f(batchNorm2d), { x, w, b, mean, variance }, options);
      expectClose(got.y, y, (i) => 9 * 2 ** -24 * size[i]);
      const back = await runKernel(gpu(), f(batchNorm2dBackward), { dy, w, variance }, options);
      expectClose(back.dx, dx, (i) => 8 * 2 ** -24 * Math.abs(dx[i]));
      const params = await runKernel(
        gpu(),
        f(batchNorm2dBackwardParams),
        { dy, x, mean, variance },
        options,
      );
      // A tree: at most as many roundings in a row as a lane sums, and the tree's six.
      const depth = N * Math.ceil((H * W) / 64) + 6;
      expectClose(params.dw, dw, (k) => (depth + 9) * 2 ** -24 * sizeW[k]);
      expectClose(params.db, db, (k) => (depth + 1) * 2 ** -24 * sizeB[k]);
    });
  }
}

test('batchNorm2d refuses what does not fit', () => {
  const [x, c] = [{ shape: [1, 3, 2, 2] }, { shape: [3] }];
  const reads = { x, w: c, b: c, mean: c, variance: c };
  expect(() => batchNorm2d.plan({ ...reads, mean: { shape: [2] } })).toThrow('mean [2]');
  expect(() => batchNorm2d.plan(reads, { eps: -1 })).toThrow('eps is -1, should be at least 0');
});
