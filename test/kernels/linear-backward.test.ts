import { expect, test } from 'vitest';
import { linear } from '../../src/kernels/linear.js';
import { linearBackwardInput } from '../../src/kernels/linear-backward-input.js';
import { linearBackwardWeight } from '../../src/kernels/linear-backward-weight.js';
import { runKernel, testCaps, useGpu } from '../support/gpu.js';
import { dot, expectClose, random, sumBound } from '../support/numbers.js';
import { matrixProduct } from '../support/reference-conv.js';
import { hasTurn } from '../support/turns.js';

const { gpu } = useGpu();

const cases: { n: number; c: number; k: number; k0?: number }[] = [
  { n: 1, c: 1, k: 1 },
  { n: 1, c: 130, k: 257 },
  { n: 2, c: 36, k: 5 },
  { n: 3, c: 33, k: 65 },
  { n: 5, c: 260, k: 34 },
  { n: 9, c: 61, k: 40 },
  { n: 9, c: 256, k: 20 },
  { n: 17, c: 64, k: 35 },
  { n: 67, c: 36, k: 70 },
  { n: 130, c: 20, k: 131 },
  { n: 67, c: 64, k: 9 },
  { n: 11, c: 72, k: 24 },
  { n: 4, c: 132, k: 36, k0: 4 },
  { n: 19, c: 20, k: 28, k0: 8 },
];

for (const [i, { n, c, k, k0: first }] of cases.entries()) {
  const shape = `[${n},${c}] to ${k}`;
  const [x, w] = [random([n, c], 1), random([k, c], 2)];
  for (const [k0, kt] of [first ? [first, k + 2 * first] : i % 2 === 0 ? [0, k] : [3, k + 4]]) {
    const dy = random([n, kt], 4);
    const part = (i: number, t: number) => dy.data[i * kt + k0 + t];

    for (const variant of linearBackwardInput.variantsFor({ dy, w }, { k0 }, testCaps)) {
      if (!hasTurn(linearBackwardInput, variant, i)) continue;
      const ref = matrixProduct(n, k, c, part, (t, j) => w.data[t * c + j]);
      test(`linearBackwardInput ${variant} is its definition: ${shape} at ${k0}`, async () => {
        const { dx } = await runKernel(gpu(), linearBackwardInput, { dy, w }, { k0 }, variant);
        expectClose(dx, ref.y, sumBound(k, ref.size));
      });
      if (i % 3 === 0) continue;
      test(`linearBackwardInput ${variant} accumulates: ${shape} at ${k0}`, async () => {
        const before = random([n, c], 5).data;
        const options = { k0, accumulate: true };
        const reads = { dy, w };
        const got = await runKernel(gpu(), linearBackwardInput, reads, options, variant, before);
        const size = ref.size.map((v, i) => v + Math.abs(before[i]));
        expectClose(
          got.dx,
          ref.y.map((v, i) => v + before[i]),
          sumBound(k + 1, size),
        );
      });
    }

    for (const variant of linearBackwardWeight.variantsFor({ x, dy }, { k0, k }, testCaps)) {
      test(`linearBackwardWeight ${variant} is its definition: ${shape} at ${k0}`, async () => {
        const ref = matrixProduct(
          k,
          n,
          c,
          (i, t) => part(t, i),
          (t, j) => x.data[t * c + j],
        );
        const reads = { x, dy };
        const { dw } = await runKernel(gpu(), linearBackwardWeight, reads, { k0, k }, variant);
        expectClose(dw, ref.y, sumBound(n, ref.size));
      });
    }
  }

  test(`linear and its gradients are adjoint: ${shape}`, async () => {
    const dy = random([n, k], 6);
    const { y } = await runKernel(gpu(), linear, { x, w });
    const { dx } = await runKernel(gpu(), linearBackwardInput, { dy, w });
    const { dw } = await runKernel(gpu(), linearBackwardWeight, { x, dy });
    const whole = dot(dy.data, y);
    const bound = (n * k * c) ** 0.5 * (n + k + c) * 2 ** -24;
    expect(Math.abs(dot(dx, x.data) - whole)).toBeLessThan(bound);
    expect(Math.abs(dot(dw, w.data) - whole)).toBeLessThan(bound);
  });
}

for (const variant of linearBackwardInput.spec.variants.map((v) => v.name)) {
  const [c, k] = [68, 140];
  const [whole, w] = [random([40, k], 1), random([k, c], 2)];
  const rows = (n: number) => ({ shape: [n, k], data: whole.data.subarray(0, n * k) });
  const canDo = (n: number) =>
    linearBackwardInput.variantsFor({ dy: rows(n), w }, {}, testCaps).includes(variant);
  const most = [40, 4].find(canDo);
  if (most === undefined) continue; // the device lacks what it needs
  test(`linearBackwardInput ${variant} gives a row the same bytes alone and among others, run after run`, async () => {
    const run = async (n: number) =>
      (await runKernel(gpu(), linearBackwardInput, { dy: rows(n), w }, {}, variant)).dx;
    const all = await run(most);
    expect(await run(most)).toEqual(all);
    const n = most === 40 ? 33 : 3;
    expect(await run(n)).toEqual(all.subarray(0, n * c));
  });
}
