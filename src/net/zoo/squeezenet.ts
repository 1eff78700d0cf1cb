import { type Architecture, imagenetPreprocessing } from '../architecture.js';
import { Graph } from '../graph.js';
import {
  AdaptiveAvgPool2d,
  Concat,
  Conv2d,
  Dropout,
  Flatten,
  MaxPool2d,
  ReLU,
} from '../modules.js';

/** Fire module: 1x1 squeeze, then 1x1 and 3x3 expansions side by side. */
function fire(
  g: Graph,
  name: string,
  x: string,
  channels: number,
  squeeze: number,
  expand: number,
) {
  const squeezed = g.add(`${name}.squeeze`, [x], Conv2d(channels, squeeze, 1));
  const s = g.add(`${name}.squeeze_activation`, [squeezed], ReLU);
  const one = g.add(`${name}.expand1x1`, [s], Conv2d(squeeze, expand, 1));
  const oneActive = g.add(`${name}.expand1x1_activation`, [one], ReLU);
  const three = g.add(`${name}.expand3x3`, [s], Conv2d(squeeze, expand, 3, { pad: 1 }));
  const threeActive = g.add(`${name}.expand3x3_activation`, [three], ReLU);
  return g.add(name, [oneActive, threeActive], Concat);
}

const pool = MaxPool2d(3, 2, { ceilMode: true });

/** A position in `features`: a fire module's squeeze and expand widths, or a pooling. */
type Row = readonly [squeeze: number, expand: number] | 'pool';

const layouts: Record<
  string,
  { first: ReturnType<typeof Conv2d>; width: number; rows: readonly Row[] }
> = {
  squeezenet1_0: {
    first: Conv2d(3, 96, 7, { stride: 2 }),
    width: 96,
    rows: [
      'pool',
      [16, 64],
      [16, 64],
      [32, 128],
      'pool',
      [32, 128],
      [48, 192],
      [48, 192],
      [64, 256],
      'pool',
      [64, 256],
    ],
  },
  squeezenet1_1: {
    first: Conv2d(3, 64, 3, { stride: 2 }),
    width: 64,
    rows: [
      'pool',
      [16, 64],
      [16, 64],
      'pool',
      [32, 128],
      [32, 128],
      'pool',
      [48, 192],
      [48, 192],
      [64, 256],
      [64, 256],
    ],
  },
};

function squeezenet(name: keyof typeof layouts): Architecture {
  const { first, width, rows } = layouts[name];
  return {
    name,
    paper:
      'F. N. Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size", 2016',
    classes: 1000,
    head: 'classifier.1',
    defaultLayer: 'features.12',
    preprocessing: imagenetPreprocessing,
    minInput: 21,
    build: (classes) => {
      const g = new Graph();
      let x = g.sequential('features', 'input', [first, ReLU]);
      let channels = width;
      rows.forEach((row, i) => {
        const node = `features.${i + 2}`;
        if (row === 'pool') {
          x = g.add(node, [x], pool);
        } else {
          x = fire(g, node, x, channels, row[0], row[1]);
          channels = 2 * row[1];
        }
      });
      const scores = g.sequential('classifier', x, [
        Dropout,
        Conv2d(512, classes, 1),
        ReLU,
        AdaptiveAvgPool2d([1, 1]),
      ]);
      g.add('flatten', [scores], Flatten);
      return g;
    },
  };
}

/** SqueezeNet 1.0 and 1.1 as torchvision has them. */
export const squeezenets: readonly Architecture[] = Object.keys(layouts).map(squeezenet);
