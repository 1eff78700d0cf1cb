import naive from '../../shaders/winograd/winograd-product.wgsl';
import block from '../../shaders/winograd/winograd-product-block.wgsl';
import outer from '../../shaders/winograd/winograd-product-outer.wgsl';
import { groupsFor, kernel } from './kernel.js';
import { winogradProducts } from './winograd-shape.js';

/**
 * The products of Winograd's convolution: for each of the A places in a tile, transformed filters times transformed tiles.
 *
 * u [A,K/16,C,16], v [A,tiles/16,C,16] -> m [A,K/16,tiles/16,16,16].
 */
export const winogradProduct = kernel({
  name: 'winogradProduct',
  reads: { u: 'A KB CP 16', v: 'A TB CP 16' },
  results: { m: 'A KB TB 16 16' },
  flops: (sizes) => 2 * winogradProducts(sizes),
  variants: [
    {
      name: 'block',
      code: block,
      on: 'gpu',
      groups: ({ A, KB, TB }) => A * groupsFor(KB, 4) * groupsFor(TB, 4),
    },
    {
      name: 'outer',
      code: outer,
      on: 'software',
      fits: ({ CP }) => CP % 4 === 0,
      groups: ({ A, KB, TB, LANES }) => groupsFor(A * KB * TB, LANES),
    },
    { name: 'naive', code: naive, groups: ({ A, KB, TB }) => A * KB * TB * 4 },
  ],
});
