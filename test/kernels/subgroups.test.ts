/**
 * Variants that add by subgroups, for subgroups of every size that WebGPU allows: a device has one or two of them, so here the shaders run with the
 * operations written out. On the device's own they run in the kernels' tests; that compilers take them as they stand is tested in test/gpu/shaders.test.ts.
 */
import { expect, test } from 'vitest';
import type { ReadsOf } from '../../src/gpu/dispatch.js';
import type { Kernel } from '../../src/kernels/kernel.js';
import { layerNorm, layerNormMoments } from '../../src/kernels/layer-norm.js';
import { layerNormBackward } from '../../src/kernels/layer-norm-backward.js';
import { linear } from '../../src/kernels/linear.js';
import { rowDot } from '../../src/kernels/row-dot.js';
import { logSoftmax, softmax } from '../../src/kernels/softmax.js';
import { logSoftmaxBackward, softmaxBackward } from '../../src/kernels/softmax-backward.js';
import { meanRows, sumRows } from '../../src/kernels/sum-rows.js';
import { allKernels } from '../support/all-kernels.js';
import { type Ndarray, runKernel, useGpu } from '../support/gpu.js';
import { random, relativeL2 } from '../support/numbers.js';
import { type Subgroups, subgroupsWrittenOut } from '../support/subgroups.js';
import { withCaps } from '../support/with-caps.js';

const { gpu } = useGpu();

/** Sizes of subgroups, 4 to 128; every second time their members lie apart. */
const sizes = [4, 8, 16, 32, 64, 128].map(
  (size, i): Subgroups => ({ size, of: i % 2 === 0 ? 'strangers' : 'neighbours' }),
);

interface Case {
  readonly kernel: Kernel<string, string, never>;
  readonly reads: ReadsOf<string, Ndarray>;
  readonly options?: object;
  readonly variant?: string;
  /** One that adds in another way. */
  readonly plain: string;
}

const of = <Reads extends string, Results extends string, Options>(
  kernel: Kernel<Reads, Results, Options>,
  reads: ReadsOf<Reads, Ndarray>,
  { plain = 'tree', variant = 'subgroup', options = {} as Options } = {},
): Case => ({
  kernel: kernel as never,
  reads: reads as never,
  plain,
  variant,
  options: options as object,
});

// 37 and 77 elements: some invocations have one more than others, or one and others none. 515 are for workgroups of 128.
const [a, b, wide] = [random([3, 77], 1), random([3, 77], 2), random([2, 515], 3)];
const [w, c] = [random([77], 4), random([77], 5)];
const cases: readonly Case[] = [
  of(sumRows, { x: a }),
  of(meanRows, { x: random([5, 37], 6) }),
  of(rowDot, { a, b }),
  of(softmax, { x: a }),
  of(logSoftmax, { x: wide }),
  of(softmaxBackward, { dy: a, y: b }),
  of(logSoftmaxBackward, { dy: wide, y: wide }),
  of(layerNorm, { x: a, w, b: c }),
  of(layerNormMoments, { x: wide }),
  of(layerNormBackward, { dy: a, x: b, w }),
  ...[1, 3].map((rows) =>
    of(
      linear,
      // 24 and 75 fours.
      { x: random([rows, rows === 3 ? 300 : 96], 7), w: random([9, rows === 3 ? 300 : 96], 8) },
      { variant: 'gemv-subgroup', plain: 'naive' },
    ),
  ),
];

/** Planned for GPUs with subgroups, and without subgroups to run. */
const written = (kernel: Case['kernel'], subgroups: Subgroups): Case['kernel'] => {
  const able = withCaps(kernel, ({ features }) => ({
    features: new Set([...features, 'subgroups']),
  }));
  return {
    ...able,
    plan: (...given) => {
      const plan = able.plan(...given);
      const { GX = 64 } = plan.constants;
      return { ...plan, code: subgroupsWrittenOut(plan.code, subgroups, GX) };
    },
  };
};

for (const { kernel, reads, options, variant, plain } of cases) {
  const [shape] = Object.values(reads).map((read) => read?.shape);
  test(`${kernel.name} ${variant} of [${shape}]`, { timeout: 120_000 }, async () => {
    const expected = await runKernel(gpu(), kernel, reads, options as never, plain);
    for (const subgroups of sizes) {
      const got = await runKernel(
        gpu(),
        written(kernel, subgroups),
        reads,
        options as never,
        variant,
      );
      for (const name of kernel.resultNames) {
        const error = relativeL2(got[name], expected[name]);
        expect
          .soft(error, `${name}, subgroups of ${subgroups.size} ${subgroups.of}`)
          .toBeLessThan(1e-6);
      }
    }
  });
}

test('every shader for GPUs that adds by subgroups is here', () => {
  const adding = allKernels.flatMap(({ name, spec }) =>
    spec.variants
      .filter(({ on, code }) => on === 'gpu' && /\bsubgroupAdd\(/.test(code))
      .map((variant) => `${name} ${variant.name}`),
  );
  const run = cases.map(({ kernel, variant }) => `${kernel.name} ${variant}`);
  expect(adding.length).toBeGreaterThan(5);
  expect(adding.filter((name) => !run.includes(name))).toEqual([]);
});
