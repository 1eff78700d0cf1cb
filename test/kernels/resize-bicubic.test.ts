import { expect, test } from 'vitest';
import { resizeBicubic } from '../../src/kernels/resize-bicubic.js';
import { folded } from '../support/folded.js';
import { type Ndarray, runKernel, useGpu } from '../support/gpu.js';
import { expectClose, random } from '../support/numbers.js';

const { gpu } = useGpu();
const unit = 2 ** -24;

/** Keys' cubic with a = -3/4, as a function of the distance. */
function cubic(distance: number): number {
  const [a, v] = [-0.75, Math.abs(distance)];
  if (v <= 1) return (a + 2) * v ** 3 - (a + 3) * v ** 2 + 1;
  return v < 2 ? a * v ** 3 - 5 * a * v ** 2 + 8 * a * v - 4 * a : 0;
}

/** torch.nn.functional.interpolate(mode='bicubic', align_corners=False) in float64. */
function reference(x: Ndarray, [P, Q]: readonly [number, number]): Float64Array {
  const [N, C, H, W] = x.shape;
  const inside = (i: number, size: number) => Math.min(Math.max(i, 0), size - 1);
  return Float64Array.from({ length: N * C * P * Q }, (_, i) => {
    const v = ((Math.floor(i / Q) % P) + 0.5) * (H / P) - 0.5;
    const u = ((i % Q) + 0.5) * (W / Q) - 0.5;
    const map = Math.floor(i / (P * Q)) * H * W;
    let sum = 0;
    for (let h = Math.floor(v) - 1; h <= Math.floor(v) + 2; h++) {
      for (let w = Math.floor(u) - 1; w <= Math.floor(u) + 2; w++) {
        sum += cubic(v - h) * cubic(u - w) * x.data[map + inside(h, H) * W + inside(w, W)];
      }
    }
    return sum;
  });
}

const cases: readonly { x: readonly number[]; outputSize: readonly [number, number] }[] = [
  { x: [1, 1, 1, 1], outputSize: [3, 5] },
  { x: [2, 2, 1, 7], outputSize: [4, 1] },
  { x: [2, 3, 5, 9], outputSize: [17, 23] },
  { x: [1, 2, 13, 13], outputSize: [56, 40] },
  { x: [2, 2, 31, 20], outputSize: [7, 20] },
  { x: [1, 1, 40, 33], outputSize: [2, 3] },
];

for (const c of cases) {
  test(`resizeBicubic is its definition: ${JSON.stringify(c)}`, async () => {
    const x = random(c.x, 1);
    const { y } = await runKernel(gpu(), resizeBicubic, { x }, { outputSize: c.outputSize });
    // A weight is off by at most 22 units (outer) or 16 (inner), four of them by 76; their magnitudes add up to less than 1.35 an axis.
    expectClose(y, reference(x, c.outputSize), () => 225 * unit);
  });
}

test('resizeBicubic folds its workgroups', async () => {
  const x = random([2, 3, 5, 9], 1);
  const outputSize = [17, 23] as const;
  const { y } = await runKernel(gpu(), folded(resizeBicubic), { x }, { outputSize });
  expectClose(y, reference(x, outputSize), () => 225 * unit);
});

test('resizeBicubic to the same size changes nothing', async () => {
  const x = random([2, 2, 9, 7], 1);
  const { y } = await runKernel(gpu(), resizeBicubic, { x }, { outputSize: [9, 7] });
  expect(y).toEqual(x.data);
});

test('resizeBicubic has the known weights, exact where they are binary fractions', async () => {
  const x = { shape: [1, 1, 1, 6], data: new Float32Array([0, 0, 1, 0, 0, 0]) };
  const { y } = await runKernel(gpu(), resizeBicubic, { x }, { outputSize: [1, 12] });
  // Twice the size looks at quarters: the four weights from the left, and from the right.
  const impulse = [0, -0.03515625, -0.10546875, 0.26171875, 0.87890625];
  expect([...y]).toEqual([...impulse, ...impulse.toReversed(), 0, 0]);
  const edge = { shape: [1, 1, 2, 1], data: new Float32Array([0, 64]) };
  const ends = await runKernel(gpu(), resizeBicubic, { x: edge }, { outputSize: [4, 1] });
  // Beyond the border stands the border pixel: all but the last weight, or but the first, are its.
  expect([...ends.y]).toEqual(
    [0.10546875, 0.2265625, 0.7734375, 1.10546875].map((v, i) => 64 * (i ? v : -v)),
  );
});

test('resizeBicubic says what does not fit', () => {
  const x = { shape: [1, 1, 4, 4] };
  expect(() => resizeBicubic.plan({ x }, { outputSize: [4, 0] })).toThrow('outputSize is [4,0]');
  expect(() => resizeBicubic.plan({ x }, { outputSize: [4, 40000] })).toThrow(
    'resizeBicubic: from 4 x 4 to 4 x 40000: sides should be at most 32768',
  );
});
