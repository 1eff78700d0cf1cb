/** Golden cases of saliency maps under hash weights; free of Node, so that a page can run them too. */
import { explain } from '../../src/cam/explain.js';
import { featuresAt, type Method } from '../../src/cam/method.js';
import {
  classTarget,
  probabilityTarget,
  type Target,
  topFiveTarget,
} from '../../src/cam/target.js';
import type { Gpu } from '../../src/gpu/device.js';
import { gradCamPlusPlusWeights } from '../../src/kernels/grad-cam-plus-plus-weights.js';
import type { Net } from '../../src/net/net.js';
import { relativeL2 } from '../support/numbers.js';
import { type Check, type GoldenTensors, imageInput, sampleLike } from './format.js';
import { hashNet, inputGradientChecks, isBuilt as isNetBuilt } from './nets.js';

export interface CamCase {
  readonly case: string;
  readonly arch: string;
  readonly salt?: string;
  readonly image: string;
  readonly layer: string;
  readonly cls: number;
  readonly methods: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly libraries_rel_l2_to_this?: Readonly<Record<string, number>>;
}

interface Recipe {
  readonly method: string | Method;
  readonly target?: (cls: number) => Target;
  readonly options?: (spec: Readonly<Record<string, unknown>>) => Record<string, unknown>;
}

const smooth = (spec: Readonly<Record<string, unknown>>) => ({ copies: spec.n, sigma: spec.sigma });

/** torch-cam's weights, which the golden has without a map, in the place of a raw map. */
const torchCamWeights: Method = {
  name: 'grad-cam++ weights',
  title: '',
  paper: '',
  options: {},
  layers: 'one',
  finish: 'relu',
  passes: 'one',
  usesTarget: true,
  record: (scene) => {
    const { A, G } = featuresAt(scene, scene.trace, scene.layers[0]);
    const w = scene.recorder.k(gradCamPlusPlusWeights, { x: A, g: G }, { form: 'torch-cam' });
    return w.reshape([w.shape[0], 1, w.shape[1]]);
  },
};

/** How to compute each golden: a new method is a row here. */
const recipes: Readonly<Record<string, Recipe>> = {
  gradcam: { method: 'grad-cam' },
  gradcam_prob: { method: 'grad-cam', target: probabilityTarget },
  gradcam_top5: { method: 'grad-cam', target: () => topFiveTarget() },
  gradcampp: { method: 'grad-cam++' },
  gradcampp_torchcam: { method: torchCamWeights },
  xgradcam: { method: 'xgrad-cam' },
  hirescam: { method: 'hires-cam' },
  layercam: { method: 'layer-cam' },
  eigencam: { method: 'eigen-cam' },
  eigencam_centered: { method: 'eigen-cam', options: () => ({ centred: true }) },
  smoothgradcampp: { method: 'smooth-grad-cam++', options: smooth },
  smoothgradcampp_d1: {
    method: 'smooth-grad-cam++',
    options: (spec) => ({ ...smooth(spec), numerator: 'd1' }),
  },
  gradient: { method: 'gradient' },
  scorecam: { method: 'score-cam' },
  scorecam_alg1: { method: 'score-cam', options: () => ({ score: 'logit', weights: 'softmax' }) },
  scorecam_authors: { method: 'score-cam', options: () => ({ weights: 'score' }) },
};

/** Maps that take a forward pass a channel: minutes on a software adapter. */
export const isSlow = (name: string): boolean => recipes[name].method === 'score-cam';

/** Whether the network of a case is built. */
export const isBuilt = (c: CamCase): boolean => isNetBuilt(c as never);

/** Names of the case's maps that can be computed, and of those that cannot yet. */
export function mapsOf(c: CamCase): { built: string[]; missing: string[] } {
  const names = Object.keys(c.methods);
  return {
    built: names.filter((name) => name in recipes),
    missing: names.filter((name) => !(name in recipes)),
  };
}

/** The network of a case; the caller destroys it. */
export const netOf = (gpu: Gpu, c: CamCase): Net => hashNet(gpu, c.arch, c.salt);

/** Computes one map of a case and compares what the golden has of it. */
export async function runMap(
  net: Net,
  c: CamCase,
  name: string,
  golden: GoldenTensors,
  images: GoldenTensors,
): Promise<Check[]> {
  const recipe = recipes[name];
  const image = imageInput(images, c.image);
  const input = net.gpu!.tensor(image.data, [1, ...image.shape]);
  const result = await explain(net, input, {
    method: recipe.method,
    layer: c.layer,
    target: (recipe.target ?? classTarget)(c.cls),
    options: recipe.options?.(c.methods[name]),
  });
  try {
    const [raw, map] = (await net.gpu!.read([result.raw, result.map])) as Float32Array[];
    const checks: Check[] = [];
    const compare = (key: string, got: Float32Array, tolerance: number) => {
      const expected = golden(key);
      if (!expected) return;
      checks.push({
        key,
        error: relativeL2(sampleLike(got, expected.data), expected.data),
        tolerance,
      });
    };
    compare(`${name}.raw`, raw, 1e-3);
    compare(`${name}.map`, map, 1e-3);
    // Not 1e-4: float32 gradients cannot reach it here (docs/decisions.md, "Conditioning of torch-cam's weights").
    if (recipe.method === torchCamWeights) compare(`${name}.weights`, raw, 2e-3);
    for (const key of [name, `${name}.sample`]) {
      const expected = golden(key);
      const torchDistance = c.libraries_rel_l2_to_this?.['captum.Saliency'];
      if (expected) checks.push(...inputGradientChecks(key, raw, expected.data, { torchDistance }));
    }
    return checks;
  } finally {
    result.destroy();
    input.destroy();
  }
}
