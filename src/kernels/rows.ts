import type { Sizes, Variant } from './kernel.js';

/** Tuning of kernels that give a workgroup to each row of C elements: a wide one where a row is long. */
export const rowWidth = ({ C }: Sizes) => ({ GX: C >= 4096 ? 256 : 64 });

const perRow: Variant['groups'] = ({ N }) => N;

/**
 * A variant for GPUs with subgroups whose workgroups take a row each (C or D elements): fewer barriers than a tree. Widths are not measured: about
 * eight elements an invocation.
 */
export const subgroupVariant = (code: string, groups: Variant['groups']): Variant => ({
  name: 'subgroup',
  code,
  on: 'gpu',
  needs: ({ features }) => features.has('subgroups'),
  tuning: ({ C, D }) => {
    const length = C ?? D;
    return { GX: length >= 4096 ? 256 : length >= 512 ? 128 : 64 };
  },
  groups,
});

/**
 * Variants of a kernel whose workgroups take a row of C elements each. On a CPU barriers are dear, and a row is one core's work however many lanes
 * it has: four do (softmax of 600 rows of 197 on SwiftShader: 5 ms of CPU instead of 75).
 *
 * @param subgroup The same with subgroup operations, for {@link subgroupVariant}.
 */
export const rowVariants = (code: string, subgroup?: string): readonly Variant[] => [
  ...(subgroup === undefined ? [] : [subgroupVariant(subgroup, perRow)]),
  { name: 'narrow', code, on: 'software', tuning: () => ({ GX: 4 }), groups: perRow },
  { name: 'tree', code, tuning: rowWidth, groups: perRow },
];
