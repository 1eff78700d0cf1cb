import { type Architecture, imagenetPreprocessing } from '../architecture.js';
import { Graph, type Module } from '../graph.js';
import {
  AdaptiveAvgPool2d,
  Conv2d,
  Dropout,
  Flatten,
  Linear,
  MaxPool2d,
  ReLU,
} from '../modules.js';
import { vit } from './vit.js';

const paper = 'webgpu-cam, models/README.md';
const preprocessing = { ...imagenetPreprocessing, resize: 112, crop: 112 };

function build(features: readonly Module[], classifier: readonly Module[]): Graph {
  const g = new Graph();
  const maps = g.sequential('features', 'input', features);
  const pooled = g.add('avgpool', [maps], AdaptiveAvgPool2d([1, 1]));
  g.sequential('classifier', g.add('flatten', [pooled], Flatten), classifier);
  return g;
}

/** The embedded net in AlexNet's pattern: five convolutions, three linear layers. */
export const toyAlexnet: Architecture = {
  name: 'toy_alexnet',
  paper,
  classes: 8,
  head: 'classifier.6',
  defaultLayer: 'features.11',
  preprocessing,
  minInput: 29,
  build: (classes) =>
    build(
      [
        Conv2d(3, 24, 7, { stride: 2, pad: 3 }),
        ReLU,
        MaxPool2d(3, 2),
        Conv2d(24, 48, 5, { pad: 2 }),
        ReLU,
        MaxPool2d(3, 2),
        Conv2d(48, 96, 3, { pad: 1 }),
        ReLU,
        Conv2d(96, 96, 3, { pad: 1 }),
        ReLU,
        Conv2d(96, 64, 3, { pad: 1 }),
        ReLU,
        MaxPool2d(3, 2),
      ],
      [Dropout, Linear(64, 64), ReLU, Dropout, Linear(64, 64), ReLU, Linear(64, classes)],
    ),
};

/** The embedded net in VGG's pattern, pooled globally into one linear layer, so that CAM applies. */
export const toyVgg: Architecture = {
  name: 'toy_vgg',
  paper,
  classes: 8,
  head: 'classifier.1',
  defaultLayer: 'features.14',
  preprocessing,
  minInput: 8,
  build: (classes) =>
    build(
      [
        Conv2d(3, 12, 3, { pad: 1 }),
        ReLU,
        MaxPool2d(2, 2),
        Conv2d(12, 24, 3, { pad: 1 }),
        ReLU,
        MaxPool2d(2, 2),
        Conv2d(24, 48, 3, { pad: 1 }),
        ReLU,
        Conv2d(48, 48, 3, { pad: 1 }),
        ReLU,
        MaxPool2d(2, 2),
        Conv2d(48, 96, 3, { pad: 1 }),
        ReLU,
        Conv2d(96, 96, 3, { pad: 1 }),
        ReLU,
      ],
      [Dropout, Linear(96, classes)],
    ),
};

/** Networks whose weights come with the package. */
export const embeddedNetworks = ['toy_vgg', 'toy_alexnet', 'toy_vit'] as const;

/** The embedded vision transformer: 14 x 14 patches, five blocks. */
export const toyVit: Architecture = vit({
  name: 'toy_vit',
  paper,
  classes: 8,
  ...{ patch: 8, dim: 96, depth: 5, heads: 3, mlp: 192 },
  preprocessing,
});
