import type { Recorder } from '../gpu/recorder.js';
import type { Tensor } from '../gpu/tensor.js';
import type { Value } from '../gpu/value.js';
import { pointerJump } from './pointer-jump.js';
import { quickshiftDensity } from './quickshift-density.js';
import { quickshiftParents } from './quickshift-parents.js';
import { type NormalisedOptions, rgbToLab } from './rgb-to-lab.js';
import { rootFlags } from './root-flags.js';
import { rootLabels } from './root-labels.js';
import { scanRows } from './scan-rows.js';
import type { Segmentation } from './slic.js';

export interface QuickshiftOptions extends NormalisedOptions {
  /** Standard deviation, in pixels, of the Gaussian of the density; 4 by default. Larger: fewer superpixels, dearer. */
  readonly kernelSize?: number | undefined;
  /** Links longer than that, in pixels and `ratio` times Lab, are cut; 200 by default. */
  readonly maxDist?: number | undefined;
  /** Weight of colour against place; 0.2 by default. */
  readonly ratio?: number | undefined;
  /** Labels lie below it, 256 by default: superpixel `most` shares the label of superpixel 0, and so on. */
  readonly most?: number | undefined;
}

/**
 * Records quickshift superpixels: A. Vedaldi and S. Soatto, "Quick Shift and Kernel Methods for Mode Seeking", ECCV 2008: each pixel hangs on
 * the nearest denser one, a tree is a superpixel. The defaults are those of LIME's authors.
 *
 * image [N,3,H,W], normalised with `mean` and `std` -> labels [N,H,W], `segments` = `most`. Superpixels are numbered in the order of
 * their roots. How many there are is known on the GPU only; nothing is read back.
 *
 * As scikit-image's, without its smoothing (0 by default) and without random noise: ties go to the pixel of lower index, so an even area is
 * one superpixel.
 *
 * @throws ShapeError on an image that is not [N,3,H,W] or an option out of range.
 */
export function quickshift(
  r: Recorder,
  image: Value | Tensor,
  options: QuickshiftOptions = {},
): Segmentation {
  const { kernelSize = 4, maxDist = 200, ratio = 0.2, most = 256, mean, std } = options;
  const lab = r.k(rgbToLab, { x: image }, { mean, std });
  const [N, , H, W] = lab.shape;
  const density = r.k(quickshiftDensity, { lab }, { kernelSize, ratio });
  const forest = r.k(quickshiftParents, { lab, density }, { kernelSize, ratio, maxDist });
  let roots = forest.reshape([N, H * W]);
  const numbers = r.k(scanRows, { x: r.k(rootFlags, { parents: roots }) });
  // A path has fewer than H W links; each jump halves it.
  for (let length = 1; length < H * W; length *= 2) roots = r.k(pointerJump, { parents: roots });
  const labels = r.k(rootLabels, { roots, numbers }, { most }).reshape([N, H, W]);
  return { labels, segments: most };
}
