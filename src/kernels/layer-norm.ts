import rows from '../../shaders/norm/layer-norm.wgsl';
import moments from '../../shaders/norm/layer-norm-moments.wgsl';
import momentsSubgroup from '../../shaders/norm/layer-norm-moments-subgroup.wgsl';
import single from '../../shaders/norm/layer-norm-row.wgsl';
import rowsSubgroup from '../../shaders/norm/layer-norm-subgroup.wgsl';
import { ShapeError } from '../errors.js';
import { kernel, treeVariants } from './kernel.js';
import { rowOfFours, subgroupVariant } from './rows.js';

export interface LayerNormOptions {
  /** Added to the variance; default 1e-6, as vision transformers have it. */
  readonly eps?: number;
}

/** The `EPS` constant of layer norms; must be a finite number above 0. */
export function layerNormEpsilon(kernelName: string, { eps = 1e-6 }: LayerNormOptions) {
  if (!(eps > 0 && Number.isFinite(eps))) {
    throw new ShapeError(`${kernelName}: eps is ${eps}, should be a finite number above 0`);
  }
  return { EPS: eps };
}

/**
 * Layer normalisation over the last axis with weight and bias; variance biased, as PyTorch's LayerNorm.
 *
 * x [M,D], w b [D] -> y [M,D].
 */
export const layerNorm = kernel({
  name: 'layerNorm',
  reads: { x: 'M D', w: 'D', b: 'D' },
  results: { y: 'M D' },
  derive: (_sizes, options: LayerNormOptions) => layerNormEpsilon('layerNorm', options),
  flops: ({ M, D }) => 9 * M * D,
  variants: [
    subgroupVariant(rowsSubgroup, ({ M }) => M),
    rowOfFours(single),
    ...treeVariants(rows, ({ M }) => M),
  ],
});

/**
 * What `layerNorm` subtracts from each row and multiplies it with: mean, what rounding left of it, 1 / sqrt(variance + eps).
 *
 * x [M,D] -> moments [M,3].
 */
export const layerNormMoments = kernel({
  name: 'layerNormMoments',
  reads: { x: 'M D' },
  results: { moments: 'M 3' },
  derive: (_sizes, options: LayerNormOptions) => layerNormEpsilon('layerNormMoments', options),
  flops: ({ M, D }) => 6 * M * D,
  variants: [
    subgroupVariant(momentsSubgroup, ({ M }) => M),
    ...treeVariants(moments, ({ M }) => M),
  ],
});
