import rows from '../../shaders/norm/layer-norm-backward.wgsl';
import parameters from '../../shaders/norm/layer-norm-backward-params.wgsl';
import single from '../../shaders/norm/layer-norm-backward-row.wgsl';
import subgroup from '../../shaders/norm/layer-norm-backward-subgroup.wgsl';
import { groupsFor, kernel, treeVariants } from './kernel.js';
import { type LayerNormOptions, layerNormEpsilon } from './layer-norm.js';
import { rowOfFours, subgroupVariant } from './rows.js';

/** Gradient of `layerNorm` with respect to its input. dy x [M,D], w [D] -> dx [M,D]. */
export const layerNormBackward = kernel({
  name: 'layerNormBackward',
  reads: { dy: 'M D', x: 'M D', w: 'D' },
  results: { dx: 'M D' },
  derive: (_sizes, options: LayerNormOptions) => layerNormEpsilon('layerNormBackward', options),
  flops: ({ M, D }) => 20 * M * D,
  variants: [
    subgroupVariant(subgroup, ({ M }) => M),
    rowOfFours(single),
    ...treeVariants(rows, ({ M }) => M),
  ],
});

/**
 * Gradient of `layerNorm` with respect to weight and bias, from the moments that {@link layerNormMoments} gives.
 *
 * dy x [M,D], moments [M,3] -> dw db [D].
 */
export const layerNormBackwardParams = kernel({
  name: 'layerNormBackwardParams',
  reads: { dy: 'M D', x: 'M D', moments: 'M 3' },
  results: { dw: 'D', db: 'D' },
  flops: ({ M, D }) => 6 * M * D,
  variants: [
    {
      name: 'narrow',
      code: parameters,
      on: 'software',
      tuning: () => ({ GX: 4, GY: 1 }),
      groups: ({ D }) => groupsFor(D, 4),
    },
    { name: 'tree', code: parameters, groups: ({ D }) => groupsFor(D, 16) },
  ],
});
