import direct from '../../shaders/template-family/template-name.wgsl';
import { ShapeError } from '../errors.js';
import { groupsFor, kernel } from './kernel.js';

export interface TemplateNameOptions {
  /** Times which each square is taken; 1 by default. */
  readonly factor?: number;
}

/** Each element squared, times a factor. x [*] -> y [*]. */
export const templateName = kernel({
  name: 'templateName',
  reads: { x: '*' },
  results: { y: '*' },
  derive: (_sizes, { factor = 1 }: TemplateNameOptions) => {
    if (!Number.isFinite(factor)) {
      throw new ShapeError(`templateName: factor is ${factor}, should be a finite number`);
    }
    return { FACTOR: factor };
  },
  flops: ({ SIZE }) => 2 * SIZE,
  variants: [{ name: 'direct', code: direct, groups: ({ SIZE }) => groupsFor(SIZE, 64) }],
});
