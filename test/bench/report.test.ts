import { describe, expect, test } from 'vitest';
import { figures, type Measurement } from '../../bench/measure.js';
import { type BenchFile, compare, table } from '../../bench/report.js';
import { median, relativeL2, spread } from '../../bench/stats.js';

const measurement = (
  id: string,
  medianMs: number,
  more: Partial<Measurement> = {},
): Measurement => ({
  ...{ id, part: 'kernel', variant: 'tile', picked: true, uses: {}, flops: 2e6, bytes: 1e6 },
  ...{ rounds: 3, repeats: 1, medianMs, minMs: medianMs, spread: 0.05 },
  ...{ gflops: 2 / medianMs, gbs: 1 / medianMs, fmaShare: 0.25, copyShare: 0.125 },
  ...more,
});

const file = (measurements: Measurement[], more: Partial<BenchFile> = {}): BenchFile => ({
  ...{ runtime: 'node 1', versions: {}, commit: 'abc', date: '2026-01-01T00:00:00Z' },
  ...{ adapter: 'adapter', kind: 'gpu', clock: 'wall', clockDescription: 'wall clock' },
  ...{ selection: {}, wrong: [], ceilings: { gflops: 100, gbs: 50 }, measurements },
  ...more,
});

describe('statistics', () => {
  test('median and spread', () => {
    expect(median([5, 1, 9])).toBe(5);
    expect(median([4, 1, 9, 2])).toBe(3);
    expect(median([])).toBeNaN();
    expect(spread([4, 1, 9, 2])).toBeCloseTo(8 / 3);
  });

  test('relative L2 takes nothing but numbers of the same count', () => {
    expect(relativeL2([3, 4.5], [3, 4])).toBeCloseTo(0.1);
    expect(relativeL2([1, Number.NaN], [1, 2])).toBe(Number.POSITIVE_INFINITY);
    expect(relativeL2([1], [1, 2])).toBe(Number.POSITIVE_INFINITY);
    expect(relativeL2([0.5], [0])).toBe(0.5);
  });

  test('rates come from the median, shares from the same round', () => {
    // The machine was twice as slow in the first round, for the kernel and for the ceilings.
    const rates = [
      { flopsPerMs: 2e6, bytesPerMs: 1e6 },
      { flopsPerMs: 4e6, bytesPerMs: 2e6 },
      { flopsPerMs: 4e6, bytesPerMs: 2e6 },
    ];
    const of = figures({ flops: 2e6, bytes: 1e5 }, [2, 1, 1], [2, 1, 1], rates);
    expect(of).toMatchObject({ medianMs: 1, minMs: 1, spread: 1, rounds: 3, gflops: 2, gbs: 0.1 });
    expect(of.fmaShare).toBe(0.5);
    expect(of.copyShare).toBe(0.05);
  });
});

describe('table', () => {
  const lines = table(
    file([
      measurement('conv2d x=1', 12.345),
      measurement('conv2d x=1', 250, { variant: 'direct', picked: false }),
      measurement('concat x=2', 0.5, { flops: 0 }),
      measurement('alexnet forward', 30, { part: 'network', variant: '', gpuMs: 25 }),
    ]),
  );

  test('has the ceilings and a row a measurement', () => {
    expect(lines[0]).toBe('ceilings: 100 GFLOP/s (vec4 fma), 50.0 GB/s (vec4 copy)');
    expect(lines[1].trim().split(/\s{2,}/)).toEqual(
      'ms,min,spread,GPU ms,GFLOP/s,GB/s,of FMA,of copy,case'.split(','),
    );
    expect(lines).toHaveLength(6);
    expect(lines[2].trim().split(/\s{2,}/)).toEqual(
      '12.3,12.3,5.0%,0.162,0.0810,25%,13%,conv2d x=1 (tile)'.split(','),
    );
  });

  test('marks variants that would not be picked, and what has no arithmetic', () => {
    expect(lines[3]).toMatch(/conv2d x=1 \(direct, not picked\)$/);
    expect(lines[4].trim().split(/\s{2,}/)).toEqual(
      '0.500,0.500,5.0%,2.00,13%,concat x=2 (tile)'.split(','),
    );
    expect(lines[5]).toMatch(/ 25\.0 .* alexnet forward$/);
  });
});

describe('compare', () => {
  const older = file([measurement('a', 10), measurement('b', 10), measurement('c', 10)]);

  test('prints changes over 10 % only, the slower first', () => {
    const newer = file([measurement('a', 8), measurement('b', 10.9), measurement('c', 15)]);
    expect(compare(older, newer)).toEqual([
      'against abc of 2026-01-01T00:00:00Z:',
      '  time +50%: 10.0 -> 15.0 ms, 25% of FMA -> 25% of FMA  c (tile)',
      '  time -20%: 10.0 -> 8.00 ms, 25% of FMA -> 25% of FMA  a (tile)',
      '  2 of 3 changed by more than 10 %, 0 new, 0 not measured now',
    ]);
  });

  test('tells variants apart, and counts what only one run has', () => {
    const newer = file([measurement('a', 10), measurement('a', 99, { variant: 'direct' })]);
    expect(compare(older, newer).at(-1)).toBe(
      '  0 of 1 changed by more than 10 %, 1 new, 2 not measured now',
    );
  });

  test('says when the runs are hardly comparable', () => {
    const newer = file([], { adapter: 'other', ceilings: { gflops: 50, gbs: 50 } });
    const lines = compare(older, newer).join('\n');
    expect(lines).toContain('adapter differs: adapter, now other');
    expect(lines).toContain("the adapter's own FMA rate is -50%");
    expect(lines).not.toContain('runtime differs');
  });
});
