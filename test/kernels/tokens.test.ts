import { expect, test } from 'vitest';
import { ShapeError } from '../../src/errors.js';
import { Recorder } from '../../src/gpu/recorder.js';
import { interpolatePositions } from '../../src/kernels/interpolate-positions.js';
import { mapsToTokens } from '../../src/kernels/maps-to-tokens.js';
import {
  patchesToTokens,
  patchesToTokensBackward,
  patchesToTokensBackwardParams,
} from '../../src/kernels/patches-to-tokens.js';
import { resizeBicubic } from '../../src/kernels/resize-bicubic.js';
import { tokenGather } from '../../src/kernels/token-gather.js';
import { tokenGatherBackward } from '../../src/kernels/token-gather-backward.js';
import { tokensToMaps } from '../../src/kernels/tokens-to-maps.js';
import { folded } from '../support/folded.js';
import { runKernel, testCaps, useGpu } from '../support/gpu.js';
import { dot, expectClose, random } from '../support/numbers.js';

const { gpu } = useGpu();

// Images, embedding, grid, extra tokens: the smallest, odd ones, one past a square of 32 in both directions, several squares.
for (const [N, D, H, W, E] of [
  [1, 1, 1, 1, 0],
  [1, 3, 1, 1, 1],
  [2, 5, 3, 2, 2],
  [2, 33, 4, 8, 1],
  [1, 70, 14, 14, 5],
]) {
  const T = E + H * W;
  const x = random([N, D, H, W], 1);
  const pos = random([T, D], 2);
  const cls = E > 0 ? random([E, D], 3) : undefined;
  const size = `[${N},${D},${H},${W}] and ${E}`;

  for (const fold of [false, true]) {
    if (fold && D !== 70) continue;
    const f = <K>(kernel: K): K => (fold ? (folded(kernel as never) as K) : kernel);
    for (const given of cls ? [cls, undefined] : [undefined]) {
      for (const variant of patchesToTokens.variantsFor({ x, pos, cls: given }, {}, testCaps)) {
        test(`patchesToTokens (${variant}) of ${size} ${given ? '' : 'bare'} ${fold ? 'folded' : ''}`, async () => {
          const { y } = await runKernel(
            gpu(),
            f(patchesToTokens),
            { x, pos, cls: given },
            {},
            variant,
          );
          const expected = Float32Array.from({ length: N * T * D }, (_, i) => {
            const [n, t, d] = [Math.floor(i / (T * D)), Math.floor(i / D) % T, i % D];
            const v = t < E ? (given?.data[t * D + d] ?? 0) : x.data[(n * D + d) * H * W + t - E];
            return Math.fround(v + pos.data[t * D + d]);
          });
          expect(y).toEqual(expected);
        });
      }
    }

    for (const first of E > 0 ? [undefined, E, 0] : [undefined]) {
      const grid = [H, W] as const;
      const tokens = random([N, T, D], 4);
      const at = first ?? E;
      for (const variant of tokensToMaps.variantsFor({ x: tokens }, { grid, first }, testCaps)) {
        test(`tokensToMaps and mapsToTokens (${variant}) of ${size} from ${first} ${fold ? 'folded' : ''}`, async () => {
          const { y } = await runKernel(
            gpu(),
            f(tokensToMaps),
            { x: tokens },
            { grid, first },
            variant,
          );
          const maps = Float32Array.from({ length: N * D * H * W }, (_, i) => {
            const [n, d, p] = [
              Math.floor(i / (D * H * W)),
              Math.floor(i / (H * W)) % D,
              i % (H * W),
            ];
            return tokens.data[(n * T + at + p) * D + d];
          });
          expect(y).toEqual(maps);

          const back = await runKernel(
            gpu(),
            f(mapsToTokens),
            { x: { shape: [N, D, H, W], data: maps } },
            { tokens: T, first },
            variant,
          );
          const kept = tokens.data.map((v, i) => {
            const t = Math.floor(i / D) % T;
            return t >= at && t < at + H * W ? v : 0;
          });
          expect(back.y).toEqual(kept);
        });
      }
    }
  }

  test(`patchesToTokensBackward is the adjoint: ${size}`, async () => {
    const r = Recorder.on(gpu());
    const dy = random([N, T, D], 5);
    const value = r.constant(dy.data, dy.shape);
    const tensors = await r.run([
      patchesToTokensBackward(r, value, { grid: [H, W] }),
      patchesToTokensBackwardParams(r, value),
    ]);
    const [dx, dpos] = await gpu().read(tensors);
    expect(tensors.map((t) => t.shape)).toEqual([
      [N, D, H, W],
      [T, D],
    ]);
    for (const tensor of tensors) tensor.destroy();
    const { y } = await runKernel(gpu(), patchesToTokens, { x, pos, cls });
    const there =
      dot(x.data, dx) + dot(pos.data, dpos) + (cls ? dot(cls.data, dpos.slice(0, E * D)) : 0);
    expect(Math.abs(dot(y, dy.data) - there)).toBeLessThan(1e-6 * y.length);
  });

  test(`tokenGather and its gradient: ${size}`, async () => {
    const tokens = random([N, T, D], 6);
    for (const token of new Set([0, T - 1, T >> 1])) {
      const { y } = await runKernel(gpu(), tokenGather, { x: tokens }, { token });
      const row = (i: number) => tokens.data[(Math.floor(i / D) * T + token) * D + (i % D)];
      expect(y).toEqual(Float32Array.from({ length: N * D }, (_, i) => row(i)));
      const dy = random([N, D], 7);
      const { dx } = await runKernel(gpu(), tokenGatherBackward, { dy }, { token, tokens: T });
      const expected = new Float32Array(N * T * D);
      dy.data.forEach((v, i) => {
        expected[(Math.floor(i / D) * T + token) * D + (i % D)] = v;
      });
      expect(dx).toEqual(expected);
    }
  });
}

test('kernels of tokens refuse what does not fit', () => {
  const x = { shape: [1, 4, 3, 3] };
  const tokens = { shape: [1, 10, 4] };
  const plan = (cls: number, pos: number) => () =>
    patchesToTokens.plan({ x, cls: { shape: [cls, 4] }, pos: { shape: [pos, 4] } });
  expect(plan(1, 10)).not.toThrow();
  expect(plan(1, 11)).toThrow('pos has 11 rows, should have 10');
  expect(plan(2, 10)).toThrow(ShapeError);
  expect(() => patchesToTokens.plan({ x, pos: { shape: [8, 4] } })).toThrow(ShapeError);
  expect(() => tokensToMaps.plan({ x: tokens }, { grid: [3, 3], first: 2 })).toThrow(
    '3 x 3 tokens from token 2 on, of 10',
  );
  expect(() => tokensToMaps.plan({ x: tokens }, {} as never)).toThrow(ShapeError);
  expect(() => mapsToTokens.plan({ x }, { tokens: 8 })).toThrow(ShapeError);
  expect(() => tokenGather.plan({ x: tokens }, { token: 10 })).toThrow('from 0 to 9');
  const dy = { shape: [1, 4] };
  expect(() => tokenGatherBackward.plan({ dy }, { token: 3, tokens: 3 })).toThrow(ShapeError);
});

for (const [from, to, E, D] of [
  [[4, 4], [6, 7], 1, 3],
  [[7, 7], [3, 3], 2, 2],
  [[1, 1], [2, 3], 0, 4],
  [[2, 5], [5, 2], 1, 1],
] as const) {
  test(`interpolatePositions from ${from} to ${to} is resizeBicubic of the maps`, async () => {
    const T = E + from[0] * from[1];
    const pos = random([1, T, D], 8);
    const { data, shape } = interpolatePositions(pos, { extra: E, grid: to, from });
    expect(shape).toEqual([1, E + to[0] * to[1], D]);
    expect(data.slice(0, E * D)).toEqual(pos.data.slice(0, E * D));
    const maps = await runKernel(gpu(), tokensToMaps, { x: pos }, { grid: from });
    const { y } = await runKernel(
      gpu(),
      resizeBicubic,
      { x: { shape: [1, D, ...from], data: maps.y } },
      { outputSize: to },
    );
    const back = await runKernel(
      gpu(),
      mapsToTokens,
      { x: { shape: [1, D, ...to], data: y } },
      { tokens: to[0] * to[1] },
    );
    expectClose(data.slice(E * D), back.y, () => 2e-6);
  });
}

test('interpolatePositions keeps a grid of the same sides, and corners where asked', () => {
  const pos = random([1, 10, 4], 9);
  const same = interpolatePositions(pos, { extra: 1, grid: [3, 3] });
  expect(same.data).toEqual(pos.data);
  expect(same.data).not.toBe(pos.data);
  const larger = interpolatePositions(pos, { extra: 1, grid: [5, 5], alignCorners: true }).data;
  const row = (data: Float32Array, t: number) => Array.from(data.slice(t * 4, t * 4 + 4));
  for (const [of, is] of [
    [1, 1],
    [3, 5],
    [5, 13],
    [9, 25],
  ]) {
    expectClose(row(larger, is), row(pos.data, of), () => 1e-7);
  }
  expect(() => interpolatePositions(pos, { extra: 2, grid: [3, 3] })).toThrow(ShapeError);
  expect(() => interpolatePositions(pos, { extra: 1, grid: [0, 3] })).toThrow(ShapeError);
});
