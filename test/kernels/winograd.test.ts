import { describe, expect, test } from 'vitest';
import { ShapeError } from '../../src/errors.js';
import { coreCaps } from '../../src/gpu/caps.js';
import { Recorder } from '../../src/gpu/recorder.js';
import { placeholder } from '../../src/gpu/value.js';
import { conv2d } from '../../src/kernels/conv2d.js';
import {
  winogradConv2d,
  winogradFilterShape,
  winogradFilters,
} from '../../src/kernels/winograd.js';
import { winogradInput } from '../../src/kernels/winograd-input.js';
import { winogradOutput } from '../../src/kernels/winograd-output.js';
import { winogradProduct } from '../../src/kernels/winograd-product.js';
import { type WinogradTile, winogradTileFor } from '../../src/kernels/winograd-shape.js';
import { type Ndarray, runKernel, testCaps, useGpu } from '../support/gpu.js';
import { expectClose, random, relativeL2, sumBound } from '../support/numbers.js';
import * as reference from '../support/reference.js';
import { conv2dBackwardInput } from '../support/reference-conv.js';
import { channels } from '../support/slices.js';

const { gpu } = useGpu();

type Data = Ndarray & { data: Float32Array };
const tiles: readonly WinogradTile[] = [2, 4];

/** What the issue allows a variant that is chosen by itself: relative L2 against float64. */
const allowed = 2e-5;

/** B of F(m x m, 3 x 3), transposed, worked out by Toom and Cook's rule from the points 0, 1, -1 (2, -2) and infinity. */
const BT: Readonly<Record<WinogradTile, number[][]>> = {
  2: [
    [1, 0, -1, 0],
    [0, 1, 1, 0],
    [0, -1, 1, 0],
    [0, 1, 0, -1],
  ],
  4: [
    [4, 0, -5, 0, 1, 0],
    [0, -4, -4, 1, 1, 0],
    [0, 4, -4, -1, 1, 0],
    [0, -2, -1, 2, 1, 0],
    [0, 2, -1, -2, 1, 0],
    [0, 4, 0, -5, 0, 1],
  ],
};
const AT: Readonly<Record<WinogradTile, number[][]>> = {
  2: [
    [1, 1, 1, 0],
    [0, 1, -1, -1],
  ],
  4: [
    [1, 1, 1, 1, 1, 0],
    [0, 1, -1, 2, -2, 0],
    [0, 1, 1, 4, 4, 0],
    [0, 1, -1, 8, -8, 1],
  ],
};

/** L d LT, and the same of absolute values. */
function bothSides(L: number[][], d: number[][]): { value: number[][]; terms: number[][] } {
  const make = (f: (v: number) => number) =>
    L.map((row) =>
      L.map((column) =>
        row.reduce(
          (sum, l, r) => sum + column.reduce((a, m, s) => a + f(l) * f(m) * f(d[r][s]), 0),
          0,
        ),
      ),
    );
  return { value: make((v) => v), terms: make(Math.abs) };
}

const runs = async (
  x: Data,
  w: Data,
  tile: WinogradTile,
  options: object = {},
  b?: Data,
): Promise<Float32Array> => {
  const [K, C] = w.shape;
  const g = gpu();
  const u = g.tensor(winogradFilters(w.data, [K, C], tile), winogradFilterShape(K, C, tile));
  const xt = g.tensor(x.data, x.shape);
  const bt = b && g.tensor(b.data, b.shape);
  const r = Recorder.on(g);
  const y = winogradConv2d(
    r,
    { x: r.value(xt), u, b: bt },
    { tile, filters: K, pad: 1, ...options },
  );
  const [out] = await r.run([y]);
  const [data] = await g.read([out]);
  for (const t of [u, xt, bt, out]) t?.destroy();
  return data as Float32Array;
};

const cases = [
  { x: [1, 1, 3, 3], w: [1, 1, 3, 3] },
  { x: [1, 1, 1, 1], w: [1, 1, 3, 3], pad: [1, 1] },
  { x: [2, 5, 9, 7], w: [3, 5, 3, 3], pad: [1, 1] },
  { x: [1, 18, 13, 13], w: [33, 18, 3, 3], pad: [1, 1] },
  { x: [3, 4, 6, 11], w: [20, 4, 3, 3], pad: [2, 0] },
  { x: [5, 33, 14, 14], w: [16, 33, 3, 3], pad: [1, 1] },
] as const;

for (const c of cases) {
  const [x, w, b] = [random(c.x, 1), random(c.w, 2), random([c.w[0]], 3)];
  const ref = reference.conv2d(x, w, b, { ...c, x: [...c.x], w: [...c.w] } as never);
  for (const tile of tiles) {
    test(`F(${tile} x ${tile}, 3 x 3) is a convolution: ${JSON.stringify(c)}`, async () => {
      const y = await runs(x, w, tile, { pad: 'pad' in c ? c.pad : 0, act: 'relu' }, b);
      const relu = ref.y.map((v) => Math.max(v, 0));
      expect(relativeL2(y, relu)).toBeLessThan(tile === 4 ? allowed : allowed / 10);
      expect(y.length).toBe(relu.length);
    });
  }
}

describe.each(tiles)('the parts of F(%d x %d, 3 x 3)', (tile) => {
  const side = tile + 2;
  test.each(
    winogradInput.variantsFor(
      { x: { shape: [2, 5, 7, 9] }, at: { shape: [1] } },
      { tile, tiles: 1 },
      testCaps,
    ),
  )('winogradInput %s makes BT d B of each tile, of the channels asked for', async (variant) => {
    const x = random([2, 5, 7, 9], 4);
    const at = { shape: [1], data: Uint32Array.of(3) };
    const options = { tile, pad: 1, tiles: 17, c0: 1, channels: 3 };
    const { v } = await runKernel(gpu(), winogradInput, { x, at }, options, variant);
    const [down, across] = [Math.ceil(7 / tile), Math.ceil(9 / tile)];
    const value = new Float64Array(v.length);
    const terms = new Float64Array(v.length);
    for (let t = 0; t < 32; t++) {
      const n = Math.min(3 + t, 2 * down * across - 1);
      const [image, ty, tx] = [
        Math.floor(n / (down * across)),
        Math.floor(n / across) % down,
        n % across,
      ];
      for (let c = 0; c < 3; c++) {
        const d = Array.from({ length: side }, (_, r) =>
          Array.from({ length: side }, (_, s) => {
            const [h, q] = [ty * tile + r - 1, tx * tile + s - 1];
            const inside = h >= 0 && h < 7 && q >= 0 && q < 9;
            return inside ? x.data[((image * 5 + 1 + c) * 7 + h) * 9 + q] : 0;
          }),
        );
        const made = bothSides(BT[tile], d);
        for (let a = 0; a < side * side; a++) {
          const to = ((a * 2 + Math.floor(t / 16)) * 4 + c) * 16 + (t % 16);
          value[to] = made.value[Math.floor(a / side)][a % side];
          terms[to] = made.terms[Math.floor(a / side)][a % side];
        }
      }
    }
    expectClose(v, value, (i) => 36 * 2 ** -24 * terms[i]);
  });

  test.each(
    winogradOutput.variantsFor(
      { m: { shape: [side * side, 2, 2, 16, 16] }, at: { shape: [1] } },
      { tile, images: 2, filters: 18, outputSize: [7, 9] },
      testCaps,
    ),
  )(
    'winogradOutput %s makes AT m A of each tile, in its channels of a wider result',
    async (variant) => {
      const m = random([side * side, 2, 2, 16, 16], 5);
      const b = random([18], 6);
      const at = { shape: [1], data: Uint32Array.of(2) };
      const size = { images: 2, filters: 18, outputSize: [7, 9] } as const;
      const options = { tile, ...size, k0: 2, kTotal: 21 };
      const got = await runKernel(gpu(), winogradOutput, { m, b, at }, options, variant);
      const [down, across] = [Math.ceil(7 / tile), Math.ceil(9 / tile)];
      const all = { shape: [2, 21, 7, 9], data: got.y as Float32Array };
      const y = channels(all, 2, 18).data;
      for (let n = 0; n < 2; n++) {
        for (let k = 0; k < 18; k++) {
          for (let p = 0; p < 7; p++) {
            for (let q = 0; q < 9; q++) {
              const i = ((n * 18 + k) * 7 + p) * 9 + q;
              const t = (n * down + Math.floor(p / tile)) * across + Math.floor(q / tile) - 2;
              if (t < 0 || t >= 32) {
                expect(y[i]).toBeNaN();
                continue;
              }
              const s = AT[tile][p % tile];
              let [sum, terms] = [b.data[k], Math.abs(b.data[k])];
              for (let a = 0; a < side * side; a++) {
                const at0 = ((a * 2 + Math.floor(k / 16)) * 2 + Math.floor(t / 16)) * 256;
                const value =
                  s[Math.floor(a / side)] *
                  AT[tile][q % tile][a % side] *
                  m.data[at0 + (k % 16) * 16 + (t % 16)];
                sum += value;
                terms += Math.abs(value);
              }
              expect(Math.abs(y[i] - sum)).toBeLessThanOrEqual(40 * 2 ** -24 * terms);
            }
          }
        }
      }
      expect(channels(all, 0, 2).data.every(Number.isNaN)).toBe(true);
      expect(channels(all, 20, 1).data.every(Number.isNaN)).toBe(true);
      // Accumulated onto ones.
      const ones = new Float32Array(got.y.length).fill(1);
      const more = await runKernel(
        gpu(),
        winogradOutput,
        { m, b, at },
        { ...options, accumulate: true },
        variant,
        ones,
      );
      const sums = channels({ shape: [2, 21, 7, 9], data: more.y as Float32Array }, 2, 18).data;
      sums.forEach((v, i) => {
        expect(v).toBe(Number.isNaN(y[i]) ? 1 : Math.fround(1 + y[i]));
      });
    },
  );
});

for (const [A, KB, TB, CP] of [
  [1, 1, 1, 4],
  [16, 2, 3, 12],
  [36, 5, 1, 20],
  [3, 6, 7, 36],
]) {
  const u = random([A, KB, CP, 16], 7);
  const v = random([A, TB, CP, 16], 8);
  for (const variant of winogradProduct.variantsFor({ u, v }, {}, testCaps)) {
    test(`winogradProduct ${variant} is uT v at each of ${A} places, ${KB} x ${TB} packs, ${CP} deep`, async () => {
      const { m } = await runKernel(gpu(), winogradProduct, { u, v }, {}, variant);
      const value = new Float64Array(m.length);
      const terms = new Float64Array(m.length);
      value.forEach((_, i) => {
        const [tb, kb, a] = [
          Math.floor(i / 256) % TB,
          Math.floor(i / (256 * TB)) % KB,
          Math.floor(i / (256 * TB * KB)),
        ];
        for (let c = 0; c < CP; c++) {
          const x =
            u.data[((a * KB + kb) * CP + c) * 16 + (Math.floor(i / 16) % 16)] *
            v.data[((a * TB + tb) * CP + c) * 16 + (i % 16)];
          value[i] += x;
          terms[i] += Math.abs(x);
        }
      });
      expectClose(m, value, sumBound(CP, terms));
    });
  }
}

test('turned filters give the gradient with respect to the input', async () => {
  const dy = random([2, 18, 8, 9], 9);
  const w = random([18, 7, 3, 3], 10);
  const { y: dx } = conv2dBackwardInput(dy, w, [2, 7, 8, 9], { pad: [1, 1] });
  const g = gpu();
  for (const tile of tiles) {
    const u = g.tensor(
      winogradFilters(w.data, [18, 7], tile, true),
      winogradFilterShape(7, 18, tile),
    );
    const t = g.tensor(dy.data, dy.shape);
    const r = Recorder.on(g);
    const y = winogradConv2d(r, { x: r.value(t), u }, { tile, filters: 7, pad: 1 });
    const [out] = await r.run([y]);
    const [data] = await g.read([out]);
    expect(relativeL2(data, dx)).toBeLessThan(allowed);
    for (const x of [u, t, out]) x.destroy();
  }
});

test('an image has the same bytes in any batch, however many groups of tiles', async () => {
  const w = random([64, 64, 3, 3], 11);
  const x = random([5, 64, 20, 20], 12);
  const all = await runs(x, w, 4);
  const size = all.length / 5;
  for (const n of [0, 4]) {
    const one = { shape: [1, 64, 20, 20], data: x.data.slice(n * 25600, (n + 1) * 25600) };
    expect(await runs(one, w, 4)).toEqual(all.slice(n * size, (n + 1) * size));
  }
  expect(await runs(x, w, 4)).toEqual(all);
});

test('each layer of VGG-16 has at most half of the work of its direct convolution, transformations and padding included', () => {
  for (const tile of tiles) {
    let [direct, all] = [0, 0];
    for (const [C, K, S, times] of [
      [64, 64, 224, 1],
      [64, 128, 112, 1],
      [128, 128, 112, 1],
      [128, 256, 56, 1],
      [256, 256, 56, 2],
      [256, 512, 28, 1],
      [512, 512, 28, 2],
      [512, 512, 14, 3],
    ]) {
      const x = { shape: [1, C, S, S] };
      const one = conv2d.plan({ x, w: { shape: [K, C, 3, 3] } }, { pad: 1 }).flops;
      const r = new Recorder(coreCaps);
      const u = placeholder(winogradFilterShape(K, C, tile));
      const reads = { x: placeholder(x.shape), u };
      const y = winogradConv2d(r, reads, { tile, filters: K, pad: 1, fused: false });
      const { flops } = r.plan([y]);
      if (tile === 4) expect(flops).toBeLessThanOrEqual(0.5 * one);
      direct += times * one;
      all += times * flops;
    }
    // The smaller tile, which is not chosen by itself, has 4/9 of the products and its packs' padding.
    expect(all).toBeLessThanOrEqual((tile === 4 ? 0.31 : 0.51) * direct);
  }
});

test('it is chosen on software adapters, for layers large enough, by sizes of one image', () => {
  const software = { ...coreCaps, kind: 'software' as const };
  const choose = (x: number[], w: number[], options = { pad: 1 } as object, caps = software) =>
    winogradTileFor(caps, x, w, options);
  expect(choose([1, 64, 56, 56], [64, 64, 3, 3])).toBe(4);
  expect(choose([100, 64, 56, 56], [64, 64, 3, 3])).toBe(4);
  expect(choose([100, 64, 7, 7], [64, 64, 3, 3])).toBeUndefined();
  expect(choose([1, 64, 56, 56], [64, 64, 3, 3], { pad: 1, stride: 2 })).toBeUndefined();
  expect(choose([1, 64, 56, 56], [64, 64, 3, 3], { pad: 1, dilation: 2 })).toBeUndefined();
  expect(choose([1, 64, 56, 56], [64, 1, 3, 3], { pad: 1, groups: 64 })).toBeUndefined();
  expect(choose([1, 64, 56, 56], [64, 64, 5, 5])).toBeUndefined();
  expect(choose([1, 3, 224, 224], [64, 3, 3, 3])).toBeUndefined();
});

test('on GPUs one dispatch of it is chosen where there are blocks for a large one, by sizes of one image', () => {
  const choose = (C: number, K: number, side: number, options = { pad: 1 } as object) =>
    winogradTileFor(coreCaps, [9, C, side, side], [K, C, 3, 3], options);
  // VGG-16, layer by layer: the first has too few channels, the last stage too few tiles.
  expect(choose(3, 64, 224)).toBeUndefined();
  expect(choose(64, 64, 224)).toBe(2);
  expect(choose(128, 128, 112)).toBe(2);
  expect(choose(256, 256, 56)).toBe(2);
  expect(choose(512, 512, 28)).toBe(2);
  expect(choose(512, 512, 14)).toBeUndefined();
  expect(choose(64, 33, 224)).toBeUndefined();
  expect(choose(64, 64, 112, { pad: 1, stride: 2 })).toBeUndefined();
});

test('bad sizes are refused in one line', () => {
  const r = new Recorder(coreCaps);
  const u = r.blank(winogradFilterShape(4, 3, 4));
  const convolve = (size: number, tile: number) => () =>
    winogradConv2d(r, { x: r.blank([1, 3, size, size]), u }, { tile: tile as 4, filters: 4 });
  expect(convolve(2, 4)).toThrow('too small for a 3 x 3 filter');
  expect(convolve(9, 3)).toThrow('tile is 3, should be 2 or 4');
  expect(() =>
    winogradOutput.plan(
      { m: { shape: [36, 2, 1, 16, 16] }, at: { shape: [1] } },
      { tile: 4, images: 1, filters: 40, outputSize: [4, 4] },
    ),
  ).toThrow(ShapeError);
});
