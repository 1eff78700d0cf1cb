import direct from '../../shaders/cam/fuse-maps.wgsl';
import { groupsFor, kernel } from './kernel.js';

export interface FuseOptions {
  /** `sum` adds weight x, `max` keeps the larger of what is there and weight x. */
  readonly mode: 'sum' | 'max';
  readonly weight?: number;
  /** Whether this is the first map, which starts from 0. */
  readonly first: boolean;
}

/** Takes one map into a fusion of several. x any shape -> y as x (record with `into`). */
export const fuseMaps = kernel({
  name: 'fuseMaps',
  reads: { x: '*' },
  results: { y: '*' },
  derive: (_sizes, { mode, weight = 1, first }: FuseOptions) => ({
    MODE: mode === 'max' ? 1 : 0,
    WEIGHT: weight,
    FIRST: first ? 1 : 0,
  }),
  flops: ({ SIZE }) => 2 * SIZE,
  variants: [{ name: 'direct', code: direct, groups: ({ SIZE }) => groupsFor(SIZE, 64) }],
});
