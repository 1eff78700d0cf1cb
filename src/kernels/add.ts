import direct from '../../shaders/activation/add.wgsl';
import { type Activation, activationCode, groupsFor, kernel } from './kernel.js';

export interface AddOptions {
  /** Applied to each sum. */
  readonly act?: Activation;
}

/** Elementwise sum, with an activation. a [*], b [*] -> y [*], the shape of a. */
export const add = kernel({
  name: 'add',
  reads: { a: '*', b: '*' },
  results: { y: '*' },
  derive: (_sizes, { act }: AddOptions) => ({ ACT: activationCode(act) }),
  flops: ({ SIZE }) => SIZE,
  variants: [{ name: 'direct', code: direct, groups: ({ SIZE }) => groupsFor(SIZE, 64) }],
});
