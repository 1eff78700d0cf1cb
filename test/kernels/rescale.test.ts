/** DeepLIFT's rescale rule: multipliers dy (f(x) - f(x0)) / (x - x0) through activations and max pooling. */
import { expect, test } from 'vitest';
import { maxPool2d as maxPool2dKernel } from '../../src/kernels/max-pool2d.js';
import { maxPool2dBackward } from '../../src/kernels/max-pool2d-backward.js';
import { rescaleGelu } from '../../src/kernels/rescale-gelu.js';
import { rescaleMaxPool2d } from '../../src/kernels/rescale-max-pool2d.js';
import { rescaleRelu } from '../../src/kernels/rescale-relu.js';
import { folded } from '../support/folded.js';
import { type Ndarray, runKernel, useGpu } from '../support/gpu.js';
import { dot, expectClose, random } from '../support/numbers.js';
import { maxPool2d, type PoolCase } from '../support/reference-pool.js';

const { gpu } = useGpu();
const eps = 2 ** -24;
const array = (data: readonly number[]) => ({
  shape: [data.length],
  data: Float32Array.from(data),
});

for (const fold of [false, true]) {
  const f = <K>(kernel: K): K => (fold ? (folded(kernel as never) as K) : kernel);
  const name = fold ? 'folded' : 'plain';

  test(`rescaleRelu is the slope between the two places: ${name}`, async () => {
    const [dy, x, x0] = [random([7, 123], 1), random([7, 123], 2), random([7, 123], 3)];
    // Nearly equal, equal, and of very unlike sizes.
    for (let i = 0; i < 200; i++) x0.data[i] = x.data[i] * (1 + (i % 5) * 2 ** -22);
    for (let i = 200; i < 300; i++) x0.data[i] *= 1e-20;
    const { dx } = await runKernel(gpu(), f(rescaleRelu), { dy, x, x0 });
    const wanted = Array.from(x.data, (v, i) => {
      const v0 = x0.data[i];
      if (v === v0) return v > 0 ? dy.data[i] : 0;
      return (dy.data[i] * (Math.max(v, 0) - Math.max(v0, 0))) / (v - v0);
    });
    expectClose(dx, wanted, (i) => 9 * eps * Math.abs(wanted[i]));
  });

  test(`rescaleGelu is the slope between the two places: ${name}`, async () => {
    // The Gaussian error linear unit from its integral, a density summed by Simpson's rule.
    const normal = (v: number) => {
      const steps = 400;
      const density = (t: number) => Math.exp((-t * t) / 2) / Math.sqrt(2 * Math.PI);
      let sum = density(0) + density(v);
      for (let k = 1; k < steps; k++) sum += (k % 2 === 1 ? 4 : 2) * density((k * v) / steps);
      return 0.5 + (sum * v) / steps / 3;
    };
    const gelu = (v: number) => v * normal(v);
    const [dy, x, x0] = [random([7, 123], 1), random([7, 123], 2), random([7, 123], 3)];
    for (let i = 0; i < x.data.length; i++) {
      x.data[i] *= 5;
      x0.data[i] *= 5;
      // Either side of where the derivative stands for the slope, and equal.
      if (i < 300) x0.data[i] = x.data[i] + ((i % 7) - 3) * 2 ** -8;
      if (i >= 300 && i < 400) x0.data[i] = x.data[i] + (i % 2 === 0 ? 1.01 : 0.99) * 2 ** -6;
    }
    const { dx } = await runKernel(gpu(), f(rescaleGelu), { dy, x, x0 });
    const wanted = Array.from(x.data, (v, i) => {
      const v0 = x0.data[i];
      const h = 1e-4;
      if (v === v0) return (dy.data[i] * (gelu(v + h) - gelu(v - h))) / (2 * h);
      return (dy.data[i] * (gelu(v) - gelu(v0))) / (v - v0);
    });
    expectClose(dx, wanted, (i) => {
      const gap = Math.abs(x.data[i] - x0.data[i]);
      const size = Math.max(1, Math.abs(x.data[i]), Math.abs(x0.data[i]));
      // Each result is within 2e-7 of its size; the derivative half way is off by gap^2 / 24 at most.
      const error = gap > 2 ** -6 ? (4e-7 * size) / gap : (1.4 * gap * gap) / 24 + 1e-6;
      return Math.abs(dy.data[i]) * error;
    });
  });
}

test('rescaleRelu at 0, at equal and at subnormal places is the derivative', async () => {
  const x = array([0, 1, -1, 0, 2, -2, 1e-40, 1e-40, 3]);
  const x0 = array([0, 1, -1, 2, 0, 0, 0, -1e-40, -1]);
  const dy = array(Array.from(x.data, () => 2));
  const { dx } = await runKernel(gpu(), rescaleRelu, { dy, x, x0 });
  expect([...dx].map((v, i) => (i === 6 || i === 7 ? Number(v === 0 || v === 2) : v))).toEqual([
    0, 2, 0, 2, 2, 0, 1, 1, 1.5,
  ]);
});

const cases: readonly (PoolCase & { readonly name: string })[] = [
  { name: 'one place', x: [1, 1, 1, 1], size: [1, 1] },
  { name: 'apart', x: [2, 3, 8, 10], size: [2, 2] },
  { name: 'overlapping', x: [2, 3, 13, 11], size: [3, 3], stride: [2, 2] },
  {
    name: 'padded, to the end',
    x: [1, 3, 8, 10],
    size: [3, 3],
    stride: [2, 2],
    pad: [1, 1],
    ceilMode: true,
  },
  {
    name: 'dilated',
    x: [1, 2, 15, 14],
    size: [3, 2],
    stride: [2, 1],
    pad: [1, 0],
    dilation: [2, 3],
  },
  { name: 'with gaps', x: [1, 1, 6, 7], size: [2, 2], stride: [4, 3] },
];

/** The rule in float64: scatter what windows gain and lose, and divide by the change of the place. */
function reference(c: PoolCase, x: Ndarray, x0: Ndarray, dyOf: (shape: number[]) => Ndarray) {
  const [now, before] = [maxPool2d(x, c), maxPool2d(x0, c)];
  const dy = dyOf(now.shape);
  const area = c.x[2] * c.x[3];
  const per = now.shape[2] * now.shape[3];
  const [gained, lost, gradient] = [0, 0, 0].map(() => new Float64Array(x.data.length));
  now.y.forEach((y, j) => {
    const plane = Math.floor(j / per) * area;
    const most = Math.max(y, before.y[j]);
    gained[plane + now.positions[j]] += dy.data[j] * (most - before.y[j]);
    lost[plane + before.positions[j]] += dy.data[j] * (y - most);
    gradient[plane + now.positions[j]] += dy.data[j];
  });
  const dx = gradient.map((g, i) => {
    const change = x.data[i] - x0.data[i];
    return change === 0 ? g : (gained[i] + lost[i]) / change;
  });
  return { dy, now, before, dx };
}

for (const { name, ...c } of cases) {
  test(`rescaleMaxPool2d is its definition: ${name}`, async () => {
    const [x, x0] = [random(c.x, 3), random(c.x, 4)];
    // Some places as in the reference, and ties.
    x.data.forEach((v, i) => {
      if (i % 5 === 0) x0.data[i] = v;
      if (i % 3 === 0) x.data[i] = Math.round(4 * v) / 4;
    });
    const { dy, now, before, dx: wanted } = reference(c, x, x0, (shape) => random(shape, 5));
    const at = (positions: readonly number[]) => ({
      shape: now.shape,
      data: Uint32Array.from(positions),
    });
    const reads = { dy, x, positions: at(now.positions), x0, positions0: at(before.positions) };
    const inputSize = [c.x[2], c.x[3]] as const;
    const windows = c.size[0] * c.size[1];
    const most = Math.max(...dy.data.map(Math.abs));
    const { dx } = await runKernel(gpu(), rescaleMaxPool2d, reads, { ...c, inputSize });
    expectClose(dx, wanted, (i) => {
      const change = Math.abs(x.data[i] - x0.data[i]);
      // Differences of numbers below 1 in size; their quotient is at most 1 a window.
      return windows * most * eps * (8 + (change === 0 ? 0 : 4 / change));
    });
    // What goes out is what came in, times what it is a change of.
    const change = x.data.map((v, i) => v - x0.data[i]);
    const gain = now.y.map((y, j) => y - before.y[j]);
    expect(dot(dx, change)).toBeCloseTo(dot(dy.data, gain), 4);
  });
}

test('rescaleMaxPool2d: windows that overlap add up at their maximum, and what is lost goes to the reference', async () => {
  const c = { x: [1, 1, 1, 5], size: [1, 3], stride: [1, 1], inputSize: [1, 5] } as const;
  const shape = [1, 1, 1, 3];
  const dy = { shape, data: Float32Array.of(1, 10, 100) };
  const peak = { shape: [...c.x], data: Float32Array.of(0, 1, 4, 2, 0) };
  const flat = { shape: [...c.x], data: new Float32Array(5) };
  const at = async (x: Ndarray) => ({
    shape,
    data: (await runKernel(gpu(), maxPool2dKernel, { x }, c)).positions,
  });
  const of = async (x: Ndarray, x0: Ndarray) => {
    const reads = { dy, x, positions: await at(x), x0, positions0: await at(x0) };
    return [...(await runKernel(gpu(), rescaleMaxPool2d, reads, c)).dx];
  };
  expect(await of(peak, flat)).toEqual([0, 0, 111, 0, 0]);
  expect((await of(flat, peak))[2]).toBe(111);
});

test('rescaleMaxPool2d folds more workgroups than a dimension holds, and is the gradient at the reference', async () => {
  const c = { x: [3, 2, 17, 16], size: [3, 3], stride: [2, 2], pad: [1, 1] } as const;
  const x = random(c.x, 1);
  const { positions } = await runKernel(gpu(), maxPool2dKernel, { x }, c);
  const shape = [3, 2, 9, 8];
  const [dy, at] = [random(shape, 2), { shape, data: positions }];
  const options = { ...c, inputSize: [17, 16] } as const;
  const reads = { dy, x, positions: at, x0: x, positions0: at };
  const { dx } = await runKernel(gpu(), folded(rescaleMaxPool2d), reads, options);
  const plain = await runKernel(gpu(), maxPool2dBackward, { dy, positions: at }, options);
  expect([...dx]).toEqual([...plain.dx]);
});
