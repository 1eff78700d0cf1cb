import type { Sizes, Variant } from './kernel.js';

/** Tuning of kernels that give a workgroup to each row of C elements: a wide one where a row is long. */
export const rowWidth = ({ C }: Sizes) => ({ GX: C >= 4096 ? 256 : 64 });

const perRow: Variant['groups'] = ({ N }) => N;

/**
 * Variants of a kernel whose workgroups take a row of C elements each. On a CPU barriers are dear, and a row is one core's work however many lanes
 * it has: four do (softmax of 600 rows of 197 on SwiftShader: 5 ms of CPU instead of 75).
 */
export const rowVariants = (code: string): readonly Variant[] => [
  { name: 'narrow', code, on: 'software', tuning: () => ({ GX: 4 }), groups: perRow },
  { name: 'tree', code, tuning: rowWidth, groups: perRow },
];
