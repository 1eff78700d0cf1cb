import { type Architecture, imagenetPreprocessing } from '../architecture.js';
import { Graph } from '../graph.js';
import {
  AdaptiveAvgPool2d,
  Conv2d,
  Dropout,
  Flatten,
  Linear,
  MaxPool2d,
  ReLU,
} from '../modules.js';

/** AlexNet as torchvision has it. */
export const alexnet: Architecture = {
  name: 'alexnet',
  paper: 'A. Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014',
  classes: 1000,
  head: 'classifier.6',
  defaultLayer: 'features.11',
  preprocessing: imagenetPreprocessing,
  minInput: 63,
  build: (classes) => {
    const g = new Graph();
    const features = g.sequential('features', 'input', [
      Conv2d(3, 64, 11, { stride: 4, pad: 2 }),
      ReLU,
      MaxPool2d(3, 2),
      Conv2d(64, 192, 5, { pad: 2 }),
      ReLU,
      MaxPool2d(3, 2),
      Conv2d(192, 384, 3, { pad: 1 }),
      ReLU,
      Conv2d(384, 256, 3, { pad: 1 }),
      ReLU,
      Conv2d(256, 256, 3, { pad: 1 }),
      ReLU,
      MaxPool2d(3, 2),
    ]);
    const pooled = g.add('avgpool', [features], AdaptiveAvgPool2d([6, 6]));
    const flat = g.add('flatten', [pooled], Flatten);
    g.sequential('classifier', flat, [
      Dropout,
      Linear(256 * 6 * 6, 4096),
      ReLU,
      Dropout,
      Linear(4096, 4096),
      ReLU,
      Linear(4096, classes),
    ]);
    return g;
  },
};
