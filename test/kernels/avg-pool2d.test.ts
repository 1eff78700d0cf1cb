import { expect, test } from 'vitest';
import { adaptiveAvgPool2d } from '../../src/kernels/adaptive-avg-pool2d.js';
import { adaptiveAvgPool2dBackward } from '../../src/kernels/adaptive-avg-pool2d-backward.js';
import { avgPool2d } from '../../src/kernels/avg-pool2d.js';
import { avgPool2dBackward } from '../../src/kernels/avg-pool2d-backward.js';
import { folded } from '../support/folded.js';
import { runKernel, useGpu } from '../support/gpu.js';
import { expectClose, random, sumBound } from '../support/numbers.js';
import * as reference from '../support/reference-pool.js';

const { gpu } = useGpu();

const cases: readonly reference.PoolCase[] = [
  { x: [1, 1, 1, 1], size: [1, 1] },
  { x: [2, 3, 8, 10], size: [2, 2] },
  { x: [2, 2, 9, 12], size: [3, 2], stride: [2, 3], pad: [1, 1] },
  { x: [1, 3, 10, 11], size: [3, 3], stride: [2, 2], ceilMode: true },
  { x: [2, 3, 9, 12], size: [3, 3], stride: [2, 2], pad: [1, 1], ceilMode: true },
  { x: [1, 2, 9, 8], size: [3, 3], stride: [1, 1], pad: [1, 1] },
  { x: [1, 1, 6, 7], size: [2, 2], stride: [4, 3] },
  { x: [2, 5, 4, 3], size: [4, 3] },
];

for (const padded of cases) {
  for (const countIncludePad of [true, false]) {
    const c = { ...padded, countIncludePad };
    test(`avgPool2d is its definition: ${JSON.stringify(c)}`, async () => {
      const x = random(c.x, 3);
      const ref = reference.avgPool2d(x, c);
      const { y } = await runKernel(gpu(), avgPool2d, { x }, c);
      expectClose(y, ref.y, sumBound(ref.terms, ref.size));

      const dy = random(ref.shape, 5);
      const inputSize = [c.x[2], c.x[3]] as const;
      const back = reference.transposeOf((unit) => reference.avgPool2d(unit, c), dy, inputSize);
      const { dx } = await runKernel(gpu(), avgPool2dBackward, { dy }, { ...c, inputSize });
      expectClose(dx, back.y, sumBound(c.size[0] * c.size[1] + 4, back.size));
    });
  }
}

const adaptive: readonly { x: readonly number[]; outputSize: readonly [number, number] }[] = [
  { x: [1, 1, 1, 1], outputSize: [1, 1] },
  { x: [2, 4, 7, 7], outputSize: [1, 1] },
  { x: [2, 3, 13, 12], outputSize: [6, 5] },
  { x: [1, 2, 5, 9], outputSize: [7, 7] },
  { x: [1, 2, 1, 2], outputSize: [6, 3] },
  { x: [3, 2, 17, 8], outputSize: [7, 3] },
  { x: [1, 2, 6, 6], outputSize: [6, 6] },
];

for (const c of adaptive) {
  test(`adaptiveAvgPool2d is its definition: ${JSON.stringify(c)}`, async () => {
    const x = random(c.x, 3);
    const ref = reference.adaptiveAvgPool2d(x, c.outputSize);
    const { y } = await runKernel(gpu(), adaptiveAvgPool2d, { x }, c);
    expectClose(y, ref.y, sumBound(ref.terms, ref.size));

    const dy = random(ref.shape, 5);
    const inputSize = [c.x[2], c.x[3]] as const;
    const back = reference.transposeOf(
      (unit) => reference.adaptiveAvgPool2d(unit, c.outputSize),
      dy,
      inputSize,
    );
    const { dx } = await runKernel(gpu(), adaptiveAvgPool2dBackward, { dy }, { inputSize });
    const overlapping =
      Math.ceil(c.outputSize[0] / c.x[2] + 1) * Math.ceil(c.outputSize[1] / c.x[3] + 1);
    expectClose(dx, back.y, sumBound(overlapping + 4, back.size));
  });
}

test('average poolings fold more workgroups than a dimension holds', async () => {
  const c = { x: [2, 3, 17, 16], size: [3, 3], stride: [2, 2], pad: [1, 1] } as const;
  const x = random(c.x);
  const ref = reference.avgPool2d(x, c);
  expectClose(
    (await runKernel(gpu(), folded(avgPool2d), { x }, c)).y,
    ref.y,
    sumBound(ref.terms, ref.size),
  );
  const dy = random(ref.shape);
  const inputSize = [17, 16] as const;
  const back = reference.transposeOf((unit) => reference.avgPool2d(unit, c), dy, inputSize);
  const { dx } = await runKernel(gpu(), folded(avgPool2dBackward), { dy }, { ...c, inputSize });
  expectClose(dx, back.y, sumBound(13, back.size));

  const outputSize = [9, 11] as const;
  const evenly = reference.adaptiveAvgPool2d(x, outputSize);
  const { y } = await runKernel(gpu(), folded(adaptiveAvgPool2d), { x }, { outputSize });
  expectClose(y, evenly.y, sumBound(evenly.terms, evenly.size));
  const backEvenly = reference.transposeOf(
    (unit) => reference.adaptiveAvgPool2d(unit, outputSize),
    random(evenly.shape),
    inputSize,
  );
  const got = await runKernel(
    gpu(),
    folded(adaptiveAvgPool2dBackward),
    { dy: random(evenly.shape) },
    { inputSize },
  );
  expectClose(got.dx, backEvenly.y, sumBound(13, backEvenly.size));
});

test('the mean of ones is one wherever padding does not count', async () => {
  const x = { shape: [1, 2, 9, 12], data: new Float32Array(216).fill(1) };
  const options = { size: 3, stride: 2, pad: 1, ceilMode: true, countIncludePad: false } as const;
  expect([...(await runKernel(gpu(), avgPool2d, { x }, options)).y].every((v) => v === 1)).toBe(
    true,
  );
  const { y } = await runKernel(gpu(), adaptiveAvgPool2d, { x }, { outputSize: [4, 5] });
  expect([...y].every((v) => v === 1)).toBe(true);
});

test('average poolings say what does not fit', () => {
  const x = { shape: [1, 1, 4, 4] };
  expect(() => adaptiveAvgPool2d.plan({ x }, { outputSize: [0, 2] })).toThrow(
    'adaptiveAvgPool2d: outputSize is [0,2], should be [height, width], whole and above 0',
  );
  expect(() => avgPool2d.plan({ x }, { size: 3, pad: 2 })).toThrow('avgPool2d: pad 2');
  expect(() => avgPool2dBackward.plan({ dy: x }, { size: 2, inputSize: [4, 4] })).toThrow(
    'should be 2 x 2',
  );
});
