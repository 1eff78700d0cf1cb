import { type Caps, coreCaps, coreLimits } from '../../src/gpu/caps.js';
import type { Gpu } from '../../src/gpu/device.js';
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

/** Of a GPU that binds VGG-16's first linear layer in one piece, or what its first convolution makes of 32 images. */
export const roomyCaps: Caps = {
  ...coreCaps,
  limits: { ...coreLimits, maxStorageBufferBindingSize: 2 ** 30, maxBufferSize: 2 ** 30 },
};

/** What a device can do, for plans such as a GPU of its limits gets. */
export const gpuCaps = (caps: Caps): Caps => ({ ...caps, kind: 'gpu', choices: undefined });

/** Has everything on a device recorded as for a GPU, whatever adapter it is of: every kernel runs on all. */
export function asGpu(gpu: Gpu): Gpu {
  const caps = gpuCaps(gpu.caps);
  Object.defineProperty(gpu, 'caps', { get: () => caps });
  return gpu;
}
