import { type Architecture, imagenetPreprocessing } from '../architecture.js';
import { Graph } from '../graph.js';
import {
  AdaptiveAvgPool2d,
  BatchNorm2d,
  Conv2d,
  Flatten,
  Linear,
  MaxPool2d,
  ReLU,
} from '../modules.js';

/** Template Name: what it is, and whose names its nodes have. */
export const templateName: Architecture = {
  name: 'template_name',
  paper: 'A. Author et al., "Title", Venue Year',
  classes: 1000,
  head: 'classifier',
  defaultLayer: 'features.5',
  preprocessing: imagenetPreprocessing,
  minInput: 4,
  build: (classes) => {
    const g = new Graph();
    // Names are those of the PyTorch modules: the weights are found by them.
    const features = g.sequential('features', 'input', [
      Conv2d(3, 16, 3, { stride: 2, pad: 1, bias: false }),
      BatchNorm2d(16),
      ReLU,
      MaxPool2d(2, 2),
      Conv2d(16, 32, 3, { pad: 1 }),
      ReLU,
    ]);
    const pooled = g.add('avgpool', [features], AdaptiveAvgPool2d([1, 1]));
    const flat = g.add('flatten', [pooled], Flatten);
    g.add('classifier', [flat], Linear(32, classes));
    return g;
  },
};
