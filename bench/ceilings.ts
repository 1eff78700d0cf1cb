import type { Caps } from '../src/gpu/caps.js';
import { groupsFor, kernel } from '../src/kernels/kernel.js';
import type { KernelCase } from './cases.js';
import copy from './ceilings/copy.wgsl';
import fma from './ceilings/fma.wgsl';

/** Independent chains an invocation of `fma.wgsl` keeps going. */
const chains = 8;

/** What the adapter's arithmetic can do at most. x [T,4] -> y [T,4], option `steps`: length of each chain. */
export const fmaCeiling = kernel({
  name: 'fmaCeiling',
  reads: { x: 'T 4' },
  results: { y: 'T 4' },
  derive: (_, { steps }: { readonly steps: number }) => ({ STEPS: steps }),
  flops: ({ T, STEPS }) => T * STEPS * chains * 4 * 2,
  variants: [{ name: 'vec4', code: fma, groups: ({ T }) => groupsFor(T, 64) }],
});

/** What the adapter's memory can do at most. x [T,4] -> y [T,4]. */
export const copyCeiling = kernel({
  name: 'copyCeiling',
  reads: { x: 'T 4' },
  results: { y: 'T 4' },
  variants: [{ name: 'vec4', code: copy, groups: ({ T }) => groupsFor(T, 256) }],
});

/**
 * The two ceilings at sizes that fill the adapter: many threads with short chains on a GPU, the reverse on a CPU; a copy larger than
 * the caches where a binding may be that large.
 */
export function ceilingCases({ kind, limits }: Caps): { fma: KernelCase; copy: KernelCase } {
  const isGpu = kind === 'gpu';
  const copyBytes = Math.min(limits.maxStorageBufferBindingSize, (isGpu ? 256 : 32) * 1024 * 1024);
  return {
    fma: {
      id: 'fma ceiling',
      kernel: fmaCeiling,
      reads: { x: [isGpu ? 262_144 : 4096, 4] },
      options: { steps: isGpu ? 1024 : 256 },
      uses: {},
    },
    copy: {
      id: 'copy ceiling',
      kernel: copyCeiling,
      reads: { x: [Math.floor(copyBytes / 16), 4] },
      options: {},
      uses: {},
    },
  };
}
