import type { Caps, MatrixShape } from '../gpu/caps.js';
import type { Storage } from '../gpu/tensor.js';
import type { Variant } from './kernel.js';

/** Sides of the matrices that there are variants for, the larger first. */
const sides = [16, 8] as const;

/** Whether a device's subgroups multiply matrices of elements stored so, into sums of 32 bits, in a shape that there is a variant for. */
export const hasMatrices = (caps: Caps, storage: Storage): boolean =>
  sides.some((side) => hasMatricesOf(side, caps, storage));

function hasMatricesOf(side: number, { features, matrices = [] }: Caps, from: Storage): boolean {
  const isSuch = ({ M, N, K, componentType, resultComponentType }: MatrixShape) =>
    [M, N, K].every((size) => size === side) &&
    componentType === from &&
    resultComponentType === 'f32';
  return features.has('subgroups') && matrices.some(isSuch);
}

/** `matrix-16` and `matrix-8`: one shader for products of matrices within a subgroup, whose line `const SIDE = 8u;` says of which side. */
export const matrixVariants = (
  code: string,
  variant: Pick<Variant, 'pays' | 'groups'>,
): readonly Variant[] =>
  sides.map((side) => ({
    name: `matrix-${side}`,
    code: code.replace('const SIDE = 8u;', `const SIDE = ${side}u;`),
    on: 'gpu',
    needs: (caps, storage) => hasMatricesOf(side, caps, storage),
    ...variant,
  }));
