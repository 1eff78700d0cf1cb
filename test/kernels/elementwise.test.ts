import { expect, test } from 'vitest';
import { Recorder } from '../../src/gpu/recorder.js';
import { add } from '../../src/kernels/add.js';
import { channelSlice } from '../../src/kernels/channel-slice.js';
import { concat } from '../../src/kernels/concat.js';
import { multiply } from '../../src/kernels/multiply.js';
import { relu } from '../../src/kernels/relu.js';
import { reluBackward } from '../../src/kernels/relu-backward.js';
import { scaleShift } from '../../src/kernels/scale-shift.js';
import { folded } from '../support/folded.js';
import { type Ndarray, runKernel, useGpu } from '../support/gpu.js';
import { random } from '../support/numbers.js';

const { gpu } = useGpu();
const f = Math.fround;
const shapes = [[1], [7, 9], [2, 3, 5, 11], [64], [3, 64]];

/** Random numbers with zeros of both signs among them. */
const withZeros = (shape: readonly number[], seed: number): Ndarray => {
  const { data } = random(shape, seed);
  return { shape, data: data.map((v, i) => (i % 5 === 1 ? 0 : i % 5 === 3 ? -0 : v)) };
};
const same = (y: ArrayLike<number>, expected: ArrayLike<number>) => {
  expect(Array.from(y, (v) => v + 0)).toEqual(Array.from(expected, (v) => v + 0));
};

for (const shape of shapes) {
  // Single operations are correctly rounded in WGSL, so results are exact.
  test(`elementwise kernels are their definitions: [${shape}]`, async () => {
    const [a, b] = [withZeros(shape, 1), random(shape, 2)];
    const d = (i: number) => [a.data[i], b.data[i]] as const;
    const map = (value: (i: number) => number) => Float32Array.from(a.data, (_, i) => value(i));
    same(
      (await runKernel(gpu(), relu, { x: a })).y,
      map((i) => Math.max(d(i)[0], 0)),
    );
    same(
      (await runKernel(gpu(), add, { a, b })).y,
      map((i) => f(d(i)[0] + d(i)[1])),
    );
    same(
      (await runKernel(gpu(), add, { a, b }, { act: 'relu' })).y,
      map((i) => Math.max(0, f(d(i)[0] + d(i)[1]))),
    );
    same(
      (await runKernel(gpu(), multiply, { a, b })).y,
      map((i) => f(d(i)[0] * d(i)[1])),
    );
    same(
      (await runKernel(gpu(), reluBackward, { dy: b, y: a })).dx,
      map((i) => (d(i)[0] > 0 ? d(i)[1] : 0)),
    );
    const line = { shape: [2], data: new Float32Array([-1.75, 0.3]) };
    const { y } = await runKernel(gpu(), scaleShift, { x: b, line });
    y.forEach((v, i) => {
      const exact = -1.75 * b.data[i] + line.data[1];
      // Product and sum may be fused or not.
      expect(Math.abs(v - exact)).toBeLessThanOrEqual(
        2 ** -24 * (1.75 * Math.abs(b.data[i]) + Math.abs(exact)),
      );
    });
  });
}

test('relu leaves -infinity where that is asked for', async () => {
  const x = { shape: [5], data: Float32Array.of(-Infinity, -3e38, Number.NaN, Infinity, 2) };
  const kept = await runKernel(gpu(), relu, { x }, { keepsInfinite: true });
  expect([...kept.y]).toEqual([-Infinity, 0, Number.NaN, Infinity, 2]);
  const { y } = await runKernel(gpu(), relu, { x });
  expect([...y]).toEqual([0, 0, Number.NaN, Infinity, 2]);
});

test('elementwise kernels fold more workgroups than a dimension holds', async () => {
  const [a, b] = [random([5, 201], 1), random([5, 201], 2)];
  const line = { shape: [2], data: new Float32Array([1, 2]) };
  same(
    (await runKernel(gpu(), folded(relu), { x: a })).y,
    a.data.map((v) => Math.max(v, 0)),
  );
  same(
    (await runKernel(gpu(), folded(add), { a, b })).y,
    a.data.map((v, i) => v + b.data[i]),
  );
  same(
    (await runKernel(gpu(), folded(multiply), { a, b })).y,
    a.data.map((v, i) => v * b.data[i]),
  );
  same(
    (await runKernel(gpu(), folded(scaleShift), { x: a, line })).y,
    a.data.map((v) => v + 2),
  );
  same(
    (await runKernel(gpu(), folded(reluBackward), { dy: b, y: a })).dx,
    a.data.map((v, i) => (v > 0 ? b.data[i] : 0)),
  );
});

test('add keeps the shape of its first input and refuses another size', () => {
  expect(add.plan({ a: { shape: [2, 6] }, b: { shape: [3, 4] } }).results.y.shape).toEqual([2, 6]);
  expect(() => add.plan({ a: { shape: [2, 6] }, b: { shape: [13] } })).toThrow('a has 12 elements');
  expect(() => scaleShift.plan({ x: { shape: [4] }, line: { shape: [3] } })).toThrow('line [3]');
});

for (const variant of ['as planned', 'folded'] as const) {
  test(`concat fills its channels only, channelSlice takes them back: ${variant}`, async () => {
    const [part, take] =
      variant === 'folded' ? [folded(concat), folded(channelSlice)] : [concat, channelSlice];
    const x = random([2, 3, 5, 11], 1);
    const before = random([2, 7, 5, 11], 2).data;
    const { y } = await runKernel(
      gpu(),
      part,
      { x },
      { k0: 2, kTotal: 7 },
      undefined,
      before.slice(),
    );
    const expected = before.slice();
    for (let n = 0; n < 2; n++)
      for (let c = 0; c < 3; c++)
        for (let i = 0; i < 55; i++)
          expected[(n * 7 + 2 + c) * 55 + i] = x.data[(n * 3 + c) * 55 + i];
    same(y, expected);
    const whole = { shape: [2, 7, 5, 11], data: expected };
    const back = await runKernel(gpu(), take, { x: whole }, { k0: 2, channels: 3 });
    same(back.y, x.data);
  });
}

test('concat through the recorder joins tensors', async () => {
  const [a, b] = [random([2, 1, 2, 2], 1), random([2, 2, 2, 2], 2)];
  const r = Recorder.on(gpu());
  const whole = r.blank([2, 3, 2, 2]);
  r.k(concat, { x: r.constant(a.data, a.shape) }, { kTotal: 3 }, { into: whole });
  r.k(concat, { x: r.constant(b.data, b.shape) }, { k0: 1, kTotal: 3 }, { into: whole });
  const [tensor] = await r.run([whole]);
  const y = await tensor.read();
  tensor.destroy();
  const parts = [a.data.slice(0, 4), b.data.slice(0, 8), a.data.slice(4), b.data.slice(8)];
  same(
    y,
    parts.flatMap((p) => [...p]),
  );
});

test('concat and channelSlice refuse channels that are not there', () => {
  const x = { shape: [1, 3, 2, 2] };
  expect(() => concat.plan({ x }, { k0: 2, kTotal: 4 })).toThrow(
    'concat: channels 2 .. 5 should be whole numbers within the 4 there are',
  );
  expect(() => channelSlice.plan({ x }, { k0: -1, channels: 2 })).toThrow('channels -1 .. 1');
  expect(() => channelSlice.plan({ x }, { k0: 3 })).toThrow('channels 3 .. 3');
});
