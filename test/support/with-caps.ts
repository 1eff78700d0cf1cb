import type { Caps } from '../../src/gpu/caps.js';
import { coreCaps } from '../../src/gpu/caps.js';
import type { Kernel } from '../../src/kernels/kernel.js';

/** The same kernel planned for another device than the one it is asked for. */
export function withCaps<Reads extends string, Results extends string, Options>(
  kernel: Kernel<Reads, Results, Options>,
  other: Partial<Caps> | ((caps: Caps) => Partial<Caps>),
): Kernel<Reads, Results, Options> {
  return {
    ...kernel,
    plan: (reads, options, settings = {}) => {
      const { caps = coreCaps } = settings;
      const changes = typeof other === 'function' ? other(caps) : other;
      return kernel.plan(reads, options, { ...settings, caps: { ...caps, ...changes } });
    },
  };
}
