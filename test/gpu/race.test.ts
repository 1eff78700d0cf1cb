/** Which candidate is taken, on a clock that the test turns. */
import { afterEach, expect, test, vi } from 'vitest';
import type { Gpu } from '../../src/gpu/device.js';
import { type Candidate, race } from '../../src/gpu/race.js';

afterEach(() => {
  vi.restoreAllMocks();
});

const candidate = (name: string): Candidate => ({
  name,
  dispatches: [{ plan: { kernel: name } as never, slots: [] }],
});

/**
 * The race of candidates that take so many milliseconds on a machine that is so many times slower from its n-th dispatch on; one that takes no time is refused.
 */
function raced(ms: Readonly<Record<string, number>>, slower: (dispatch: number) => number) {
  let [clock, dispatches] = [0, 0];
  vi.spyOn(performance, 'now').mockImplementation(() => clock);
  const gpu = {
    prepare: async ([{ kernel }]: { kernel: string }[]) => {
      if (ms[kernel] === 0) throw new Error('refused');
    },
    pipelines: {
      record: (_: unknown, { kernel }: { kernel: string }) => {
        clock += ms[kernel] * slower(dispatches++);
      },
    },
    scoped: async (_: string, work: () => unknown) => work(),
    idle: async () => {},
    caps: { features: new Set() },
    device: {
      features: new Set(),
      createCommandEncoder: () => ({ beginComputePass: () => ({ end() {} }), finish() {} }),
      queue: { submit() {} },
    },
  } as unknown as Gpu;
  const effort = { sampleMs: 1, budgetMs: 1e9, leastRounds: 5, mostRounds: 9 };
  return race(gpu, Object.keys(ms).map(candidate), effort, undefined);
}

const evenly = () => 1;

test('the fastest, where it gains clearly; else what was taken without timing', async () => {
  expect((await raced({ usual: 10, quick: 8, slow: 12 }, evenly)).winner).toBe('quick');
  expect((await raced({ usual: 10, quick: 9.8 }, evenly)).winner).toBe('usual');
  expect((await raced({ usual: 100, quick: 40 }, evenly)).winner).toBe('quick');
});

test('nothing is taken where the device refuses the automatic choice; another that is refused takes no part', async () => {
  expect((await raced({ usual: 0, quick: 8 }, evenly)).winner).toBeUndefined();
  const { winner, times } = await raced({ usual: 10, broken: 0 }, evenly);
  expect(winner).toBe('usual');
  expect([...times.keys()]).toEqual(['usual']);
});

test('one that was left out in a quick moment does not win once the machine is slow', async () => {
  // Two runs of each to begin with, a third of the one that lags; then the rounds, in which it takes no part.
  const { winner, times } = await raced({ usual: 10, near: 9, lagging: 16 }, (n) =>
    n < 7 ? 1 : 4,
  );
  expect(times.get('lagging')).toBe(16);
  expect(times.get('usual')).toBe(40);
  expect(winner).toBe('near');
});
