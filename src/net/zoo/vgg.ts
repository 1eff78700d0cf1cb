import { type Architecture, imagenetPreprocessing } from '../architecture.js';
import { Graph, type Module } from '../graph.js';
import {
  AdaptiveAvgPool2d,
  BatchNorm2d,
  Conv2d,
  Dropout,
  Flatten,
  Linear,
  MaxPool2d,
  ReLU,
} from '../modules.js';

/** Convolutions in each of the five stages. */
const stages = {
  vgg11: [1, 1, 2, 2, 2],
  vgg13: [2, 2, 2, 2, 2],
  vgg16: [2, 2, 3, 3, 3],
  vgg19: [2, 2, 4, 4, 4],
} as const;

const widths = [64, 128, 256, 512, 512];

function vgg(base: keyof typeof stages, batchNorm: boolean): Architecture {
  const modules: Module[] = [];
  let channels = 3;
  stages[base].forEach((depth, stage) => {
    for (let i = 0; i < depth; i++) {
      modules.push(Conv2d(channels, widths[stage], 3, { pad: 1 }));
      if (batchNorm) modules.push(BatchNorm2d(widths[stage]));
      modules.push(ReLU);
      channels = widths[stage];
    }
    modules.push(MaxPool2d(2, 2));
  });
  return {
    name: batchNorm ? `${base}_bn` : base,
    paper:
      'K. Simonyan, A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015',
    classes: 1000,
    head: 'classifier.6',
    defaultLayer: `features.${modules.length - 2}`,
    preprocessing: imagenetPreprocessing,
    minInput: 32,
    build: (classes) => {
      const g = new Graph();
      const features = g.sequential('features', 'input', modules);
      const pooled = g.add('avgpool', [features], AdaptiveAvgPool2d([7, 7]));
      const flat = g.add('flatten', [pooled], Flatten);
      g.sequential('classifier', flat, [
        Linear(512 * 7 * 7, 4096),
        ReLU,
        Dropout,
        Linear(4096, 4096),
        ReLU,
        Dropout,
        Linear(4096, classes),
      ]);
      return g;
    },
  };
}

/** VGG with 11 to 19 layers, without and with batch norm, as torchvision has them. */
export const vggs: readonly Architecture[] = (
  Object.keys(stages) as (keyof typeof stages)[]
).flatMap((base) => [vgg(base, false), vgg(base, true)]);
