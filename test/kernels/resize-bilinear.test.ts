import { expect, test } from 'vitest';
import { resizeBilinear } from '../../src/kernels/resize-bilinear.js';
import { resizeBilinearBackward } from '../../src/kernels/resize-bilinear-backward.js';
import { folded } from '../support/folded.js';
import { runKernel, testCaps, useGpu } from '../support/gpu.js';
import { dot, expectClose, random } from '../support/numbers.js';
import * as reference from '../support/reference-resize.js';

const { gpu } = useGpu();
const unit = 2 ** -24;

const cases: readonly { x: readonly number[]; outputSize: readonly [number, number] }[] = [
  { x: [1, 1, 1, 1], outputSize: [1, 1] },
  { x: [1, 1, 1, 1], outputSize: [3, 5] },
  { x: [2, 2, 1, 7], outputSize: [4, 1] },
  { x: [2, 3, 5, 9], outputSize: [17, 23] },
  { x: [1, 2, 13, 13], outputSize: [56, 40] },
  { x: [1, 2, 31, 20], outputSize: [7, 20] },
  { x: [2, 1, 20, 19], outputSize: [13, 6] },
  { x: [1, 1, 40, 33], outputSize: [2, 3] },
  { x: [1, 1, 2, 3], outputSize: [9, 8] },
];

for (const c of cases) {
  for (const alignCorners of [false, true]) {
    for (const fold of [false, true]) {
      const { x: shape, outputSize } = c;
      const smaller =
        Math.min(shape[2] * shape[3], outputSize[0] * outputSize[1]) * shape[0] * shape[1];
      if (fold && smaller < 200) continue;
      test(`resizeBilinear is its definition: ${JSON.stringify({ ...c, alignCorners })} ${fold ? 'folded' : ''}`, async () => {
        const f = <K>(kernel: K): K => (fold ? (folded(kernel as never) as K) : kernel);
        const x = random(shape, 1);
        const ref = reference.resizeBilinear(x, outputSize, alignCorners);
        const { y } = await runKernel(
          gpu(),
          f(resizeBilinear),
          { x },
          { outputSize, alignCorners },
        );
        // Two weights with a quotient (2.5 units in the last place) and a difference each, two products, two sums.
        const weights = 2 * 6 + 5;
        const magnitude = Math.max(...x.data.map(Math.abs));
        expectClose(y, ref.y, (i) => weights * unit * ref.size[i] + 12 * unit * magnitude * 2);

        const dy = random([shape[0], shape[1], ...outputSize], 2);
        const inputSize = [shape[2], shape[3]] as const;
        const back = reference.resizeBilinear(dy, inputSize, alignCorners, true);
        const got = await runKernel(
          gpu(),
          f(resizeBilinearBackward),
          { dy },
          { inputSize, alignCorners },
        );
        const gathered = outputSize.map((n, a) => Math.ceil((2 * n) / shape[2 + a]) + 2);
        expectClose(
          got.dx,
          back.y,
          (i) =>
            (gathered[0] + gathered[1] + weights) * unit * back.size[i] +
            12 * unit * gathered[0] * gathered[1],
        );
        // What is resized and what goes back are transposes of each other.
        const [forth, away] = [dot(dy.data, y), dot(got.dx, x.data)];
        expect(Math.abs(forth - away)).toBeLessThan(
          1e-6 * (1 + dot(dy.data.map(Math.abs), ref.size)),
        );
      });
    }
  }
}

const enlarged = [
  { x: [1, 1, 1, 1], outputSize: [3, 4] },
  { x: [2, 3, 5, 4], outputSize: [15, 12] },
  { x: [1, 5, 7, 9], outputSize: [22, 28] },
  { x: [3, 2, 14, 14], outputSize: [224, 224] },
  { x: [1, 1, 2, 3], outputSize: [9, 64] },
] as const;

test.each(enlarged)(
  'every variant makes the same bytes of %j',
  async ({ x: shape, outputSize }) => {
    const x = random(shape, 5);
    for (const alignCorners of [false, true]) {
      const options = { outputSize, alignCorners };
      const variants = resizeBilinear.variantsFor({ x }, options, testCaps);
      expect(variants).toEqual(['square', 'direct']);
      const [square, direct] = await Promise.all(
        variants.map((variant) => runKernel(gpu(), resizeBilinear, { x }, options, variant)),
      );
      expect(square.y).toEqual(direct.y);
    }
  },
);

test('resizeBilinear to the same size changes nothing, and keeps a constant', async () => {
  const x = random([2, 2, 9, 7], 1);
  const flat = { shape: x.shape, data: x.data.slice().fill(0.3) };
  for (const alignCorners of [false, true]) {
    const same = await runKernel(
      gpu(),
      resizeBilinear,
      { x },
      { outputSize: [9, 7], alignCorners },
    );
    expect(same.y).toEqual(x.data);
    const { y } = await runKernel(
      gpu(),
      resizeBilinear,
      { x: flat },
      { outputSize: [31, 4], alignCorners },
    );
    expectClose(y, new Float64Array(y.length).fill(flat.data[0]), () => 4 * unit * 0.3);
  }
});

test('resizeBilinear interpolates exactly where its weights are binary fractions', async () => {
  const x = { shape: [1, 1, 1, 2], data: new Float32Array([0, 8]) };
  const halves = await runKernel(gpu(), resizeBilinear, { x }, { outputSize: [1, 4] });
  expect([...halves.y]).toEqual([0, 2, 6, 8]);
  const aligned = await runKernel(
    gpu(),
    resizeBilinear,
    { x },
    { outputSize: [1, 5], alignCorners: true },
  );
  expect([...aligned.y]).toEqual([0, 2, 4, 6, 8]);
  const dy = { shape: [1, 1, 1, 4], data: new Float32Array([1, 2, 3, 4]) };
  const { dx } = await runKernel(gpu(), resizeBilinearBackward, { dy }, { inputSize: [1, 2] });
  expect([...dx]).toEqual([1 + 0.75 * 2 + 0.25 * 3, 0.25 * 2 + 0.75 * 3 + 4]);
});

test('resizeBilinear says what does not fit', () => {
  const x = { shape: [1, 1, 4, 4] };
  expect(() => resizeBilinear.plan({ x }, { outputSize: [4, 0] })).toThrow('outputSize is [4,0]');
  expect(() => resizeBilinear.plan({ x }, { outputSize: [4, 40000] })).toThrow(
    'resizeBilinear: from 4 x 4 to 4 x 40000: sides should be at most 32768',
  );
});
