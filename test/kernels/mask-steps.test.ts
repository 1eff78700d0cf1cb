import { expect, test } from 'vitest';
import { Recorder } from '../../src/gpu/recorder.js';
import { ablateChannels } from '../../src/kernels/ablate-channels.js';
import { adamRates, adamStep } from '../../src/kernels/adam-step.js';
import { blend } from '../../src/kernels/blend.js';
import { channelSlice } from '../../src/kernels/channel-slice.js';
import { copyRow } from '../../src/kernels/copy-row.js';
import { maskGradient } from '../../src/kernels/mask-gradient.js';
import { masksAt } from '../../src/kernels/mask-source.js';
import { totalVariation } from '../../src/kernels/total-variation.js';
import { folded } from '../support/folded.js';
import { type Ndarray, runKernel, useGpu } from '../support/gpu.js';
import { dot, expectClose, random, sumBound } from '../support/numbers.js';

const { gpu } = useGpu();
const unit = 2 ** -24;

test('ablateChannels: each copy lacks one feature map', async () => {
  for (const { shape, image, first, count } of [
    { shape: [1, 1, 1, 1], image: 0, first: 0, count: 1 },
    { shape: [3, 7, 5, 3], image: 1, first: 2, count: 4 },
    { shape: [2, 9, 4, 5], image: 1, first: 0, count: 9 },
    { shape: [2, 6, 3, 11], image: 0, first: 5, count: 1 },
  ]) {
    const x = random(shape, 1);
    const [, K, H, W] = shape;
    const size = K * H * W;
    const want = new Float32Array(count * size);
    for (let m = 0; m < count; m++) {
      want.set(x.data.subarray(image * size, (image + 1) * size), m * size);
      want.fill(0, m * size + (first + m) * H * W, m * size + (first + m + 1) * H * W);
    }
    const at = { shape: [5], data: masksAt(image, first) };
    const kernels = want.length > 192 ? [ablateChannels, folded(ablateChannels)] : [ablateChannels];
    for (const kernel of kernels) {
      const { y } = await runKernel(gpu(), kernel, { x, at }, { count });
      expect(y).toEqual(want);
    }
  }
});

test('ablateChannels: a NaN in the map that is taken out does not stay', async () => {
  const x = random([1, 2, 1, 2], 1);
  x.data.fill(Number.NaN, 0, 2);
  const at = { shape: [5], data: masksAt(0, 0) };
  const { y } = await runKernel(gpu(), ablateChannels, { x, at }, { count: 1 });
  expect([...y]).toEqual([0, 0, x.data[2], x.data[3]]);
});

test('ablateChannels says what does not fit', () => {
  const x = { shape: [2, 4, 3, 3] };
  const at = { shape: [5] };
  for (const count of [0, 5, 0.5]) {
    expect(() => ablateChannels.plan({ x, at }, { count })).toThrow(
      'should be a whole number from 1 to 4, the number of maps',
    );
  }
});

test('copyRow: copies of one image of a batch', async () => {
  const x = random([3, 37], 1);
  for (const [image, count] of [
    [0, 1],
    [2, 9],
  ]) {
    const at = { shape: [5], data: masksAt(image, 4) };
    for (const kernel of count > 1 ? [copyRow, folded(copyRow)] : [copyRow]) {
      const { y } = await runKernel(gpu(), kernel, { x, at }, { count });
      const row = [...x.data.subarray(image * 37, (image + 1) * 37)];
      expect([...y]).toEqual(Array.from({ length: count }, () => row).flat());
    }
  }
  expect(() => copyRow.plan({ x, at: { shape: [5] } }, { count: 0 })).toThrow('count is 0');
});

for (const shape of [
  [1, 1, 1, 1],
  [2, 3, 9, 13],
  [3, 5, 8, 9],
] as const) {
  for (const hasCanvas of [true, false]) {
    test(`maskGradient is blend backward: [${shape}]${hasCanvas ? ' with a canvas' : ''}`, async () => {
      const [N, C, H, W] = shape;
      const [dx, image] = [random(shape, 1), random(shape, 2)];
      const canvas = hasCanvas ? random(shape, 3) : undefined;
      const { dm } = await runKernel(gpu(), maskGradient, { dx, image, canvas });
      const want = new Float64Array(N * H * W);
      const size = new Float64Array(N * H * W);
      dx.data.forEach((d, i) => {
        const at = Math.floor(i / (C * H * W)) * H * W + (i % (H * W));
        const under = canvas?.data[i] ?? 0;
        want[at] += d * (image.data[i] - under);
        size[at] += Math.abs(d) * (Math.abs(image.data[i]) + Math.abs(under));
      });
      expectClose(dm, want, sumBound(C + 1, size));
      if (dm.length > 192) {
        expect((await runKernel(gpu(), folded(maskGradient), { dx, image, canvas })).dm).toEqual(
          dm,
        );
      }

      // The blended image is linear in the mask: <dx, blend(mask) - canvas> = <dm, mask>.
      const mask = random([N, H, W], 4);
      const { y } = await runKernel(gpu(), blend, { x: image, mask, canvas });
      const forth = dot(dx.data, y) - (canvas ? dot(dx.data, canvas.data) : 0);
      expect(Math.abs(forth - dot(dm, mask.data))).toBeLessThan(1e-6 * (1 + dot(size, size)));
    });
  }
}

/** Sum of |difference|^beta over the pairs of neighbours of all maps. */
function variation(m: Ndarray, data: ArrayLike<number>, beta: number): number {
  const [N, , H, W] = m.shape;
  let sum = 0;
  for (let n = 0; n < N; n++) {
    for (let i = 0; i < H; i++) {
      for (let j = 0; j < W; j++) {
        const at = (n * H + i) * W + j;
        if (i + 1 < H) sum += Math.abs(data[at] - data[at + W]) ** beta;
        if (j + 1 < W) sum += Math.abs(data[at] - data[at + 1]) ** beta;
      }
    }
  }
  return sum;
}

/** Its gradient, scattered pair by pair. */
function variationGradient(m: Ndarray, beta: number) {
  const [N, , H, W] = m.shape;
  const y = new Float64Array(m.data.length);
  const size = new Float64Array(m.data.length);
  const pair = (a: number, b: number) => {
    const d = m.data[a] - m.data[b];
    const slope = d === 0 ? 0 : beta * Math.abs(d) ** (beta - 1) * Math.sign(d);
    y[a] += slope;
    y[b] -= slope;
    size[a] += Math.abs(slope);
    size[b] += Math.abs(slope);
  };
  for (let at = 0; at < y.length; at++) {
    if (Math.floor(at / W) % H < H - 1) pair(at, at + W);
    if (at % W < W - 1) pair(at, at + 1);
  }
  expect(N * H * W).toBe(y.length);
  return { y, size };
}

for (const shape of [
  [1, 1, 1, 1],
  [1, 1, 1, 9],
  [2, 1, 7, 1],
  [3, 1, 11, 13],
]) {
  for (const beta of [1, 2, 3, 2.5, 4]) {
    test(`totalVariation is the gradient: [${shape}], beta ${beta}`, async () => {
      const m = random(shape, 5);
      m.data.fill(0.25, 2, 6); // equal neighbours
      const { y: want, size } = variationGradient(m, beta);
      const { dm } = await runKernel(gpu(), totalVariation, { m }, { beta });
      // pow is as inexact as the logarithm under it: 2^-21, times the power.
      const rounding = beta > 3 || beta === 2.5 ? 2 ** -18 : 8 * unit;
      expectClose(dm, want, (i) => rounding * size[i]);
      if (dm.length > 192) {
        const fold = await runKernel(gpu(), folded(totalVariation), { m }, { beta });
        expect(fold.dm).toEqual(dm);
      }
      if (beta === 1 || dm.length === 1) return;
      // Along one direction it is the variation's own slope.
      const direction = random(shape, 6).data;
      const step = 1e-5;
      const moved = (sign: number) =>
        variation(
          m,
          Float64Array.from(m.data, (v, i) => v + sign * step * direction[i]),
          beta,
        );
      const slope = (moved(1) - moved(-1)) / (2 * step);
      expect(Math.abs(slope - dot(dm, direction))).toBeLessThan(1e-4 * (1 + Math.abs(slope)));
    });
  }
}

test('totalVariation is 0 on a constant mask, takes 3 by default, and refuses powers below 1', async () => {
  const flat = { shape: [2, 1, 5, 5], data: new Float32Array(50).fill(0.7) };
  for (const beta of [1, 1.5, 3]) {
    const { dm } = await runKernel(gpu(), totalVariation, { m: flat }, { beta });
    expect(dm).toEqual(new Float32Array(50));
  }
  const m = random([1, 1, 5, 6], 1);
  const three = await runKernel(gpu(), totalVariation, { m }, { beta: 3 });
  expect((await runKernel(gpu(), totalVariation, { m }, {})).dm).toEqual(three.dm);
  for (const beta of [0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    expect(() => totalVariation.plan({ m }, { beta })).toThrow(`beta is ${beta}, should be`);
  }
});

interface State {
  readonly p: Float64Array;
  readonly u: Float64Array;
  readonly v: Float64Array;
}

/** Algorithm 1 of the paper, with bounds on the parameter. */
function adam(state: State, g: ArrayLike<number>, t: number, rate: number, betas = [0.9, 0.999]) {
  for (let i = 0; i < state.p.length; i++) {
    state.u[i] = betas[0] * state.u[i] + (1 - betas[0]) * g[i];
    state.v[i] = betas[1] * state.v[i] + (1 - betas[1]) * g[i] ** 2;
    const first = state.u[i] / (1 - betas[0] ** t);
    const second = state.v[i] / (1 - betas[1] ** t);
    const p = state.p[i] - (rate * first) / (Math.sqrt(second) + 1e-8);
    state.p[i] = Math.min(Math.max(p, 0), 1);
  }
}

test('adamStep is a step of Adam', async () => {
  const shape = [2, 1, 13, 11];
  const size = 286;
  for (const { t, rate, betas } of [
    { t: 1, rate: 0.1, betas: undefined },
    { t: 7, rate: 0.5, betas: [0.5, 0.9] as const },
  ]) {
    const g = random(shape, 1);
    const before = random([3, size], 2).data.map((v) => Math.abs(v));
    const rows = [0, 1, 2].map((row) =>
      Float64Array.from(before.subarray(row * size, (row + 1) * size)),
    );
    const state = { p: rows[0], u: rows[1], v: rows[2] };
    adam(state, g.data, t, rate, betas as number[] | undefined);
    const rates = { shape: [2], data: adamRates(t, rate, betas) };
    const options = { low: 0, high: 1, betas };
    for (const kernel of [adamStep, folded(adamStep)]) {
      const got = await runKernel(gpu(), kernel, { g, rates }, options, undefined, before);
      const after = got.state as Float32Array;
      expectClose(after.subarray(size, 2 * size), state.u, () => 4 * unit);
      expectClose(after.subarray(2 * size), state.v, (i) => 8 * unit * state.v[i]);
      const [step, correction] = rates.data;
      // The step's relative error on top of the moment's: a square root, a quotient, three products.
      expectClose(after.subarray(0, size), state.p, (i) => {
        const length = step / (correction * Math.sqrt(state.v[i]));
        return unit * (2 + 30 * length);
      });
      expect(after.some((p, i) => i < size && p === 0)).toBe(true);
    }
  }
});

test('steps of Adam run in place, all by one pipeline', async () => {
  const size = 100;
  const steps = 6;
  const start = random([size], 1).data.map((v) => (v + 1) / 2);
  const want = {
    p: Float64Array.from(start),
    u: new Float64Array(size),
    v: new Float64Array(size),
  };
  const r = Recorder.on(gpu());
  const data = new Float32Array(3 * size);
  data.set(start);
  const state = r.constant(data, [3, size]);
  for (let t = 1; t <= steps; t++) {
    const g = random([1, 1, 10, 10], 10 + t);
    adam(want, g.data, t, 0.1);
    const reads = { g: r.constant(g.data, g.shape), rates: r.constant(adamRates(t, 0.1)) };
    r.k(adamStep, reads, { low: 0, high: 1 }, { into: state });
  }
  const whole = state.reshape([1, 3, 10, 10]);
  const p = r.k(channelSlice, { x: whole }, { k0: 0, channels: 1 });
  expect(r.plan([p]).dispatches).toBe(steps + 1);
  const pipelines = new Set(r.plan([p]).steps.map((s) => s.code + JSON.stringify(s.constants)));
  expect(pipelines.size).toBe(2);
  const [tensor] = await r.run([p]);
  expect(tensor.shape).toEqual([1, 1, 10, 10]);
  expectClose(await tensor.read(), want.p, () => 1e-5);
  tensor.destroy();
});

test('adamStep and adamRates say what does not fit', () => {
  const reads = { g: { shape: [2, 2] }, rates: { shape: [2] } };
  const plan = (more: object) => () => adamStep.plan(reads, { low: 0, high: 1, ...more });
  expect(plan({})().results.state.shape).toEqual([3, 4]);
  expect(plan({ low: 2 })).toThrow('adamStep: low 2 should be at most high 1');
  expect(plan({ epsilon: 0 })).toThrow('epsilon 0 should be above 0');
  expect(plan({ betas: [0.9, 1] })).toThrow('betas [0.9,1] should be from 0 to below 1');
  expect(() => adamRates(0, 0.1)).toThrow('step 0 should be a whole number of at least 1');
  expect(() => adamRates(1, 0.1, [-1, 0.9])).toThrow('betas [-1,0.9]');
});
