import type { Gpu } from '../../src/gpu/device.js';
import { imagenetPreprocessing } from '../../src/image/preprocessing.js';
import { Net } from '../../src/net/net.js';
import { type VitSizes, vit } from '../../src/net/zoo/vit.js';
import { gainOf, hashWeights } from './hash-weights.js';

/** The goldens' small transformer: 4 x 4 patches of 32 x 32 pixels, three blocks. */
export const tinyVitSizes: VitSizes = {
  name: 'vit_tiny',
  paper: 'golden/README.md',
  classes: 10,
  ...{ patch: 8, dim: 32, depth: 3, heads: 4, mlp: 64 },
  preprocessing: { ...imagenetPreprocessing, resize: 32, crop: 32 },
};

export const tinyVit = vit(tinyVitSizes);

/** A small transformer under hash weights; the caller destroys it. */
export function tinyVitNet(gpu: Gpu, changes: Partial<VitSizes> = {}): Net {
  const architecture = vit({ ...tinyVitSizes, ...changes });
  const graph = architecture.build(architecture.classes);
  return Net.from(gpu, architecture, hashWeights(graph, gainOf('vit_tiny')));
}
