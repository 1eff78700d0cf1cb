import alongAxis from '../../shaders/image/gaussian-blur.wgsl';
import { ShapeError } from '../errors.js';
import { groupsFor, kernel } from './kernel.js';

/**
 * Half of a separable blur: a weighted mean along each row. x [N,C,H,W], w [S] (see {@link gaussianWeights}; S odd) -> y [N,C,H,W].
 *
 * Mirrored at the border without repeating the edge (-1 -> 1), as kornia and torchvision do; they refuse a side of (S - 1) / 2
 * or less, here it is mirrored as often as it takes, as NumPy's `pad` does. A NaN reaches as far as the weights do.
 */
export const blurRows = kernel({
  name: 'blurRows',
  reads: { x: 'N C H W', w: 'S' },
  results: { y: 'N C H W' },
  derive: ({ N, C, H, W, S }) => ({ ...axisOf('blurRows', S, W, 1), SIZE: N * C * H * W }),
  flops: ({ SIZE, S }) => 2 * SIZE * S,
  variants: [{ name: 'direct', code: alongAxis, groups: ({ SIZE }) => groupsFor(SIZE, 64) }],
});

/** The other half of a blur: along each column. x [N,C,H,W], w [R] -> y [N,C,H,W]; border and sizes as for {@link blurRows}. */
export const blurColumns = kernel({
  name: 'blurColumns',
  reads: { x: 'N C H W', w: 'R' },
  results: { y: 'N C H W' },
  derive: ({ N, C, H, W, R }) => ({ ...axisOf('blurColumns', R, H, W), SIZE: N * C * H * W }),
  flops: ({ SIZE, R }) => 2 * SIZE * R,
  variants: [{ name: 'direct', code: alongAxis, groups: ({ SIZE }) => groupsFor(SIZE, 64) }],
});

function axisOf(kernelName: string, taps: number, side: number, step: number) {
  if (taps % 2 === 0) {
    throw new ShapeError(`${kernelName}: w [${taps}] should have an odd number of weights`);
  }
  return { TAPS: taps, SIDE: side, STEP: step };
}

/**
 * Weights of a Gaussian blur, to be used along both axes: exp(-d^2 / (2 sigma^2)) for d from -(size - 1) / 2 on, of sum 1; in float64,
 * rounded once. The defaults are those of Group-CAM, RISE and MSG-CAM.
 *
 * @throws ShapeError unless `size` is odd and positive and `sigma` is positive.
 */
export function gaussianWeights(size = 51, sigma = 50): Float32Array {
  if (!Number.isInteger(size) || size < 1 || size % 2 === 0) {
    throw new ShapeError(`gaussianWeights: size is ${size}, should be odd and at least 1`);
  }
  if (!(sigma > 0)) {
    throw new ShapeError(`gaussianWeights: sigma is ${sigma}, should be more than 0`);
  }
  const radius = (size - 1) / 2;
  const weights = Float64Array.from({ length: size }, (_, i) =>
    Math.exp(-(((i - radius) / sigma) ** 2) / 2),
  );
  const sum = weights.reduce((a, b) => a + b, 0);
  return Float32Array.from(weights, (w) => w / sum);
}
