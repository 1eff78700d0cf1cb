import direct from '../../shaders/image/add-noise.wgsl';
import { groupsFor, kernel } from './kernel.js';

/**
 * Adds repeatable, nearly normal noise, the same to every image. x [N,C,H,W], noise [2] (see {@link noiseOf}) -> y [N,C,H,W].
 */
export const addNoise = kernel({
  name: 'addNoise',
  reads: { x: 'N C H W', noise: '2' },
  results: { y: 'N C H W' },
  dtypes: { noise: 'u32' },
  derive: ({ N, C, H, W }) => ({ SIZE: N * C * H * W }),
  flops: ({ SIZE }) => 14 * SIZE,
  variants: [{ name: 'direct', code: direct, groups: ({ SIZE }) => groupsFor(SIZE, 64) }],
});

/** The `noise` input of {@link addNoise}: a name that seeds it (FNV-1a), and the standard deviation. */
export function noiseOf(name: string, sigma: number): Uint32Array {
  let seed = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) seed = Math.imul(seed ^ byte, 0x01000193);
  return new Uint32Array([seed, new Uint32Array(new Float32Array([sigma]).buffer)[0]]);
}
