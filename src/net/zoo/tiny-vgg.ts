import type { Architecture } from '../architecture.js';
import { Graph } from '../graph.js';
import { Conv2d, Flatten, Linear, MaxPool2d, ReLU } from '../modules.js';

/** Tiny VGG, the network of CNN Explainer: ten classes of Tiny ImageNet, 64 x 64 pixels, no padding. */
export const tinyVgg: Architecture = {
  name: 'tiny_vgg',
  paper:
    'Z. J. Wang et al., "CNN Explainer: Learning Convolutional Neural Networks with Interactive Visualization", TVCG 2020',
  classes: 10,
  head: 'classifier.0',
  defaultLayer: 'features.8',
  preprocessing: {
    resize: 64,
    crop: 64,
    interpolation: 'bilinear',
    mean: [0, 0, 0],
    std: [1, 1, 1],
  },
  minInput: 64,
  build: (classes) => {
    const g = new Graph();
    const features = g.sequential('features', 'input', [
      Conv2d(3, 10, 3),
      ReLU,
      Conv2d(10, 10, 3),
      ReLU,
      MaxPool2d(2, 2),
      Conv2d(10, 10, 3),
      ReLU,
      Conv2d(10, 10, 3),
      ReLU,
      MaxPool2d(2, 2),
    ]);
    const flat = g.add('flatten', [features], Flatten);
    g.sequential('classifier', flat, [Linear(10 * 13 * 13, classes)]);
    return g;
  },
};
