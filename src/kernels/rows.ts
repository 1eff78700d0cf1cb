import { groupsFor, type Sizes, type Variant } from './kernel.js';

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
 * A variant for software adapters and rows of D elements, which it reads by fours: an invocation takes a row alone, without barriers (layer norm of
 * 6304 rows of 96 on SwiftShader: 4 ms in place of 20).
 */
export const rowOfFours = (code: string): Variant => ({
  name: 'row',
  code,
  on: 'software',
  fits: ({ D }) => D % 4 === 0,
  groups: ({ M, LANES }) => groupsFor(M, LANES),
});

/**
 * Variants of a kernel whose workgroups take a row of C elements each. On a CPU barriers are dear, and a row is one core's work however many lanes
 * it has: four do (softmax of 600 rows of 197 on SwiftShader: 5 ms of CPU instead of 75).
 *
 * @param subgroup The same with subgroup operations, for {@link subgroupVariant}.
 * @param single The same with an invocation a row, for software adapters where rows are many: no barrier at all.
 */
export const rowVariants = (
  code: string,
  { subgroup, single }: { readonly subgroup?: string; readonly single?: string } = {},
): readonly Variant[] => [
  ...(subgroup === undefined ? [] : [subgroupVariant(subgroup, perRow)]),
  ...(single === undefined ? [] : [singleVariant(single)]),
  { name: 'narrow', code, on: 'software', tuning: () => ({ GX: 4 }), groups: perRow },
  { name: 'tree', code, tuning: rowWidth, groups: perRow },
];

const singleVariant = (code: string): Variant => ({
  name: 'row',
  code,
  on: 'software',
  // Both cores of a small machine have work only then.
  pays: ({ N }) => N >= 32,
  groups: ({ N, LANES }) => groupsFor(N, LANES),
});
