import { expect, test } from 'vitest';
import { ShapeError } from '../../src/errors.js';
import { Recorder } from '../../src/gpu/recorder.js';
import { attention } from '../../src/kernels/attention.js';
import {
  attentionKeyGradient,
  attentionOutput,
  attentionProbabilitiesGradient,
  attentionQueryGradient,
  attentionScores,
  attentionValueGradient,
} from '../../src/kernels/attention-products.js';
import { attentionBackward, attentionProbabilities } from '../../src/kernels/attention-steps.js';
import { folded } from '../support/folded.js';
import { type Ndarray, runKernel, testCaps, useGpu } from '../support/gpu.js';
import { dot, expectClose, random, relativeL2, sumBound } from '../support/numbers.js';
import { attentionGradients, attentionReference, third } from '../support/reference-attention.js';

const { gpu } = useGpu();
const unit = 2 ** -24;

const times = (a: Ndarray, by: number): Ndarray => ({ ...a, data: a.data.map((v) => by * v) });

// N, T, heads, width, and what qkv is multiplied by: 12 makes a few keys take all of the weight.
const cases = [
  [1, 1, 1, 1, 1],
  [2, 5, 2, 3, 1],
  [1, 16, 1, 8, 1],
  [3, 33, 2, 24, 1],
  [1, 50, 4, 8, 12],
  [1, 65, 1, 128, 3],
  [1, 197, 2, 64, 1],
  [3, 34, 2, 131, 1],
  [1, 37, 1, 260, 3],
] as const;

for (const [N, T, heads, width, factor] of cases) {
  const D = heads * width;
  const qkv = times(random([N, T, 3 * D], 1), factor);
  const size = `[${N},${T}] of ${heads} x ${width}, x ${factor}`;
  for (const variant of attention.variantsFor({ qkv }, { heads }, testCaps)) {
    for (const fold of [false, true]) {
      if (fold && N < 3) continue;
      test(`attention (${variant}): ${size} ${fold ? 'folded' : ''}`, async () => {
        const made = fold ? folded(attention) : attention;
        const { y } = await runKernel(gpu(), made, { qkv }, { heads }, variant);
        const { s, sizes, y: reference, magnitude } = attentionReference(qkv, heads);
        // What scores are off by is what weights are off by, relatively; exp is good to 3 + 2 |v| units, and is taken of twice the depth at
        // most (an old maximum, then the rest); T sums and scalings down of both sums.
        const relative = Array.from({ length: N * heads * T }, (_, i) => {
          const row = s.subarray(i * T, (i + 1) * T);
          const [least, most] = [Math.min(...row), Math.max(...row)];
          const off = (width + 3) * Math.max(...sizes.subarray(i * T, (i + 1) * T));
          return unit * (2 * off + 5 * Math.min(most - least, 100) + 3 * T + 20);
        });
        expectClose(y, reference, (i) => {
          const [n, t, h] = [
            Math.floor(i / (T * D)),
            Math.floor(i / D) % T,
            Math.floor((i % D) / width),
          ];
          return 2 * relative[(n * heads + h) * T + t] * magnitude[i] + 2 ** -120;
        });
      });
    }
  }

  const dy = random([N, T, D], 2);
  const p = random([N, heads, T, T], 3);
  /** Each product by its definition: a term for every inner index. */
  const products = {
    attentionScores: {
      kernel: attentionScores,
      reads: { a: qkv, b: qkv },
      columns: T,
      term: (n: number, h: number, i: number, j: number, c: number) =>
        (third(qkv, heads)(0, n, h, i, c) * third(qkv, heads)(1, n, h, j, c)) / Math.sqrt(width),
    },
    attentionProbabilitiesGradient: {
      kernel: attentionProbabilitiesGradient,
      reads: { a: dy, b: qkv },
      columns: T,
      term: (n: number, h: number, i: number, j: number, c: number) =>
        dy.data[(n * T + i) * D + h * width + c] * third(qkv, heads)(2, n, h, j, c),
    },
    attentionOutput: {
      kernel: attentionOutput,
      reads: { a: p, b: qkv },
      columns: width,
      term: (n: number, h: number, i: number, c: number, t: number) =>
        p.data[((n * heads + h) * T + i) * T + t] * third(qkv, heads)(2, n, h, t, c),
    },
    attentionQueryGradient: {
      kernel: attentionQueryGradient,
      reads: { a: p, b: qkv },
      columns: width,
      part: 0,
      term: (n: number, h: number, i: number, c: number, t: number) =>
        (p.data[((n * heads + h) * T + i) * T + t] * third(qkv, heads)(1, n, h, t, c)) /
        Math.sqrt(width),
    },
    attentionKeyGradient: {
      kernel: attentionKeyGradient,
      reads: { a: p, b: qkv },
      columns: width,
      part: 1,
      term: (n: number, h: number, i: number, c: number, t: number) =>
        (p.data[((n * heads + h) * T + t) * T + i] * third(qkv, heads)(0, n, h, t, c)) /
        Math.sqrt(width),
    },
    attentionValueGradient: {
      kernel: attentionValueGradient,
      reads: { a: p, b: dy },
      columns: width,
      part: 2,
      term: (n: number, h: number, i: number, c: number, t: number) =>
        p.data[((n * heads + h) * T + t) * T + i] * dy.data[(n * T + t) * D + h * width + c],
    },
  };
  for (const [name, { kernel, reads, columns, term, ...more }] of Object.entries(products)) {
    // The largest case is one of each layout, so that the float64 sums stay quick; not every case, for each variant is compiled for each.
    if (T === 16 || T === 50 || width > 128) continue;
    if (T === 197 && !['attentionScores', 'attentionKeyGradient'].includes(name)) continue;
    const options = { heads };
    const inner = columns === T && name !== 'attentionOutput' ? width : T;
    const depth = 'part' in more || name === 'attentionOutput' ? T : inner;
    const part = 'part' in more ? more.part : undefined;
    const variants = kernel.variantsFor(reads as never, options, testCaps);
    for (const variant of variants) {
      for (const fold of [false, true]) {
        if (fold && N < 3) continue;
        test(`${name} (${variant}): ${size} ${fold ? 'folded' : ''}`, async () => {
          const made = (fold ? folded(kernel as never) : kernel) as typeof attentionScores;
          const untouched = new Float32Array(N * T * 3 * D).fill(7);
          const initial = part === undefined ? undefined : untouched;
          const { y } = await runKernel(gpu(), made, reads as never, options, variant, initial);
          const isMap = !('part' in more) && name !== 'attentionOutput';
          const [values, sums, magnitudes]: [number[], number[], number[]] = [[], [], []];
          let others = 0;
          for (let n = 0; n < N; n++) {
            for (let h = 0; h < heads; h++) {
              for (let i = 0; i < T; i++) {
                for (let j = 0; j < columns; j++) {
                  let [sum, magnitude] = [0, 0];
                  for (let t = 0; t < depth; t++) {
                    const v = term(n, h, i, j, t);
                    sum += v;
                    magnitude += Math.abs(v);
                  }
                  const row = part === undefined ? D : 3 * D;
                  const at = isMap
                    ? ((n * heads + h) * T + i) * T + j
                    : (n * T + i) * row + (part ?? 0) * D + h * width + j;
                  values.push(y[at]);
                  sums.push(sum);
                  magnitudes.push(magnitude);
                }
              }
            }
          }
          expectClose(values, sums, sumBound(depth + 2, magnitudes));
          if (part !== undefined) {
            y.forEach((v, i) => {
              if (Math.floor((i % (3 * D)) / D) !== part && v === 7) others++;
            });
            expect(others, 'elements of the other parts, left alone').toBe(N * T * 2 * D);
          }
        });
      }
    }
  }

  if (T === 197 || width > 128) continue;
  test(`attentionProbabilities and attentionBackward: ${size}`, async () => {
    const r = Recorder.on(gpu());
    const [value, given] = [r.constant(qkv.data, qkv.shape), r.constant(dy.data, dy.shape)];
    const p = attentionProbabilities(r, value, { heads });
    const tensors = await r.run([
      p,
      r.k(attentionOutput, { a: p, b: value }),
      attentionBackward(r, { dy: given, qkv: value, p }, { heads }),
      attentionBackward(r, { dy: given, qkv: value }, { heads }),
    ]);
    const [gotP, y, dqkv, again] = await gpu().read(tensors);
    for (const tensor of tensors) tensor.destroy();
    const reference = attentionReference(qkv, heads);
    const { dqkv: expected } = attentionGradients(qkv, dy.data, heads);
    expect(relativeL2(gotP, reference.p)).toBeLessThan(5e-6);
    expect(relativeL2(y, reference.y)).toBeLessThan(5e-6);
    // With one token the gradient with respect to q and k is exactly 0.
    expect(relativeL2(dqkv, expected)).toBeLessThan(2e-5);
    expect(again).toEqual(dqkv);
  });
}

test('attentionBackward is the gradient by finite differences', async () => {
  const [N, T, heads, width] = [1, 4, 2, 3];
  const D = heads * width;
  const qkv = random([N, T, 3 * D], 5);
  const dy = random([N, T, D], 6);
  const r = Recorder.on(gpu());
  const reads = { dy: r.constant(dy.data, dy.shape), qkv: r.constant(qkv.data, qkv.shape) };
  const [tensor] = await r.run([attentionBackward(r, reads, { heads })]);
  const [dqkv] = await gpu().read([tensor]);
  tensor.destroy();
  const value = (data: Float32Array) =>
    dot(attentionReference({ shape: qkv.shape, data }, heads).y, dy.data);
  for (let i = 0; i < dqkv.length; i++) {
    const [up, down] = [qkv.data.slice() as Float32Array, qkv.data.slice() as Float32Array];
    up[i] += 2 ** -10;
    down[i] -= 2 ** -10;
    const slope = (value(up) - value(down)) / (up[i] - down[i]);
    expect(Math.abs(dqkv[i] - slope)).toBeLessThan(2e-6);
  }
});

test('attentionProbabilitiesGradient is the adjoint of attentionOutput', async () => {
  const [N, T, heads, D] = [2, 7, 2, 10];
  const [p, qkv] = [random([N, heads, T, T], 1), random([N, T, 3 * D], 2)];
  const dy = random([N, T, D], 3);
  const { y } = await runKernel(gpu(), attentionOutput, { a: p, b: qkv });
  const dp = await runKernel(gpu(), attentionProbabilitiesGradient, { a: dy, b: qkv }, { heads });
  expect(Math.abs(dot(y, dy.data) - dot(p.data, dp.y))).toBeLessThan(1e-5);
});

test('attention refuses heads that do not fit', () => {
  const plan = (row: number, heads: number) => () =>
    attention.plan({ qkv: { shape: [1, 5, row] } }, { heads });
  expect(plan(12, 2)).not.toThrow();
  expect(plan(13, 1)).toThrow('qkv has rows of 13 elements');
  expect(plan(12, 3)).toThrow('heads is 3, should be a whole number that divides the embedding, 4');
  expect(plan(12, 0)).toThrow(ShapeError);
  const qkv = { shape: [1, 5, 3 * 129] };
  expect(attentionScores.plan({ a: qkv, b: qkv }, { heads: 1 }).results.y.shape).toEqual([
    1, 1, 5, 5,
  ]);
  const p = { shape: [1, 2, 5, 5] };
  expect(() => attentionOutput.plan({ a: p, b: qkv })).toThrow('divides the embedding, 129');
  const dy = { shape: [1, 5, 100] };
  expect(() => attentionProbabilitiesGradient.plan({ a: dy, b: qkv }, { heads: 1 })).toThrow(
    'rows of 387 elements for an embedding of 100',
  );
});

test('wider heads are more workgroups, a set for every 128 columns, and count the same operations', () => {
  const [N, T, heads] = [2, 70, 3];
  const of = (width: number, variant: string) => {
    const { workgroups, flops } = attention.plan(
      { qkv: { shape: [N, T, 3 * heads * width] } },
      { heads },
      { variant },
    );
    expect(flops).toBe(4 * N * T * T * heads * width);
    return workgroups[0];
  };
  expect([64, 128, 129, 256, 257].map((width) => of(width, 'block'))).toEqual([18, 18, 36, 36, 54]);
  expect([64, 128, 129, 256, 257].map((width) => of(width, 'direct'))).toEqual([7, 7, 14, 14, 20]);
  expect(() => of(129, 'tile')).toThrow('no variant tile');
});
