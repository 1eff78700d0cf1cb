import { expect, test } from 'vitest';
import { logSoftmax, softmax } from '../../src/kernels/softmax.js';
import { logSoftmaxBackward, softmaxBackward } from '../../src/kernels/softmax-backward.js';
import { folded } from '../support/folded.js';
import { type Ndarray, runKernel, useGpu } from '../support/gpu.js';
import { dot, expectClose, random } from '../support/numbers.js';

const { gpu } = useGpu();
const unit = 2 ** -24;

const sources: Record<string, (shape: readonly number[]) => Ndarray> = {
  small: (shape) => random(shape, 1),
  wide: (shape) => ({ shape, data: random(shape, 2).data.map((v) => 30 * v) }),
  huge: (shape) => ({ shape, data: random(shape, 3).data.map((v) => 1.5e38 * v) }),
  negative: (shape) => ({ shape, data: random(shape, 4).data.map((v) => v - 1000) }),
  equal: (shape) => ({ shape, data: random(shape, 4).data.fill(88.5) }),
};

function reference(x: Ndarray) {
  const [N, C] = x.shape;
  const p = new Float64Array(N * C);
  const logP = new Float64Array(N * C);
  const depth = new Float64Array(N * C);
  for (let n = 0; n < N; n++) {
    const row = Array.from(x.data.slice(n * C, (n + 1) * C));
    const most = Math.max(...row);
    const sum = row.reduce((total, v) => total + Math.exp(v - most), 0);
    row.forEach((v, c) => {
      p[n * C + c] = Math.exp(v - most) / sum;
      logP[n * C + c] = v - most - Math.log(sum);
      depth[n * C + c] = most - v;
    });
  }
  return { p, logP, depth };
}

for (const shape of [
  [1, 1],
  [3, 5],
  [2, 64],
  [4, 65],
  [11, 130],
  [1, 4999],
]) {
  for (const [name, source] of Object.entries(sources)) {
    for (const fold of [false, true]) {
      if (fold && shape[0] < 4) continue;
      test(`softmax and log-softmax of ${name} rows: [${shape}] ${fold ? 'folded' : ''}`, async () => {
        const f = <K>(kernel: K): K => (fold ? (folded(kernel as never) as K) : kernel);
        const [N, C] = shape;
        const x = source(shape);
        const { p, logP, depth } = reference(x);
        // Adds of one lane and of the tree; the largest term is exactly 1, so the sum's other errors are small beside it.
        const adds = Math.ceil(C / 64) + 8;
        // exp is good to 3 + 2 |v| units in the last place (two roundings each), and v itself is rounded.
        const relative = (v: number) => (6 + 5 * v + adds + 6 + 5 * Math.log(C) + 5) * unit;
        const { y } = await runKernel(gpu(), f(softmax), { x });
        expectClose(y, p, (i) => relative(Math.min(depth[i], 200)) * p[i] + 2 ** -126);
        for (let n = 0; n < N; n++) {
          const sum = [...y.slice(n * C, (n + 1) * C)].reduce((a, b) => a + b, 0);
          expect(Math.abs(sum - 1)).toBeLessThan(2e-5);
        }
        const log = (await runKernel(gpu(), f(logSoftmax), { x })).y;
        expectClose(
          log,
          logP,
          (i) =>
            (adds + 6 + 5 * Math.log(C) + 8 * (1 + Math.log(C))) * unit +
            4 * unit * Math.abs(logP[i]),
        );

        const dy = random(shape, 7);
        const expected = {
          soft: new Float64Array(N * C),
          log: new Float64Array(N * C),
          size: new Float64Array(N),
        };
        for (let n = 0; n < N; n++) {
          const at = (c: number) => n * C + c;
          let [weighted, sum] = [0, 0];
          for (let c = 0; c < C; c++) {
            weighted += y[at(c)] * dy.data[at(c)];
            sum += dy.data[at(c)];
            expected.size[n] += Math.abs(dy.data[at(c)]);
          }
          for (let c = 0; c < C; c++) {
            expected.soft[at(c)] = y[at(c)] * (dy.data[at(c)] - weighted);
            expected.log[at(c)] = dy.data[at(c)] - Math.exp(log[at(c)]) * sum;
          }
        }
        const soft = await runKernel(gpu(), f(softmaxBackward), { dy, y: { shape, data: y } });
        expectClose(soft.dx, expected.soft, (i) => (adds + 6) * 4 * unit * y[i] + 2 ** -126);
        const back = await runKernel(gpu(), f(logSoftmaxBackward), { dy, y: { shape, data: log } });
        expectClose(back.dx, expected.log, (i) => {
          const v = Math.min(-log[i], 200);
          return (
            unit *
            (2 * Math.abs(dy.data[i]) +
              (adds + 8 + 6 * v + 4) * Math.exp(-v) * (expected.size[Math.floor(i / C)] + 1))
          );
        });
      });
    }
  }
}

test('softmax of equal elements is 1 / C', async () => {
  for (const C of [1, 3, 64, 100, 4096]) {
    const x = { shape: [1, C], data: new Float32Array(C).fill(-7.25) };
    const { y } = await runKernel(gpu(), softmax, { x });
    expectClose(y, new Float64Array(C).fill(1 / C), () => (6 * unit) / C);
    const log = (await runKernel(gpu(), logSoftmax, { x })).y;
    expectClose(log, new Float64Array(C).fill(-Math.log(C)), () => 6 * unit * Math.log(C));
  }
});

test('softmax gradients are those of a finite difference', async () => {
  const shape = [3, 21];
  const [x, d, dy] = [random(shape, 1), random(shape, 2), random(shape, 3)];
  const step = 1e-5;
  const moved = (sign: number) => ({
    shape,
    data: Float64Array.from(x.data, (v, i) => v + sign * step * d.data[i]) as never,
  });
  const difference = (key: 'p' | 'logP') =>
    dot(
      dy.data,
      reference(moved(1))[key].map((v, i) => (v - reference(moved(-1))[key][i]) / (2 * step)),
    );
  const { y } = await runKernel(gpu(), softmax, { x });
  const soft = await runKernel(gpu(), softmaxBackward, { dy, y: { shape, data: y } });
  expect(dot(soft.dx, d.data)).toBeCloseTo(difference('p'), 5);
  const log = (await runKernel(gpu(), logSoftmax, { x })).y;
  const back = await runKernel(gpu(), logSoftmaxBackward, { dy, y: { shape, data: log } });
  expect(dot(back.dx, d.data)).toBeCloseTo(difference('logP'), 4);
});
