import direct from '../../shaders/cam/repeat-rows.wgsl';
import { ShapeError } from '../errors.js';
import { groupsFor, kernel } from './kernel.js';

/** Each row several times, its copies next to each other. x [N,C] -> y [N copies, C]. */
export const repeatRows = kernel({
  name: 'repeatRows',
  reads: { x: 'N C' },
  results: { y: 'M C' },
  derive: ({ N }, { copies }: { readonly copies: number }) => {
    if (!Number.isInteger(copies) || copies < 1) {
      throw new ShapeError(`repeatRows: copies is ${copies}, should be a whole number from 1 on`);
    }
    return { M: N * copies, COPIES: copies };
  },
  variants: [{ name: 'direct', code: direct, groups: ({ M, C }) => groupsFor(M * C, 64) }],
});
