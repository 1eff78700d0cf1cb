import type { Caps } from '../../src/gpu/caps.js';
import type { Gpu } from '../../src/gpu/device.js';

/** Has everything on a device recorded as for a GPU, whatever adapter it is of: every kernel runs on all. */
export function asGpu(gpu: Gpu): Gpu {
  const caps: Caps = { ...gpu.caps, kind: 'gpu', choices: undefined };
  Object.defineProperty(gpu, 'caps', { get: () => caps });
  return gpu;
}
