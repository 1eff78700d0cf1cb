import { expect, test } from 'vitest';
import { liveFirst } from '../../src/kernels/live-first.js';
import { scoresByMap } from '../../src/kernels/scores-by-map.js';
import { stretchMasks } from '../../src/kernels/stretch-masks.js';
import { runKernel, useGpu } from '../support/gpu.js';
import { random } from '../support/numbers.js';

const { gpu } = useGpu();

/** Ranges of maps of which those named vary. */
const ranges = (N: number, K: number, varies: (n: number, k: number) => boolean) => ({
  shape: [N, K, 2],
  data: Float32Array.from({ length: 2 * N * K }, (_, i) => {
    const [n, k] = [Math.floor(i / (2 * K)), Math.floor(i / 2) % K];
    return i % 2 === 1 && varies(n, k) ? 1.5 : 0.25;
  }),
});

test('maps that vary come first, in their order, then one more is worth asking about', async () => {
  const varies = [[0, 2, 5], [], [0, 1, 2, 3, 4, 5, 6]];
  const range = ranges(3, 7, (n, k) => varies[n].includes(k));
  const { order, count } = await runKernel(gpu(), liveFirst, { range });
  expect([...order]).toEqual([
    ...[0, 2, 5, 1, 3, 4, 6],
    ...[0, 1, 2, 3, 4, 5, 6],
    ...[0, 1, 2, 3, 4, 5, 6],
  ]);
  expect([...count]).toEqual([4, 1, 7]);
});

test('several workgroups', async () => {
  const range = ranges(2, 101, (n, k) => (k + n) % 3 === 0);
  const { order, count } = await runKernel(gpu(), liveFirst, { range });
  for (let n = 0; n < 2; n++) {
    const all = Array.from({ length: 101 }, (_, k) => k);
    const live = all.filter((k) => (k + n) % 3 === 0);
    const dead = all.filter((k) => (k + n) % 3 !== 0);
    expect([...order.slice(n * 101, (n + 1) * 101)]).toEqual([...live, ...dead]);
    expect(count[n]).toBe(live.length + 1);
  }
});

test('scores go back to their maps; those not asked about get that of the last asked', async () => {
  const order = { shape: [2, 4], data: Uint32Array.of(1, 3, 0, 2, 0, 1, 2, 3) };
  const count = { shape: [2], data: Uint32Array.of(3, 4) };
  const scores = { shape: [2, 4], data: Float32Array.of(10, 30, 7, Number.NaN, 1, 2, 3, 4) };
  const { y } = await runKernel(gpu(), scoresByMap, { scores, order, count });
  expect([...y]).toEqual([7, 10, 7, 30, 1, 2, 3, 4]);
});

test('masks are stretched in the order asked for', async () => {
  const x = random([2, 3, 2, 2], 1);
  const range = { shape: [2, 3, 2], data: random([2, 3, 2], 2).data };
  for (let i = 0; i < 12; i += 2) range.data[i + 1] = range.data[i] + (i === 4 ? 0 : 2);
  const order = { shape: [2, 3], data: Uint32Array.of(2, 0, 1, 1, 2, 0) };
  const plain = await runKernel(gpu(), stretchMasks, { x, range });
  const { y } = await runKernel(gpu(), stretchMasks, { x, range, order });
  [2, 0, 1, 4, 5, 3].forEach((map, place) => {
    expect(y.slice(place * 4, place * 4 + 4)).toEqual(plain.y.slice(map * 4, map * 4 + 4));
  });
  expect([...y.slice(0, 4)]).toEqual([0, 0, 0, 0]);
});
