import type { Rgb, SampleFilter } from '../kernels/sample-affine.js';
import { imageNet } from '../kernels/sample-affine.js';

/** How a photo becomes a network's input, as torchvision's transforms do. */
export interface Preprocessing {
  /** Shorter side after resizing, pixels. */
  readonly resize: number;
  /** Side of the centre crop, pixels: the input size. */
  readonly crop: number;
  readonly interpolation: SampleFilter;
  /** Of RGB in 0..1. */
  readonly mean: Rgb;
  readonly std: Rgb;
}

/** torchvision's transforms for ImageNet classifiers. */
export const imagenetPreprocessing: Preprocessing = {
  resize: 256,
  crop: 224,
  interpolation: 'bilinear',
  ...imageNet,
};
