import { expect, test } from 'vitest';
import { areaGradient, areaPercent } from '../../src/kernels/area-gradient.js';
import { percentileRows } from '../../src/kernels/percentile-rows.js';
import { folded } from '../support/folded.js';
import { type Ndarray, runKernel, useGpu } from '../support/gpu.js';
import { expectClose, random } from '../support/numbers.js';

const { gpu } = useGpu();
const unit = 2 ** -24;

/** The masks' gradients, as the project gets them: the threshold is found first. */
async function gradientOf(m: Ndarray, kept: number, kernel = areaGradient) {
  const percent = areaPercent(m.shape[1], kept);
  const { y } = await runKernel(gpu(), percentileRows, { x: m }, { percent });
  const threshold = { shape: [m.shape[0]], data: y };
  return (await runKernel(gpu(), kernel, { m, threshold }, { kept })).dm;
}

/** Sorted, paired with zeros and ones, taken back; what is equal gets the mean of what it would get in any order. */
function reference({ shape: [N, C], data }: Ndarray, kept: number): Float64Array {
  const dm = new Float64Array(N * C);
  for (let n = 0; n < N; n++) {
    const row = Array.from(data.subarray(n * C, (n + 1) * C));
    const sorted = row.toSorted((a, b) => b - a);
    row.forEach((v, i) => {
      const [first, last] = [sorted.indexOf(v), sorted.lastIndexOf(v)];
      const r = Math.max(0, Math.min(kept - first, last + 1 - first)) / (last + 1 - first);
      dm[n * C + i] = (2 * (v - r)) / C;
    });
  }
  return dm;
}

for (const [shape, kept] of [
  [[1, 1], 1],
  [[1, 2], 1],
  [[2, 9], 9],
  [[5, 70], 1],
  [[3, 333], 40],
  [[2, 4099], 410],
] as const) {
  test(`areaGradient is the sorted definition: [${shape}], ${kept} kept`, async () => {
    const m = random(shape, 3);
    const want = reference(m, kept);
    const got = await gradientOf(m, kept);
    expectClose(got, want, (i) => 4 * unit * (Math.abs(want[i]) + 2 / shape[1]));
    // As many pulled up as are kept.
    const sum = Array.from(got).reduce((a, b) => a + b, 0);
    const total = m.data.reduce((a, b) => a + b, 0);
    expect(sum).toBeCloseTo((2 * (total - shape[0] * kept)) / shape[1], 4);
  });
}

test('areaGradient: elements that are equal share alike, wherever the edge falls', async () => {
  const shape = [6, 77];
  const m = random(shape, 4);
  for (let i = 0; i < m.data.length; i++) m.data[i] = Math.round(m.data[i] * 2) / 2;
  m.data.fill(0.7, 0, 77); // one row all the same
  for (const kept of [1, 8, 20, 38, 76, 77]) {
    const want = reference(m, kept);
    const got = await gradientOf(m, kept);
    expectClose(got, want, () => (16 * unit) / 77);
    expect(new Set(got.subarray(0, 77)).size).toBe(1);
    expect(await gradientOf(m, kept, folded(areaGradient))).toEqual(got);
  }
});

test('areaGradient refuses areas that cannot be', () => {
  const reads = { m: { shape: [2, 9] }, threshold: { shape: [2] } };
  for (const kept of [0, 10, 1.5, Number.NaN]) {
    const line = `kept is ${kept}, should be a whole number from 1 to 9`;
    expect(() => areaGradient.plan(reads, { kept })).toThrow(line);
    expect(() => areaPercent(9, kept)).toThrow(line);
  }
});
