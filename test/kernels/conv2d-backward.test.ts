import { expect, test } from 'vitest';
import { type Caps, coreCaps } from '../../src/gpu/caps.js';
import { conv2d } from '../../src/kernels/conv2d.js';
import { conv2dBackwardInput } from '../../src/kernels/conv2d-backward-input.js';
import { conv2dBackwardWeight } from '../../src/kernels/conv2d-backward-weight.js';
import { convCases, forWideTiles } from '../support/conv-cases.js';
import { runKernel, testCaps, useGpu } from '../support/gpu.js';
import { dot, expectClose, random, sumBound } from '../support/numbers.js';
import * as reference from '../support/reference-conv.js';
import { channels } from '../support/slices.js';
import { hasTurn } from '../support/turns.js';

const { gpu } = useGpu();

// Each case has a pipeline of its own for every variant, and compiling is what takes the time: options take turns.
for (const [i, c] of convCases.entries()) {
  const name = JSON.stringify(c);
  const [x, w] = [random(c.x, 1), random(c.w, 2)];
  const [N, , H, W] = c.x;
  const [K, , R, S] = c.w;
  const [P, Q] = reference.convOutput(c.x, c.w, c);
  const inputSize = [H, W] as const;
  const filterSize = [R, S] as const;

  for (const [k0, kt] of [i % 2 === 0 ? [0, K] : [2, K + 5]]) {
    const dy = random([N, kt, P, Q], 4);
    const used = channels(dy, k0, K);
    const forInput = { ...c, inputSize, k0 };
    const forWeight = { ...c, filterSize, k0, k: K };

    for (const variant of conv2dBackwardInput.variantsFor({ dy, w }, forInput, testCaps)) {
      if (i < forWideTiles && !hasTurn(conv2dBackwardInput, variant, i)) continue;
      const ref = reference.conv2dBackwardInput(used, w, c.x, c);
      test(`conv2dBackwardInput ${variant} is its definition at ${k0}: ${name}`, async () => {
        const { dx } = await runKernel(gpu(), conv2dBackwardInput, { dy, w }, forInput, variant);
        expectClose(dx, ref.y, sumBound(ref.terms, ref.size));
      });
      if (i % 3 !== 1) continue;
      test(`conv2dBackwardInput ${variant} accumulates at ${k0}: ${name}`, async () => {
        const before = random(c.x, 5).data;
        const options = { ...forInput, accumulate: true };
        const reads = { dy, w };
        const got = await runKernel(gpu(), conv2dBackwardInput, reads, options, variant, before);
        const size = ref.size.map((v, i) => v + Math.abs(before[i]));
        expectClose(
          got.dx,
          ref.y.map((v, i) => v + before[i]),
          sumBound(ref.terms + 1, size),
        );
      });
    }

    for (const variant of conv2dBackwardWeight.variantsFor({ x, dy }, forWeight, testCaps)) {
      test(`conv2dBackwardWeight ${variant} is its definition at ${k0}: ${name}`, async () => {
        const ref = reference.conv2dBackwardWeight(x, used, c.w, c);
        const { dw } = await runKernel(gpu(), conv2dBackwardWeight, { x, dy }, forWeight, variant);
        expectClose(dw, ref.y, sumBound(ref.terms, ref.size));
      });
    }
  }

  test(`conv2d and its gradients are adjoint: ${name}`, async () => {
    const dy = random([N, K, P, Q], 6);
    const { y } = await runKernel(gpu(), conv2d, { x, w }, c);
    const { dx } = await runKernel(gpu(), conv2dBackwardInput, { dy, w }, { ...c, inputSize });
    const { dw } = await runKernel(gpu(), conv2dBackwardWeight, { x, dy }, { ...c, filterSize });
    const whole = dot(dy.data, y);
    const terms = dy.data.length * c.w[1] * R * S;
    const bound = terms ** 0.5 * (c.w[1] * R * S + dy.data.length) * 2 ** -24;
    expect(Math.abs(dot(dx, x.data) - whole)).toBeLessThan(bound);
    expect(Math.abs(dot(dw, w.data) - whole)).toBeLessThan(bound);
  });
}

test('the gradients of conv2d refuse what does not fit', () => {
  const dy = { shape: [1, 2, 4, 4] };
  const w = { shape: [2, 3, 3, 3] };
  const input = (inputSize: [number, number], k0 = 0) =>
    conv2dBackwardInput.plan({ dy, w }, { inputSize, k0 });
  expect(input([6, 6]).results.dx.shape).toEqual([1, 3, 6, 6]);
  expect(() => input([6, 7])).toThrow('dy is 4 x 4, should be 4 x 5 for an input of 6 x 7');
  expect(() => input([6, 6], 1)).toThrow('channels 1 .. 3 should lie within the 2 of dy');
  expect(() =>
    conv2dBackwardWeight.plan({ x: { shape: [1, 3, 6, 6] }, dy }, { filterSize: [2, 3] }),
  ).toThrow('dy is 4 x 4, should be 5 x 4');
});

test('a GPU sums few filters over many pixels an invocation each, many in tiles', () => {
  const variant = (x: number[], K: number, caps: Caps = coreCaps) => {
    const dy = { shape: [x[0], K, x[2], x[3]] };
    const options = { pad: 1, filterSize: [3, 3] as const };
    return conv2dBackwardWeight.plan({ x: { shape: x }, dy }, options, { caps }).variant;
  };
  expect(variant([8, 3, 224, 224], 64)).toBe('direct');
  expect(variant([8, 3, 224, 224], 64, { ...coreCaps, kind: 'software' })).toBe('tile');
  expect(variant([1, 512, 14, 14], 512)).toBe('tile');
});

test('a GPU sums over many filters in teams where pixels are few', () => {
  const variant = ([N, C, side]: number[], K: number) => {
    const reads = { dy: { shape: [N, K, side, side] }, w: { shape: [K, C, 3, 3] } };
    const options = { pad: 1, inputSize: [side, side] as const };
    return conv2dBackwardInput.plan(reads, options, { caps: coreCaps }).variant;
  };
  expect(variant([1, 512, 14], 512)).toBe('deep');
  expect(variant([1, 256, 13], 384)).toBe('deep');
  expect(variant([8, 512, 14], 512)).toBe('block');
  expect(variant([1, 64, 13], 16)).toBe('block');
});

// AlexNet's first layer, patches of ViT-B/16, VGG's first, SqueezeNet's first, one in the middle of a network with strides.
for (const [what, x, w, options, times, most] of [
  ['11 x 11 by 4', [1, 3, 224, 224], [64, 3, 11, 11], { stride: 4, pad: 2 }, 200, 1.8],
  ['16 x 16 by 16', [1, 3, 224, 224], [768, 3, 16, 16], { stride: 16 }, 4000, 1.4],
  ['3 x 3', [1, 3, 224, 224], [64, 3, 3, 3], { pad: 1 }, 3.5, 6],
  ['3 x 3 by 2', [1, 3, 224, 224], [64, 3, 3, 3], { stride: 2 }, 15, 6],
  ['3 x 3 by 2', [1, 128, 56, 56], [256, 128, 3, 3], { stride: 2, pad: 1 }, 1.9, 2.1],
] as const) {
  test(`on a GPU the gradient of ${what} with respect to [${x}] goes through what meets an output`, () => {
    const { P, Q } = conv2d.plan({ x: { shape: x }, w: { shape: w } }, options).sizes;
    const inputSize = [x[2], x[3]] as const;
    const reads = { dy: { shape: [1, w[0], P, Q] }, w: { shape: w } };
    const plan = conv2dBackwardInput.plan(reads, { ...options, inputSize }, { caps: coreCaps });
    const block = conv2dBackwardInput.plan(
      reads,
      { ...options, inputSize },
      { caps: coreCaps, variant: 'block' },
    );
    expect(plan.variant).toBe('phases');
    // Multiply-adds of 64 x 64 tiles: outputs that a square meets, and all taps.
    const { MH = 1, MW = 1, GROUPS } = plan.constants;
    const { R, S, SH, SW, K } = plan.sizes;
    const met = (MH + Math.floor((R - 1) / SH)) * (MW + Math.floor((S - 1) / SW));
    const done = 4096 * GROUPS * K * met;
    const before = 4096 * block.constants.GROUPS * K * R * S;
    expect(before / done).toBeGreaterThan(times);
    expect(done / (plan.flops / 2)).toBeLessThan(most);
  });
}
