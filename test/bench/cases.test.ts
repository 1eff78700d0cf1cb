import { describe, expect, test } from 'vitest';
import { benchNetworks, kernelCases, networkCases, shapesOf } from '../../bench/cases.js';
import { parseFlags } from '../../bench/flags.js';
import { inputFor } from '../../bench/inputs.js';
import { coreCaps } from '../../src/gpu/caps.js';
import { Net } from '../../src/net/net.js';

const all = kernelCases(coreCaps);
const planOf = (c: (typeof all)[number]) =>
  c.kernel.plan(shapesOf(c), c.options, { caps: coreCaps });

describe('cases', () => {
  for (const network of benchNetworks) {
    test(`hold every dispatch of ${network}, forward and backward`, () => {
      const plan = Net.describe(network).plan(1, { caps: coreCaps, backwardTo: ['input'] });
      const sums = { dispatches: 0, flops: 0, bytes: 0 };
      for (const c of all) {
        const times = c.uses[network] ?? 0;
        const { flops, bytes } = planOf(c);
        sums.dispatches += times;
        sums.flops += times * flops;
        sums.bytes += times * bytes;
      }
      expect(sums).toEqual({
        dispatches: plan.dispatches,
        flops: plan.flops,
        bytes: plan.bytes,
      });
    });
  }

  test('are each there once', () => {
    expect(new Set(all.map((c) => c.id)).size).toBe(all.length);
  });

  test("have AlexNet's first layer", () => {
    const [first, ...rest] = kernelCases(coreCaps, { only: '^conv2d .*11x11' });
    expect(rest).toEqual([]);
    expect(first.reads).toEqual({ x: [1, 3, 224, 224], w: [64, 3, 11, 11], b: [64] });
    expect(first.options).toMatchObject({ stride: 4, pad: 2, act: 'relu' });
    expect(first.uses).toEqual({ alexnet: 1 });
    expect(planOf(first).flops).toBe(2 * 64 * 55 * 55 * 3 * 11 * 11);
  });

  test('have the shapes that several layers share once, counted', () => {
    // VGG-16's last block has three such layers.
    const [c] = kernelCases(coreCaps, { only: '^conv2d x=1x512x14x14' });
    expect(c.uses).toEqual({ vgg16: 3 });
  });

  test('are selected by kernel, by network and by part', () => {
    const only = kernelCases(coreCaps, { only: 'squeezenet1_1' });
    expect(only.length).toBeGreaterThan(10);
    expect(only.length).toBeLessThan(all.length);
    expect(only.every((c) => 'squeezenet1_1' in c.uses)).toBe(true);
    expect(kernelCases(coreCaps, { part: 'networks' })).toEqual([]);
    expect(networkCases({ part: 'kernels' })).toEqual([]);
    expect(networkCases({ only: 'vgg16' }).map((c) => c.id)).toEqual([
      'vgg16 forward',
      'vgg16 grad-cam',
    ]);
  });

  test('of a batch are larger', () => {
    const [c] = kernelCases(coreCaps, { only: '^conv2d .*11x11', batch: 4 });
    expect(c.reads.x).toEqual([4, 3, 224, 224]);
    expect(networkCases({ batch: 4 })[0].id).toBe('alexnet forward batch=4');
    expect(networkCases({ storage: 'f16' })[0].id).toBe('alexnet forward f16');
  });

  test('of a quick run are small, and cover every kernel with a case that is', () => {
    const quick = kernelCases(coreCaps, { quick: true });
    for (const c of quick) expect(planOf(c).flops, c.id).toBeLessThanOrEqual(100e6);
    const names = (list: typeof all) => [...new Set(list.map((c) => c.kernel.name))];
    // One dispatch of Winograd's is for large layers only.
    expect(names(quick)).toEqual(names(all).filter((name) => name !== 'winogradFused'));
    expect(quick.filter((c) => c.kernel.name === 'conv2d').map((c) => c.reads.w[2])).toEqual([
      3, 1,
    ]);
    expect(networkCases({ quick: true }).map((c) => c.network)).toEqual([
      'squeezenet1_1',
      'squeezenet1_1',
    ]);
  });

  test('have inputs that make sense', () => {
    const backward = all.find((c) => c.kernel.name === 'maxPool2dBackward')!;
    const { sizes } = planOf(backward);
    const positions = inputFor(backward, 'positions', sizes);
    expect(positions.length).toBe(sizes.N * sizes.C * sizes.P * sizes.Q);
    // Row 1, column 2 of the second map.
    const at = sizes.P * sizes.Q + sizes.Q + 2;
    expect(positions[at]).toBe(sizes.SH * sizes.W + 2 * sizes.SW);
    const dy = inputFor(backward, 'dy', sizes);
    expect(dy.every((v) => v >= -1 && v < 1)).toBe(true);
    expect(inputFor(backward, 'dy', sizes)).toEqual(dy);
    expect(new Set(dy.subarray(0, 1000)).size).toBeGreaterThan(990);
  });
});

describe('flags', () => {
  test('become a selection', () => {
    const flags =
      '--only ^conv2d --kernels --quick --variants --rounds 9 --json a.json --tune full';
    expect(parseFlags(flags.split(' '))).toEqual({
      selection: {
        ...{ only: '^conv2d', part: 'kernels', quick: true, variants: true, rounds: 9 },
        tune: 'full',
      },
      json: 'a.json',
      list: false,
      help: false,
    });
    expect(parseFlags([]).selection).toEqual({});
    const half = { storage: 'f16', part: 'networks' };
    expect(parseFlags(['--storage', 'f16']).selection).toEqual(half);
    expect(parseFlags(['--tune', 'never']).selection).toEqual({});
  });

  for (const [args, words] of [
    ['--rounds 0', '--rounds is 0'],
    ['--batch 1.5', '--batch is 1.5'],
    ['--only (', '--only: Invalid regular expression'],
    ['--tune often', 'bench: --tune often: should be never or first-use or full'],
    ['--fast', "Unknown option '--fast'"],
    ['--kernels --networks', 'exclude each other'],
    ['--storage f8', '--storage is f8, should be f32 or f16'],
    ['--storage f16 --kernels', 'is for networks'],
  ]) {
    test(`${args} is refused`, () => {
      expect(() => parseFlags(args.split(' '))).toThrow(words);
    });
  }
});
