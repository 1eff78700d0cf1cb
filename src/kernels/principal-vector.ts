import iterate from '../../shaders/cam/principal-vector.wgsl';
import { ShapeError } from '../errors.js';
import { kernel } from './kernel.js';

/** Elements of workgroup memory that core limits allow, less the partial sums. */
const largest = 2048;

/** First eigenvector, of length 1, of symmetric positive matrices. x [N,M,M] -> v [N,M], M at most 2048. */
export const principalVector = kernel({
  name: 'principalVector',
  reads: { x: 'N M M' },
  results: { v: 'N M' },
  derive: ({ M }, { rounds = 32 }: { readonly rounds?: number }) => {
    if (M > largest)
      throw new ShapeError(`principalVector: M is ${M}, should be at most ${largest}`);
    return { ROUNDS: rounds };
  },
  flops: ({ N, M, ROUNDS }) => 2 * N * M * M * ROUNDS,
  variants: [
    {
      name: 'power',
      code: iterate,
      // A matrix has one workgroup, however large.
      tuning: (_, { kind }) => ({ GX: kind === 'gpu' ? 256 : 64 }),
      groups: ({ N }) => N,
    },
  ],
});
