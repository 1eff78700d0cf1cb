import { describe, expect, test } from 'vitest';
import { Pace, unitOf } from '../../src/cli/pace.js';
import { Progress } from '../../src/cli/progress.js';

describe('the pace of a long run', () => {
  /** Reports at the given seconds. */
  const told = (reports: readonly (readonly [seconds: number, done: number, total: number])[]) => {
    let now = 0;
    const pace = new Pace('masks', () => now);
    return reports.map(([seconds, done, total]) => {
      now = 1000 * seconds;
      return pace.tell(done, total);
    });
  };

  test('counts from the first report on, which has the compiling in it', () => {
    expect(
      told([
        [10, 64, 4000],
        [12, 128, 4000],
        [14, 4000, 4000],
      ]),
    ).toEqual([
      '64 of 4000 masks, 6.40 a second, 10 min 15 s left',
      '128 of 4000 masks, 32.0 a second, 2 min 1 s left',
      '4000 of 4000 masks, 984 a second',
    ]);
  });

  test('says no rate where no time has passed', () => {
    expect(told([[0, 1, 9]])).toEqual(['1 of 9 masks']);
  });

  test('long times in hours', () => {
    expect(told([[100, 1, 101]])).toEqual(['1 of 101 masks, 0.0100 a second, 2 h 46 min left']);
  });

  test('counts masks where there are any', () => {
    expect(unitOf({ options: { batch: {} } })).toBe('masks');
    expect(unitOf({ options: {} })).toBe('passes');
  });
});

test('on a terminal the bar moves by fractions, and shows whole maps and the note', async () => {
  let shown = '';
  const sink = { isTTY: true, write: (text: string) => (shown += text), columns: 200 };
  const progress = new Progress(sink, 'explaining', 2, 'maps');
  await new Promise((done) => setTimeout(done, 1050));
  progress.update(0.5, 'cat.png rise: 2000 of 4000 masks, 50.0 a second, 40 s left');
  await new Promise((done) => setTimeout(done, 150));
  progress.stop();
  expect(shown).toContain('0/2 maps');
  expect(shown).toContain('2000 of 4000 masks, 50.0 a second, 40 s left');
});
