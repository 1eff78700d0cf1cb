import direct from '../../shaders/activation/add-product.wgsl';
import { groupsFor, kernel } from './kernel.js';

export interface AddProductOptions {
  /** Whether this is the first product, which overwrites. */
  readonly first: boolean;
}

/** Adds an elementwise product to those before it. a [*], b [*] -> y [*], the shape of a (record with `into` after the first). */
export const addProduct = kernel({
  name: 'addProduct',
  reads: { a: '*', b: '*' },
  results: { y: '*' },
  derive: (_sizes, { first }: AddProductOptions) => ({ FIRST: first ? 1 : 0 }),
  flops: ({ SIZE }) => 2 * SIZE,
  variants: [{ name: 'direct', code: direct, groups: ({ SIZE }) => groupsFor(SIZE, 64) }],
});
