import type { Value } from '../gpu/value.js';
import { elementwiseSum } from '../kernels/elementwise-sum.js';
import { fuseMaps } from '../kernels/fuse-maps.js';
import { resizeBilinear } from '../kernels/resize-bilinear.js';
import { rowRange } from '../kernels/row-range.js';
import { tanhScale } from '../kernels/tanh-scale.js';
import { featuresAt, type Method } from './method.js';

/**
 * LayerCAM: P.-T. Jiang et al., "LayerCAM: Exploring Hierarchical Class Activation Maps for Localization", TIP 2021.
 *
 *   raw = sum over k of relu(G[k]) A[k], elementwise
 *
 * Several layers: each map scaled by tanh(gamma M / max M) (section III-C), brought to the input's size, and the
 * largest taken at each pixel; option `fuse` = `mean` averages them instead.
 */
export const layerCam: Method = {
  name: 'layer-cam',
  title: 'LayerCAM',
  paper: 'Jiang et al., "LayerCAM", TIP 2021',
  options: {
    fuse: {
      default: 'max',
      choices: ['max', 'mean'],
      about: 'how the maps of several layers become one',
    },
    gamma: {
      default: 2,
      min: 0,
      whole: false,
      about: 'steepness of the scaling of several layers',
    },
  },
  layers: 'many',
  finish: 'relu',
  passes: 'one',
  usesTarget: true,
  record: (scene, options) => {
    const { k } = scene.recorder;
    const maps = scene.layers.map((layer) => {
      const { A, G } = featuresAt(scene, scene.trace, layer);
      return k(elementwiseSum, { x: A, g: G }, { relu: true });
    });
    if (maps.length === 1) return maps[0];

    const [N, , H, W] = scene.input.shape;
    let fused: Value | undefined;
    maps.forEach((map, i) => {
      const [, h, w] = map.shape;
      const rows = map.reshape([N, h * w]);
      const range = k(rowRange, { x: rows });
      const scaled = k(tanhScale, { x: rows, range }, { gamma: options.gamma as number });
      const large = k(resizeBilinear, { x: scaled.reshape([N, 1, h, w]) }, { outputSize: [H, W] });
      const how =
        options.fuse === 'mean'
          ? ({ mode: 'sum', weight: 1 / maps.length } as const)
          : ({ mode: 'max' } as const);
      fused = k(
        fuseMaps,
        { x: large.reshape([N, H, W]) },
        { ...how, first: i === 0 },
        { into: fused },
      );
    });
    return fused!;
  },
};
