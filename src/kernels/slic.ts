import { ShapeError } from '../errors.js';
import type { Recorder } from '../gpu/recorder.js';
import type { Tensor } from '../gpu/tensor.js';
import type { Value } from '../gpu/value.js';
import { type NormalisedOptions, rgbToLab } from './rgb-to-lab.js';
import { type SlicGrid, slicAssign } from './slic-assign.js';
import { slicTidy } from './slic-tidy.js';
import { slicUpdate } from './slic-update.js';

/** A division of each image of a batch into superpixels. */
export interface Segmentation {
  /** Each pixel's superpixel [N,H,W] (u32), below `segments`. */
  readonly labels: Value;
  /** How many there may be in an image, known before anything runs; some may have no pixels. */
  readonly segments: number;
}

export interface SlicOptions extends NormalisedOptions {
  /** About how many superpixels; 50 by default, at most the number of pixels. */
  readonly segments?: number | undefined;
  /** Weight of place against colour (Lab, L of 0 .. 100): 10 by default; larger ones are squarer. */
  readonly compactness?: number | undefined;
  /** Rounds of assigning pixels and moving centres, 10 by default. */
  readonly iterations?: number | undefined;
}

/**
 * Records SLIC superpixels: R. Achanta et al., "SLIC Superpixels Compared to State-of-the-art Superpixel Methods", PAMI 2012; k-means in
 * colour and place, from a grid, each pixel looking only at the centres around it.
 *
 * image [N,3,H,W], normalised with `mean` and `std` -> labels [N,H,W], `segments` = rows x columns of the {@link slicStart} grid.
 *
 * No atomics, no random numbers: the same again on the same device; devices differ in pixels equally near to two centres within
 * rounding. Two rounds of {@link slicTidy} (radius 2) follow in place of the paper's relabelling of connected parts: specks and hairs
 * go, a larger island keeps the label of its superpixel, so that no label is added and every label lies below `segments`.
 *
 * @throws ShapeError on an image that is not [N,3,H,W] or an option out of range.
 */
export function slic(r: Recorder, image: Value | Tensor, options: SlicOptions = {}): Segmentation {
  const { segments = 50, compactness = 10, iterations = 10, mean, std } = options;
  if (!Number.isInteger(iterations) || iterations < 1) {
    throw new ShapeError(`slic: iterations is ${iterations}, should be a whole number from 1 on`);
  }
  const lab = r.k(rgbToLab, { x: image }, { mean, std });
  const grid = slicStart(lab.shape[2], lab.shape[3], segments);
  let centres = r.k(slicUpdate, { lab }, grid);
  let labels = r.k(slicAssign, { lab, centres }, { ...grid, compactness });
  for (let round = 1; round < iterations; round++) {
    centres = r.k(slicUpdate, { lab, labels, centres }, grid);
    labels = r.k(slicAssign, { lab, centres }, { ...grid, compactness });
  }
  for (let round = 0; round < 2; round++) labels = r.k(slicTidy, { x: labels });
  return { labels, segments: grid.rows * grid.columns };
}

/**
 * The grid of about `segments` nearly square cells that SLIC starts from on an image of H x W.
 *
 * @throws ShapeError unless `segments` is a whole number from 1 to H W.
 */
export function slicStart(H: number, W: number, segments: number): SlicGrid {
  if (!Number.isInteger(segments) || segments < 1 || segments > H * W) {
    throw new ShapeError(
      `slic: segments is ${segments}, should be a whole number from 1 to the image's ${H * W} pixels`,
    );
  }
  const step = Math.sqrt((H * W) / segments);
  const cells = (side: number) => Math.min(side, Math.max(1, Math.round(side / step)));
  return { rows: cells(H), columns: cells(W) };
}
