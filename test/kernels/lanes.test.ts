import { expect, test } from 'vitest';
import type { AnyKernel } from '../../src/kernels/kernel.js';
import { allKernels } from '../support/all-kernels.js';
import { runKernel, testCaps, useGpu } from '../support/gpu.js';
import { casesOf, inputsOf, variantsOf } from '../support/kernel-cases.js';
import { withCaps } from '../support/with-caps.js';

// Software adapters run four or eight invocations at once, and their variants make workgroups as wide. Who shares a workgroup changes nothing.

const { gpu } = useGpu();

/** Whether the device can run a shader with so wide workgroups: a quad's members must be neighbours in one subgroup. */
const canRun = (code: string, lanes: number): boolean =>
  !code.includes('enable subgroups') || (testCaps.lanes ?? 4) >= lanes;

const codeOf = ({ spec }: AnyKernel, variant: string): string =>
  spec.variants.find(({ name }) => name === variant.split('#')[0])!.code;

let seen = 0;
for (const kernel of allKernels) {
  const tried = new Set<string>();
  for (const c of casesOf(kernel)) {
    for (const variant of variantsOf(c, testCaps)) {
      const code = codeOf(kernel, variant);
      if (tried.has(variant) || !/\bLANES\b/.test(code) || !canRun(code, 8)) continue;
      // One case each, with so much to do that four lanes need two workgroups.
      const { workgroups } = withCaps(kernel, { lanes: 4 }).plan(c.reads, c.options, {
        ...{ caps: testCaps, variant },
      });
      if (workgroups[0] < 2) continue;
      tried.add(variant);
      seen++;
      test(`${c.name} (${variant}): the same bytes by 4 lanes and by 8`, async () => {
        const inputs = inputsOf(c);
        const made = [];
        for (const lanes of [4, 8]) {
          const by = withCaps(kernel, { lanes });
          const plan = by.plan(inputs, c.options, { caps: testCaps, variant });
          expect(plan.constants.LANES).toBe(lanes);
          made.push(await runKernel(gpu(), by, inputs, c.options, variant));
        }
        expect(made[1]).toEqual(made[0]);
        for (const data of Object.values(made[0]))
          expect(Array.from(data).every(Number.isFinite)).toBe(true);
      });
    }
  }
}

test('the variants for software adapters are among them', () => {
  expect(seen).toBeGreaterThanOrEqual(10);
});
