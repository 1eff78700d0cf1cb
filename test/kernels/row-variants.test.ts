import { expect, test } from 'vitest';
import { rowDot } from '../../src/kernels/row-dot.js';
import { logSoftmax, softmax } from '../../src/kernels/softmax.js';
import { logSoftmaxBackward, softmaxBackward } from '../../src/kernels/softmax-backward.js';
import { meanRows, sumRows } from '../../src/kernels/sum-rows.js';
import { folded } from '../support/folded.js';
import { type Ndarray, runKernel, testCaps, useGpu } from '../support/gpu.js';
import { expectClose, random } from '../support/numbers.js';

// Every variant of the kernels that give a workgroup to each row; their own tests take what a plan picks.

const { gpu } = useGpu();
const unit = 2 ** -24;

/** Additions that a term may take part in: of one invocation (of two sums or more where a row is its own), then of the invocations. */
const depthOf = (C: number, variant: string) =>
  Math.ceil(C / (variant === 'row' ? 2 : variant === 'narrow' ? 4 : 64)) + 12;

const rowsOf = ({ shape: [N, C], data }: Ndarray) =>
  Array.from({ length: N }, (_, n) => Array.from(data.subarray(n * C, (n + 1) * C)));

const total = (terms: readonly number[]) => terms.reduce((a, b) => a + b, 0);

const spread = (shape: readonly number[], seed: number, by: number): Ndarray => ({
  shape,
  data: random(shape, seed).data.map((v) => by * v),
});

for (const shape of [
  [1, 1],
  [3, 5],
  [41, 65],
  [2, 515],
  [1, 4099],
]) {
  const [N, C] = shape;
  const f = <K>(kernel: K): K => (N > 9 ? (folded(kernel as never) as K) : kernel);
  const [a, b] = [random(shape, 1), random(shape, 2)];
  const [rows, others] = [rowsOf(a), rowsOf(b)];

  for (const variant of sumRows.variantsFor({ x: a }, {}, testCaps)) {
    test(`sums, means and dot products of rows by ${variant}: [${shape}]`, async () => {
      const depth = depthOf(C, variant);
      const sizes = rows.map((row) => total(row.map(Math.abs)));
      const { y: sums } = await runKernel(gpu(), f(sumRows), { x: a }, {}, variant);
      expectClose(sums, rows.map(total), (n) => depth * unit * sizes[n]);
      const { y: means } = await runKernel(gpu(), f(meanRows), { x: a }, {}, variant);
      expectClose(
        means,
        rows.map((row) => total(row) / C),
        (n) => ((depth + 3) * unit * sizes[n]) / C,
      );
      const terms = rows.map((row, n) => row.map((v, c) => v * others[n][c]));
      const { y: dots } = await runKernel(gpu(), f(rowDot), { a, b }, {}, variant);
      expectClose(
        dots,
        terms.map(total),
        (n) => (depth + 1) * unit * total(terms[n].map(Math.abs)),
      );
    });
  }

  for (const by of [1, 30, 1.5e38]) {
    const x = spread(shape, 3, by);
    for (const variant of softmax.variantsFor({ x }, {}, testCaps)) {
      test(`softmax and its gradient by ${variant} of numbers up to ${by}: [${shape}]`, async () => {
        const most = rowsOf(x).map((row) => Math.max(...row));
        const sums = rowsOf(x).map((row, n) => total(row.map((v) => Math.exp(v - most[n]))));
        const below = Array.from(x.data, (v, i) => most[Math.floor(i / C)] - v);
        const p = below.map((v, i) => Math.exp(-v) / sums[Math.floor(i / C)]);
        const logP = below.map((v, i) => -v - Math.log(sums[Math.floor(i / C)]));
        const depth = depthOf(C, variant);
        // exp is good to 3 + 2 |v| units in the last place, two roundings each, and v itself is rounded.
        const relative = (v: number) =>
          (17 + 5 * Math.min(v, 200) + depth + 5 * Math.log(C)) * unit;
        const { y } = await runKernel(gpu(), f(softmax), { x }, {}, variant);
        expectClose(y, p, (i) => relative(below[i]) * p[i] + 2 ** -126);
        const { y: log } = await runKernel(gpu(), f(logSoftmax), { x }, {}, variant);
        const ofLog = (depth + 14 + 13 * Math.log(C)) * unit;
        expectClose(log, logP, (i) => ofLog + 4 * unit * Math.abs(logP[i]));

        // From the rounded results, so that only the gradient's own errors count.
        const forGradient = (result: ArrayLike<number>): Ndarray => ({
          shape,
          data: Float32Array.from(result),
        });
        const soft = forGradient(p);
        const along = rowsOf(soft).map((row, n) => row.map((v, c) => v * others[n][c]));
        const ofSum = (n: number) => (depth + 1) * unit * total(along[n].map(Math.abs));
        const { dx } = await runKernel(gpu(), f(softmaxBackward), { dy: b, y: soft }, {}, variant);
        expectClose(
          dx,
          Array.from(soft.data, (v, i) => v * (b.data[i] - total(along[Math.floor(i / C)]))),
          (i) => soft.data[i] * (ofSum(Math.floor(i / C)) + 4 * unit * 2) + 2 ** -126,
        );
        const logs = forGradient(logP);
        const whole = others.map(total);
        const { dx: dLog } = await runKernel(
          gpu(),
          f(logSoftmaxBackward),
          { dy: b, y: logs },
          {},
          variant,
        );
        expectClose(
          dLog,
          Array.from(b.data, (v, i) => v - Math.exp(logs.data[i]) * whole[Math.floor(i / C)]),
          (i) => {
            const sizes = total(others[Math.floor(i / C)].map(Math.abs));
            const e = Math.exp(logs.data[i]);
            return (depth + 8 + 5 * Math.min(-logs.data[i], 200)) * unit * e * sizes + 2 * unit;
          },
        );
      });
    }
  }
}

test('there is a variant with subgroups where the device has them', () => {
  const x = { shape: [2, 9] };
  const has = testCaps.features.has('subgroups');
  for (const kernel of [sumRows, meanRows, softmax, logSoftmax]) {
    expect(kernel.variantsFor({ x }, {}, testCaps).includes('subgroup')).toBe(has);
  }
});
