import { test } from 'vitest';
import { channelSum } from '../../src/kernels/channel-sum.js';
import { runKernel, testCaps, useGpu } from '../support/gpu.js';
import { expectClose, random, sumBound } from '../support/numbers.js';
import { channels } from '../support/slices.js';

const { gpu } = useGpu();

for (const { shape, k0, k } of [
  { shape: [1, 1, 1, 1], k0: 0, k: 1 },
  { shape: [3, 5, 7, 11], k0: 0, k: 5 },
  { shape: [2, 9, 1, 1], k0: 4, k: 3 },
  { shape: [2, 70, 9, 8], k0: 1, k: 69 },
]) {
  const dy = random(shape, 1);
  for (const variant of channelSum.variantsFor({ dy }, { k0, k }, testCaps)) {
    test(`channelSum ${variant} is its definition: [${shape}] at ${k0}, ${k}`, async () => {
      const used = channels(dy, k0, k).data;
      const [N, , P, Q] = shape;
      const sum = new Float64Array(k);
      const size = new Float64Array(k);
      used.forEach((v, i) => {
        const channel = Math.floor(i / (P * Q)) % k;
        sum[channel] += v;
        size[channel] += Math.abs(v);
      });
      const { db } = await runKernel(gpu(), channelSum, { dy }, { k0, k }, variant);
      expectClose(db, sum, sumBound(N * P * Q, size));
    });
  }
}
