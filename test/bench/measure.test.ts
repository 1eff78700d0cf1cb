import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { runBench } from '../../bench/bench.js';
import type { KernelCase } from '../../bench/cases.js';
import { ceilingCases, copyCeiling, fmaCeiling } from '../../bench/ceilings.js';
import { checkKernel, checkNetwork } from '../../bench/check.js';
import { type Clock, timeOnce, warmUp } from '../../bench/clock.js';
import { Ceilings, measureKernel, measureNetwork } from '../../bench/measure.js';
import { PreparedNet } from '../../bench/networks.js';
import { Prepared } from '../../bench/prepared.js';
import { coreCaps } from '../../src/gpu/caps.js';
import { Gpu } from '../../src/gpu/device.js';
import { kernel } from '../../src/kernels/kernel.js';
import { linear } from '../../src/kernels/linear.js';
import { runKernel, useGpu } from '../support/gpu.js';
import { misjudged } from '../support/misjudged.js';
import { random } from '../support/numbers.js';

const { gpu } = useGpu();

const wall: Clock = { kind: 'wall', description: 'wall clock', leastMs: 1 };
const small: KernelCase = {
  id: 'linear small',
  kernel: linear,
  reads: { x: [2, 12], w: [5, 12], b: [5] },
  options: {},
  uses: { some: 1 },
};

/** Doubles x; the better variant does so to all but the last element, or to all and a little. */
const faulty = (body: string) => {
  const code = (expression: string) => `
    override SIZE: u32;
    @group(0) @binding(0) var<storage, read> x: array<f32>;
    @group(0) @binding(1) var<storage, read_write> y: array<f32>;
    @compute @workgroup_size(1) fn main(@builtin(workgroup_id) wid: vec3u) { let i = wid.x; ${expression} }`;
  return {
    ...small,
    id: 'faulty',
    reads: { x: [9] },
    kernel: kernel({
      name: 'faulty',
      reads: { x: '*' },
      results: { y: '*' },
      variants: [
        { name: 'better', code: code(body), groups: ({ SIZE }) => SIZE },
        { name: 'naive', code: code('y[i] = 2.0 * x[i];'), groups: ({ SIZE }) => SIZE },
      ],
    }),
  };
};

describe('ceilings', () => {
  test('fma computes its chains', async () => {
    const x = random([67, 4]);
    const { y } = await runKernel(gpu(), fmaCeiling, { x }, { steps: 5 });
    x.data.forEach((m, i) => {
      let sum = 0;
      for (let chain = 0; chain < 8; chain++) {
        let a = m + chain / 8;
        for (let step = 0; step < 5; step++) a = a * m + m;
        sum += a;
      }
      expect(Math.abs(y[i] - sum)).toBeLessThan(1e-4);
    });
  });

  for (const rows of [1, 256, 1000]) {
    test(`copy copies ${rows} rows`, async () => {
      const x = random([rows, 4]);
      expect((await runKernel(gpu(), copyCeiling, { x })).y).toEqual(x.data);
    });
  }

  test('count every multiply-add, and every byte once each way', () => {
    const { fma, copy } = ceilingCases(coreCaps);
    expect(fmaCeiling.plan({ x: { shape: [10, 4] } }, { steps: 3 }).flops).toBe(10 * 4 * 8 * 3 * 2);
    expect(copyCeiling.plan({ x: { shape: [10, 4] } }).bytes).toBe(2 * 10 * 16);
    expect(copy.reads.x[0] * 16).toBe(coreCaps.limits.maxStorageBufferBindingSize);
    expect(fma.reads.x[1]).toBe(4);
  });
});

describe('check', () => {
  const wrongOf = async (source: KernelCase) => {
    const prepared = Prepared.make(gpu(), source);
    try {
      return await checkKernel(prepared);
    } finally {
      prepared.destroy();
    }
  };

  test('passes variants that agree', async () => {
    expect(await wrongOf(small)).toEqual([]);
    expect(await wrongOf(faulty('y[i] = x[i] + x[i];'))).toEqual([]);
  });

  for (const [what, body, words] of [
    ['an element that is not written', 'if (i + 1u < SIZE) { y[i] = 2.0 * x[i]; }', 'should be at'],
    ['a factor of 1.0001', 'y[i] = 2.0002 * x[i];', 'is 1.0e-4 from naive'],
    ['a sign', 'y[i] = -2.0 * x[i];', 'is 2.0e+0 from naive'],
  ]) {
    test(`finds ${what}`, async () => {
      const [wrong, ...more] = await wrongOf(faulty(body));
      expect(wrong).toContain('faulty (better): y is ');
      expect(wrong).toContain(words);
      expect(more).toEqual([]);
    });
  }

  test('finds a naive variant that computes nothing', async () => {
    const { kernel: k } = faulty('y[i] = 0.0;');
    const lazy = { ...faulty(''), kernel: kernel({ ...k.spec, variants: [k.spec.variants[0]] }) };
    expect(await wrongOf(lazy)).toEqual(['faulty (better): y is all zero or not finite']);
  });
});

describe('measuring', () => {
  test('repeats what is short, and tells the time of one', async () => {
    const prepared = Prepared.make(gpu(), small);
    const subject = { plan: prepared.plan('naive'), slots: prepared.slots };
    const repeats = await warmUp(gpu(), { ...wall, leastMs: 200 }, subject);
    expect(repeats).toBeGreaterThan(8);
    const start = performance.now();
    const ms = await timeOnce(gpu(), wall, subject, 64);
    expect(ms).toBeGreaterThan(0);
    expect(64 * ms).toBeLessThanOrEqual(performance.now() - start);
    prepared.destroy();
  });

  test('a kernel: every variant in every round, the ceilings beside it', async () => {
    const ceilings = await Ceilings.make(gpu(), wall);
    const prepared = Prepared.make(gpu(), small);
    const selection = { rounds: 2, variants: true };
    const all = await measureKernel(gpu(), wall, ceilings, prepared, selection);
    expect(all.map((m) => m.variant)).toEqual(prepared.variants);
    expect(all.filter((m) => m.picked).map((m) => m.variant)).toEqual([prepared.picked]);
    for (const m of all) {
      expect(m).toMatchObject({
        id: small.id,
        uses: { some: 1 },
        rounds: 2,
        flops: 2 * 2 * 5 * 12,
      });
      expect(m.minMs).toBeGreaterThan(0);
      expect(m.medianMs).toBeGreaterThanOrEqual(m.minMs);
      expect(m.fmaShare).toBeGreaterThan(0);
      expect(m.fmaShare).toBeLessThan(1);
    }
    const [picked] = await measureKernel(gpu(), wall, ceilings, prepared, { rounds: 1 });
    expect(picked.variant).toBe(prepared.picked);
    expect(ceilings.summary.gflops).toBeGreaterThan(0);
    prepared.destroy();
    ceilings.destroy();
  });

  test('a kernel on a tuned device: by the variant that was the fastest there', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'bench-tuned-'));
    vi.stubEnv('XDG_CACHE_HOME', folder);
    try {
      using tuned = await Gpu.request({ tune: 'first-use' });
      const source = { ...small, kernel: misjudged, reads: { x: [4096] } };
      const prepared = Prepared.make(tuned, source);
      expect(prepared.picked).toBe('slow');
      await prepared.settle();
      expect(prepared.picked).toBe('unpaid');
      expect(tuned.tuner!.measured).toHaveLength(1);
      prepared.destroy();
      const lines: string[] = [];
      const host = { say: (line: string) => void lines.push(line), progress: () => {} };
      const selection = { only: '^softmax', rounds: 1 };
      const { measurements } = await runBench(tuned, selection, host);
      const [, { winner }] = tuned.tuner!.measured;
      expect(measurements).toMatchObject([{ variant: winner, picked: true }]);
      expect(lines).toContain('tuned (first-use): 2 choices timed in this run');
    } finally {
      vi.unstubAllEnvs();
      await rm(folder, { recursive: true, force: true });
    }
  });

  test('a network: checked, measured, and nothing left on the device', async () => {
    const held = gpu().liveBytes;
    const ceilings = await Ceilings.make(gpu(), wall);
    const source = { id: 'toy', network: 'toy_vgg', pass: 'grad-cam', batch: 1 } as const;
    const prepared = PreparedNet.make(gpu(), source);
    expect(await checkNetwork(prepared)).toEqual([]);
    const m = await measureNetwork(wall, ceilings, prepared, { rounds: 1 });
    expect(m).toMatchObject({ part: 'network', rounds: 1, picked: true });
    expect(m.dispatches).toBeGreaterThan(10);
    expect(m.peakBytes).toBeGreaterThan(3 * 112 * 112 * 4);
    expect(m.gpuMs).toBeUndefined();
    prepared.destroy();
    ceilings.destroy();
    expect(gpu().liveBytes).toBe(held);
  });
});
