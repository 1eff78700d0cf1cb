/** Golden cases of saliency maps under hash weights; free of Node, so that a page can run them too. */
import { explain } from '../../src/cam/explain.js';
import { activationsAt, featuresAt, type Method } from '../../src/cam/method.js';
import { methodNamed } from '../../src/cam/registry.js';
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
import { ownMethod } from '../support/own-method.js';
import { enlarge } from '../support/reference-cams.js';
import { type Check, type GoldenTensors, imageInput, sampleLike } from './format.js';
import { hashNet, inputGradientChecks, isBuilt as isNetBuilt } from './nets.js';

export interface CamCase {
  readonly case: string;
  readonly arch: string;
  readonly salt?: string;
  readonly image: string;
  /** Of a convolutional network; a transformer's is `cam_layer`. */
  readonly layer?: string;
  readonly cam_layer?: string;
  readonly cls: number;
  readonly methods: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly logit?: number;
  /** Distance of PyTorch's own float32 run from the golden. */
  readonly torch_f32_rel_l2?: Readonly<Record<string, number>>;
  readonly libraries_rel_l2_to_this?: Readonly<Record<string, number>>;
}

interface Recipe {
  readonly method: string | Method;
  readonly target?: (cls: number) => Target;
  readonly options?: (spec: Readonly<Record<string, unknown>>) => Record<string, unknown>;
  /** Which library's float32 run says how far off decisions on the last bit may bring a gradient; default the plain gradient's. */
  readonly floor?: string;
  /** Whether it is relevance, which residual sums condition badly; see {@link relevanceTolerance}. */
  readonly isRelevance?: boolean;
  /** Whether the golden is relevance of the pixels from 1 at the class, summed over channels. */
  readonly ofPixels?: boolean;
}

const relevant = { isRelevance: true } as const;

/** In twenty passes, or in several noisy ones, some ReLU hangs on the last bit: captum's own are 6e-4 off. */
const severalPasses = { floor: 'captum.IntegratedGradients:riemann_right' };

const smooth = (spec: Readonly<Record<string, unknown>>) => ({ copies: spec.n, sigma: spec.sigma });

/** Sizes z_0 + floor(z_max / N) (t - 1), as the golden lists them. */
const scaled = (spec: Readonly<Record<string, unknown>>) => {
  const sizes = spec.sizes as readonly number[];
  return { steps: sizes.length, size: (sizes[1] - sizes[0]) * sizes.length };
};

/** torch-cam's weights, which the golden has without a map, in the place of a raw map. */
const torchCamWeights = ownMethod('grad-cam++ weights', (scene) => {
  const { A, G } = featuresAt(scene, scene.trace, scene.layers[0]);
  const w = scene.recorder.k(gradCamPlusPlusWeights, { x: A, g: G }, { form: 'torch-cam' });
  return w.reshape([w.shape[0], 1, w.shape[1]]);
});

/** A layer's activations [K,h w], in the place of a raw map. */
const activationRows = ownMethod(
  'activations',
  (scene) => {
    const A = activationsAt(scene.trace, scene.layers[0]);
    const [N, K, h, w] = A.shape;
    return A.reshape([N, K, h * w]);
  },
  { usesTarget: false },
);

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
  guided_backprop: { method: 'guided-backprop', floor: 'captum.GuidedBackprop' },
  deconvnet: { method: 'deconvnet', floor: 'captum.Deconvolution' },
  guided_gradcam: { method: 'guided-grad-cam', floor: 'captum.GuidedGradCam' },
  smoothgrad: { method: 'smoothgrad', options: smooth, ...severalPasses },
  vargrad: {
    method: 'vargrad',
    options: () => ({ copies: 4, sigma: 0.3 }),
    ...severalPasses,
  },
  ig_right20: { method: 'integrated-gradients', ...severalPasses },
  ig_middle20: {
    method: 'integrated-gradients',
    options: () => ({ rule: 'middle' }),
    ...severalPasses,
  },
  ig_black_right20: {
    method: 'integrated-gradients',
    options: () => ({ baseline: 'black' }),
    ...severalPasses,
  },
  scorecam: { method: 'score-cam' },
  scorecam_alg1: { method: 'score-cam', options: () => ({ score: 'logit', weights: 'softmax' }) },
  scorecam_authors: { method: 'score-cam', options: () => ({ preset: 'authors' }) },
  ablationcam: { method: 'ablation-cam' },
  groupcam_repo: { method: 'group-cam', options: () => ({ preset: 'authors' }) },
  groupcam_theta70: { method: 'group-cam', options: () => ({ denoise: 'layer' }) },
  groupcam_inputsize: { method: 'group-cam' },
  rise: {
    method: 'rise',
    options: ({ N, s, p, key }) => ({ masks: N, cells: s, p, seed: key }),
  },
  cameras: { method: 'cameras', options: scaled },
  cameras_meangrad: { method: 'cameras', options: (c) => ({ ...scaled(c), weights: 'mean' }) },
  cameras_bicubic: { method: 'cameras', options: (c) => ({ ...scaled(c), preset: 'authors' }) },
  cameras_meangrad_bicubic: {
    method: 'cameras',
    options: (c) => ({ ...scaled(c), preset: 'authors', weights: 'mean' }),
  },
  msgcam: { method: 'msg-cam', options: scaled },
  msgcam_bicubic: { method: 'msg-cam', options: (c) => ({ ...scaled(c), resize: 'bicubic' }) },
  attn_last: { method: 'raw-attention' },
  rollout: { method: 'attention-rollout' },
  rollout_start1: { method: 'attention-rollout', options: () => ({ start: 1 }) },
  rollout_unnormalised: { method: 'attention-rollout', options: () => ({ normalise: false }) },
  attn_gradcam: { method: 'attention-grad-cam' },
  generic: { method: 'generic-attention' },
  lrp_partial: { method: 'partial-lrp', ...relevant },
  lrp_partial_ours: {
    method: 'partial-lrp',
    options: () => ({ composite: 'transformer' }),
    ...relevant,
  },
  lrp_rollout: {
    method: 'transformer-attribution',
    options: () => ({ gradient: false, composite: 'transformer-orig' }),
    ...relevant,
  },
  transformer_attribution: { method: 'transformer-attribution', ...relevant },
  transformer_attribution_start1: {
    method: 'transformer-attribution',
    options: () => ({ start: 1 }),
    ...relevant,
  },
  transformer_attribution_paperorder: {
    method: 'transformer-attribution',
    options: () => ({ order: 'paper' }),
    ...relevant,
  },
  lrp_full_ours: { method: 'lrp', ...relevant, ofPixels: true },
  lrp_full: {
    method: 'lrp',
    options: () => ({ composite: 'transformer-orig' }),
    ...relevant,
    ofPixels: true,
  },
  window_gradcam: { method: 'enhanced-grad-cam', options: () => ({ window: 96, stride: 32 }) },
};

/** Whether a map is made of others whose values at or below a percentile are 0. */
const hasThreshold = (name: string) => /^(groupcam|msgcam)/.test(name);

/**
 * A map with at most 1 pixel in 10,000, the furthest off, as expected: where a group's value is within rounding of its 70th percentile float32 may
 * put it on the other side (docs/decisions.md, "A pixel at the percentile").
 */
function besidesTies(map: Float32Array, expected: ReturnType<GoldenTensors>): Float32Array {
  if (!expected) return map;
  const off = (i: number) => Math.abs(map[i] - expected.data[i]);
  const furthest = Array.from(map.keys()).sort((a, b) => off(b) - off(a));
  const result = map.slice();
  for (const i of furthest.slice(0, map.length / 10_000)) result[i] = expected.data[i];
  return result;
}

/** Cases in which a channel's activations cancel in their sum, by which XGrad-CAM divides. */
const cancels = (c: CamCase, name: string) => name === 'xgradcam' && c.case === 'vit_b_16';

/**
 * A raw map as expected along the one channel whose activations [K,h w] cancel most in their sum: there a rounding of an activation comes back
 * ten thousand times as large (docs/decisions.md, "A channel that cancels"). The rest is as it was.
 */
function besidesCancelled(
  raw: Float32Array,
  expected: ArrayLike<number>,
  activations: Float32Array,
): Float32Array {
  const size = raw.length;
  const sum = (row: Float32Array, f = (v: number) => v) => row.reduce((s, v) => s + f(v), 0);
  const cancelled = Array.from({ length: activations.length / size }, (_, k) =>
    activations.subarray(k * size, (k + 1) * size),
  ).reduce((a, b) =>
    sum(a, Math.abs) / Math.abs(sum(a)) > sum(b, Math.abs) / Math.abs(sum(b)) ? a : b,
  );
  const along = cancelled.reduce((s, v, i) => s + v * (raw[i] - expected[i]), 0);
  const share = along / sum(cancelled, (v) => v * v);
  return raw.map((v, i) => v - share * cancelled[i]);
}

/** Maps that take many forward passes, or some of enlarged images: up to minutes on a software adapter. */
export const isSlow = (name: string): boolean => {
  const { method } = recipes[name];
  const { passes, name: full } = typeof method === 'string' ? methodNamed(method) : method;
  return passes === 'many' || /^(cameras|enhanced-|integrated-gradients)/.test(full);
};

/** Whether the network of a case is built. */
export const isBuilt = (c: CamCase): boolean => isNetBuilt(c);

/** Names of the case's maps that can be computed, and of those that cannot yet. */
export function mapsOf(c: CamCase): { built: string[]; missing: string[] } {
  const names = Object.keys(c.methods);
  return {
    built: names.filter((name) => name in recipes),
    missing: names.filter((name) => !(name in recipes)),
  };
}

/** Maps of a case that can be compared; the slow ones only if `all` are asked for. */
export function mapsToRun(c: CamCase, golden: GoldenTensors, all: boolean): string[] {
  // Images resized bicubically: all lists name them, only AlexNet's file has them.
  const isThere = (map: string) => !map.endsWith('_bicubic') || golden(`${map}.map`);
  return mapsOf(c).built.filter((map) => isThere(map) && (all || !isSlow(map)));
}

/** The network of a case; the caller destroys it. */
export const netOf = (gpu: Gpu, c: CamCase): Net => hashNet(gpu, c.arch, c.salt);

/**
 * The README's tolerances of relevance: 2e-3 where float32 is good, 0.15 for transformer attribution through many blocks, and ten times what PyTorch's
 * own float32 run is off elsewhere.
 */
function relevanceTolerance(c: CamCase, name: string): number {
  const torchDistance = c.torch_f32_rel_l2?.[name] ?? 0;
  if (c.case === 'vit_tiny') return 2e-3;
  return name.startsWith('transformer_attribution') ? 0.15 : 10 * torchDistance;
}

/** Relevance of pixels [3,H,W], as the golden has it: of 1 at the class, not of its logit, and summed over channels. */
function summedOver(raw: Float32Array, logit: number): Float32Array {
  const size = raw.length / 3;
  return Float32Array.from({ length: size }, (_, i) => {
    return (raw[i] + raw[i + size] + raw[i + 2 * size]) / logit;
  });
}

/** A signed map runs through 1/2; the golden is min-max. */
function minMax(map: Float32Array): Float32Array {
  const least = map.reduce((a, b) => Math.min(a, b));
  const most = map.reduce((a, b) => Math.max(a, b));
  return map.map((v) => (v - least) / (most - least));
}

/** mm(up(relu(raw))), in float64. */
function finished(raw: Float32Array, [h, w]: readonly number[], [H, W]: readonly number[]) {
  const above = raw.map((v) => Math.max(0, v));
  return minMax(Float32Array.from(enlarge(above, [h, w], [H, W])));
}

/** Relevance that has run through all of a deep network: by its sum, or only by whether it is finite. */
function runAwayChecks(c: CamCase, name: string, raw: Float32Array): Check[] {
  const total = raw.reduce((a, b) => a + b, 0);
  if (name === 'lrp_full') {
    return [{ key: `${name} is finite`, error: Number.isFinite(total) ? 0 : 1, tolerance: 0 }];
  }
  const sum = c.methods[name].sum as number;
  return [{ key: `${name} sum`, error: Math.abs(total - sum) / Math.abs(sum), tolerance: 0.1 }];
}

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
    layer: (c.layer ?? c.cam_layer)!,
    target: (recipe.target ?? classTarget)(c.cls),
    options: recipe.options?.(c.methods[name]),
  });
  try {
    let [raw, map] = (await net.gpu!.read([result.raw, result.map])) as Float32Array[];
    if (recipe.ofPixels) {
      raw = summedOver(raw, c.logit!);
      map = minMax(map);
      if (c.case !== 'vit_tiny') return runAwayChecks(c, name, raw);
    }
    if (cancels(c, name)) {
      const rows = await explain(net, input, {
        method: activationRows,
        layer: (c.layer ?? c.cam_layer)!,
      });
      const [activations] = (await net.gpu!.read([rows.raw])) as Float32Array[];
      rows.destroy();
      raw = besidesCancelled(raw, golden(`${name}.raw`)!.data, activations);
      map = finished(raw, result.raw.shape.slice(1), image.shape.slice(1));
    }
    const tolerance = recipe.isRelevance ? relevanceTolerance(c, name) : 1e-3;
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
    compare(`${name}.raw`, raw, tolerance);
    compare(
      `${name}.map`,
      hasThreshold(name) ? besidesTies(map, golden(`${name}.map`)) : map,
      tolerance,
    );
    const [, h, w] = result.raw.shape;
    const [H, W] = image.shape.slice(1);
    compare(
      `${name}.raw_first_row`,
      Float32Array.from(enlarge(raw, [h, w], [H, W]).subarray(0, W)),
      1e-3,
    );
    // Not 1e-4: float32 gradients cannot reach it here (docs/decisions.md, "Conditioning of torch-cam's weights").
    if (recipe.method === torchCamWeights) compare(`${name}.weights`, raw, 2e-3);
    for (const key of [name, `${name}.sample`]) {
      const expected = golden(key);
      const torchDistance = c.libraries_rel_l2_to_this?.[recipe.floor ?? 'captum.Saliency'];
      if (expected) checks.push(...inputGradientChecks(key, raw, expected.data, { torchDistance }));
    }
    return checks;
  } finally {
    result.destroy();
    input.destroy();
  }
}
