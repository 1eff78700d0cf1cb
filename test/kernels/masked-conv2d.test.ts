import { expect, test } from 'vitest';
import { coreCaps } from '../../src/gpu/caps.js';
import { conv2d } from '../../src/kernels/conv2d.js';
import { masksAt } from '../../src/kernels/mask-source.js';
import { maskedConv2d } from '../../src/kernels/masked-conv2d.js';
import { runKernel, testCaps, useGpu } from '../support/gpu.js';
import { expectClose, random, sumBound } from '../support/numbers.js';
import * as reference from '../support/reference.js';
import { enlarge } from '../support/reference-cams.js';

const { gpu } = useGpu();

/** Copies of one image under masks [n][H W], in float64 rounded once: what the kernel must not need. */
function copiesOf(
  x: { shape: readonly number[]; data: Float32Array },
  canvas: Float32Array | undefined,
  image: number,
  masks: readonly ArrayLike<number>[],
) {
  const [, C, H, W] = x.shape;
  const data = new Float32Array(masks.length * C * H * W);
  for (let i = 0; i < data.length; i++) {
    const place = image * C * H * W + (i % (C * H * W));
    const m = masks[Math.floor(i / (C * H * W))][i % (H * W)];
    data[i] = x.data[place] * m + (canvas ? canvas[place] * (1 - m) : 0);
  }
  return { shape: [masks.length, C, H, W], data };
}

const cases = [
  { x: [2, 3, 9, 11], w: [5, 3, 3, 3], pad: [1, 1], count: 3, image: 1, first: 2 },
  {
    x: [1, 3, 23, 17],
    w: [20, 3, 5, 4],
    stride: [3, 2],
    pad: [2, 0],
    count: 4,
    image: 0,
    first: 0,
  },
  { x: [2, 4, 12, 12], w: [6, 2, 3, 3], groups: 2, dilation: [2, 2], count: 7, image: 0, first: 1 },
  { x: [2, 4, 15, 8], w: [14, 2, 3, 3], pad: [2, 1], groups: 2, count: 3, image: 1, first: 1 },
  { x: [1, 3, 14, 21], w: [7, 3, 3, 3], pad: [1, 1], count: 2, image: 0, first: 0 },
  { x: [1, 3, 26, 31], w: [9, 3, 7, 7], stride: [2, 2], pad: [3, 3], count: 3, image: 0, first: 1 },
  { x: [2, 2, 11, 18], w: [10, 1, 2, 6], pad: [0, 4], groups: 2, count: 2, image: 1, first: 0 },
  { x: [1, 3, 4, 4], w: [70, 3, 4, 4], stride: [4, 4], count: 2, image: 0, first: 3 },
] as const;

// Each combination has a pipeline of its own for every variant, and compiling is what takes the time: bias and canvas take turns.
for (const [i, { count, image, first, ...c }] of cases.entries()) {
  const [x, w, b, canvas] = [random(c.x, 1), random(c.w, 2), random([c.w[0]], 3), random(c.x, 4)];
  const [I, , H, W] = c.x;
  const at = { shape: [5], data: masksAt(image, first) };
  for (const [what, size, withCanvas] of [
    ['low-resolution maps', [3, 4], i % 2 === 0],
    ['full-size maps', [H, W], i % 2 === 1],
  ] as const) {
    const F = I * (first + count + 1);
    const field = random([F, ...size], 5);
    const area = size[0] * size[1];
    const masks = Array.from({ length: count }, (_, n) => {
      const row = (image * F) / I + first + n;
      return enlarge(field.data.subarray(row * area, (row + 1) * area), size, [H, W]);
    });
    const reads = { x, w, at, field, ...(withCanvas && { b, canvas }) };
    const options = { ...c, source: 'maps', count, perImage: true, act: 'relu' } as const;
    for (const variant of maskedConv2d.variantsFor(reads, options, testCaps)) {
      test(`maskedConv2d ${variant} is conv2d of masked copies: ${what}, ${withCanvas ? 'bias and canvas' : 'bare'}, ${JSON.stringify(c)}`, async () => {
        const copies = copiesOf(x, withCanvas ? canvas.data : undefined, image, masks);
        const zero = { shape: [c.w[0]], data: new Float32Array(c.w[0]) };
        const ref = reference.conv2d(copies, w, withCanvas ? b : zero, c);
        const { y } = await runKernel(gpu(), maskedConv2d, reads, options, variant);
        expectClose(
          y,
          ref.y.map((v) => Math.max(v, 0)),
          // a mask is a few roundings, and so is each masked pixel
          (i) => 8 * sumBound(ref.terms, ref.size)(i) + 1e-6,
        );
      });
    }
  }
}

test("maskedConv2d makes RISE's masks and segments' as expandMasks does", async () => {
  const x = random([1, 3, 14, 14], 1);
  const ones = { shape: [1, 3, 1, 1], data: new Float32Array(3).fill(1) };
  const plane = Float64Array.from(
    { length: 196 },
    (_, i) => x.data[i] + x.data[i + 196] + x.data[i + 392],
  );
  const { expandMasks } = await import('../../src/kernels/expand-masks.js');
  const segments = { shape: [196], data: Uint32Array.from({ length: 196 }, (_, i) => i % 5) };
  for (const [source, reads, seed] of [
    ['rise', {}, { key: 'a', p: 0.4 }],
    ['switches', { field: random([4, 1, 5], 2), labels: segments }, undefined],
  ] as const) {
    const at = { shape: [5], data: masksAt(0, 1, seed) };
    const options = { source, count: 3 };
    const masks = await runKernel(
      gpu(),
      expandMasks,
      { at, ...reads },
      { ...options, outputSize: [14, 14] },
    );
    for (const variant of maskedConv2d.variantsFor(
      { x, w: ones, at, ...reads },
      options,
      testCaps,
    )) {
      const { y } = await runKernel(
        gpu(),
        maskedConv2d,
        { x, w: ones, at, ...reads },
        options,
        variant,
      );
      expectClose(
        y,
        masks.y.map((m, i) => m * plane[i % 196]),
        () => 1e-6,
      );
    }
  }
});

test('layers that read pictures go by patches on a GPU, of as many filters as fill them best', () => {
  const field = { shape: [8, 7, 7] };
  const chosen = (side: number, w: number[], options: object) => {
    const reads = { x: { shape: [1, 3, side, side] }, w: { shape: w } };
    const masked = { ...reads, field, at: { shape: [5] } };
    return [
      conv2d.plan(reads, options, { caps: coreCaps }),
      maskedConv2d.plan(masked, { ...options, source: 'maps', count: 8 }, { caps: coreCaps }),
    ].map(({ variant, constants }) => `${variant} ${constants.FILTERS ?? ''}`.trim());
  };
  // VGG, AlexNet, SqueezeNet 1.1 and 1.0, two of the toys, tiny_vgg.
  for (const [side, w, options, filters] of [
    [224, [64, 3, 3, 3], { pad: 1 }, 64],
    [224, [64, 3, 11, 11], { pad: 2, stride: 4 }, 64],
    [224, [64, 3, 3, 3], { stride: 2 }, 64],
    [224, [96, 3, 7, 7], { stride: 2 }, 32],
    [112, [12, 3, 3, 3], { pad: 1 }, 16],
    [112, [16, 3, 7, 7], { pad: 3, stride: 2 }, 16],
    [64, [10, 3, 3, 3], {}, 16],
  ] as const) {
    const patch = `patch ${filters}`;
    expect(chosen(side, [...w], options), w.join()).toEqual([patch, patch]);
  }
  // A transformer's patches do not overlap: each pixel meets one.
  expect(chosen(224, [768, 3, 16, 16], { stride: 16 })).toEqual(['deep', 'block']);
});

test('maskedConv2d refuses what does not fit', () => {
  const shapes = { x: { shape: [2, 3, 8, 8] }, w: { shape: [4, 3, 3, 3] }, at: { shape: [5] } };
  const field = { shape: [4, 2, 2] };
  expect(() => maskedConv2d.plan(shapes, { source: 'maps', count: 1 })).toThrow('field is missing');
  expect(() =>
    maskedConv2d.plan({ ...shapes, field }, { source: 'maps', count: 3, perImage: true }),
  ).toThrow('3 masks of an image should be among the 2 of field');
});
