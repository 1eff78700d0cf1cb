/** GPUs' tiles, which wait at barriers, take a software adapter a second and more to compile, and each case is a pipeline of its own: they run some of the cases. */
import type { AnyKernel, Variant } from '../../src/kernels/kernel.js';

const variantOf = ({ spec }: AnyKernel, name: string): Variant =>
  spec.variants.find((variant) => variant.name === name.split('#')[0])!;

/** Whether a variant, by its name, is made for GPUs and waits at barriers. */
export function isSlowToCompile(kernel: AnyKernel, name: string): boolean {
  const { on, code } = variantOf(kernel, name);
  return on === 'gpu' && code.includes('workgroupBarrier');
}

/** Whether a variant runs case number i: those that are slow to compile run every second one, neighbours in the kernel's list in turn. */
export const hasTurn = (kernel: AnyKernel, name: string, i: number): boolean =>
  !isSlowToCompile(kernel, name) ||
  (i + kernel.spec.variants.indexOf(variantOf(kernel, name))) % 2 === 0;
