import { expect, test } from 'vitest';
import { agreed, worthShipping } from '../../bench/tune.js';
import type { Measurement } from '../../src/gpu/tuner.js';

/** A measurement of a kernel with two variants. */
const measured = (kernel: string, own: number, other: number, size = 64): Measurement => ({
  ...{ kernel, shapeClass: `SIZE=${size}`, sizes: { SIZE: size }, automatic: 'own' },
  winner: other < 0.95 * own ? 'other' : 'own',
  timesMs: { own, other },
});

test('runs agree on what wins in all of them, with the least gain and the least saved', () => {
  const findings = agreed([
    [measured('b', 100, 50), measured('a', 30, 20), measured('b', 5, 4, 128)],
    [measured('b', 40, 25), measured('a', 30, 30), measured('b', 6, 4, 128)],
    [measured('b', 300, 150), measured('a', 30, 10), measured('b', 9, 3, 128)],
  ]);
  expect(findings).toEqual([
    expect.objectContaining({ kernel: 'a', winner: undefined }),
    expect.objectContaining({ kernel: 'b', shapeClass: 'SIZE=128', winner: 'other', gain: 1.25 }),
    {
      ...{ kernel: 'b', shapeClass: 'SIZE=64', automatic: 'own', winner: 'other' },
      ...{ automaticMs: 40, winnerMs: 25, gain: 1.6, savedMs: 15 },
    },
  ]);
});

test('only clear gains in every run are shipped, on a software adapter only long ones', () => {
  const runs = (...times: [number, number][]) =>
    agreed(times.map(([own, other]) => [measured('k', own, other)]));
  const [all, none] = [{ k: { 'SIZE=64': 'other' } }, {}];
  expect(worthShipping(runs([100, 50], [60, 40]), true)).toEqual(all);
  expect(worthShipping(runs([100, 50], [100, 90]), true), 'gain').toEqual(none);
  expect(worthShipping(runs([100, 50], [20, 11]), true), 'saved').toEqual(none);
  expect(worthShipping(runs([100, 50], [20, 11]), false)).toEqual(all);
  expect(worthShipping(runs([100, 50], [50, 100]), false), 'runs disagree').toEqual(none);
});
