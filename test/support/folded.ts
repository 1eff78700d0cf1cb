import type { Caps } from '../../src/gpu/caps.js';
import { coreCaps } from '../../src/gpu/caps.js';
import type { Kernel } from '../../src/kernels/kernel.js';

/** The same kernel planned for a device of at most 3 workgroups a dimension: small cases then fold into two. */
export function folded<Reads extends string, Results extends string, Options>(
  kernel: Kernel<Reads, Results, Options>,
): Kernel<Reads, Results, Options> {
  const narrow = (caps: Caps): Caps => ({
    ...caps,
    limits: { ...caps.limits, maxComputeWorkgroupsPerDimension: 3 },
  });
  return {
    ...kernel,
    plan: (reads, options, settings = {}) => {
      const plan = kernel.plan(reads, options, {
        ...settings,
        caps: narrow(settings.caps ?? coreCaps),
      });
      if (plan.workgroups[1] < 2) {
        throw new Error(`${kernel.name}: ${plan.workgroups[0]} workgroups do not fold: use more`);
      }
      return plan;
    },
  };
}
