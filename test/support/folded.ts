import type { Kernel } from '../../src/kernels/kernel.js';
import { withCaps } from './with-caps.js';

/** The same kernel planned for a device of at most 3 workgroups a dimension: small cases then fold into two. */
export function folded<Reads extends string, Results extends string, Options>(
  kernel: Kernel<Reads, Results, Options>,
): Kernel<Reads, Results, Options> {
  const narrow = withCaps(kernel, ({ limits }) => ({
    limits: { ...limits, maxComputeWorkgroupsPerDimension: 3 },
  }));
  return {
    ...kernel,
    plan: (reads, options, settings) => {
      const plan = narrow.plan(reads, options, settings);
      if (plan.workgroups[1] < 2) {
        throw new Error(`${kernel.name}: ${plan.workgroups[0]} workgroups do not fold: use more`);
      }
      return plan;
    },
  };
}
