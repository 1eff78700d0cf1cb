/** Golden cases of whole networks under hash weights; free of Node, so that a page can run them too. */
import type { Gpu } from '../../src/gpu/device.js';
import { Recorder } from '../../src/gpu/recorder.js';
import { Net } from '../../src/net/net.js';
import { networks } from '../../src/net/zoo/index.js';
import { gainOf, hashWeights } from '../support/hash-weights.js';
import { relativeL2 } from '../support/numbers.js';
import { tinyVit } from '../support/tiny-vit.js';
import { type Check, type GoldenTensors, imageInput, sampleLike } from './format.js';

interface LayerStats {
  readonly shape: readonly number[];
  readonly mean: number;
  readonly std: number;
  readonly min: number;
  readonly max: number;
  readonly abs_sum: number;
  readonly l2: number;
  readonly first: readonly number[];
}

export interface NetCase {
  readonly case: string;
  readonly arch: string;
  readonly salt?: string;
  readonly gain?: number;
  readonly image: string;
  readonly image2?: string;
  readonly cls: number;
  readonly last?: string;
  readonly layers?: Readonly<Record<string, LayerStats>>;
  readonly grad_input?: LayerStats;
  /** Distance of PyTorch's own float32 run from the golden. */
  readonly torch_f32_rel_l2?: Readonly<Record<string, number>>;
}

const architectureOf = (arch: string) => (arch === tinyVit.name ? tinyVit : networks.get(arch));

/** Whether the network of a case is built. */
export const isBuilt = ({ arch }: Pick<NetCase, 'arch'>): boolean =>
  architectureOf(arch) !== undefined;

/** A network of the zoo under hash weights. */
export function hashNet(gpu: Gpu, arch: string, salt = '', gain = gainOf(arch)): Net {
  const architecture = architectureOf(arch)!;
  return Net.from(
    gpu,
    architecture,
    hashWeights(architecture.build(architecture.classes), gain, salt),
  );
}

/** Runs a case and returns what was compared. Keys the case lacks are not tested. */
export async function runNetCase(
  gpu: Gpu,
  c: NetCase,
  golden: GoldenTensors,
  images: GoldenTensors,
): Promise<Check[]> {
  const net = hashNet(gpu, c.arch, c.salt, c.gain);
  const checks: Check[] = [];
  const compare = (key: string, got: Float32Array, tolerance: number) => {
    for (const name of [key, `${key}.sample`]) {
      const expected = golden(name);
      if (!expected) continue;
      const error = relativeL2(sampleLike(got, expected.data), expected.data);
      checks.push({ key: name, error, tolerance });
    }
  };
  try {
    const layers = Object.keys(c.layers ?? {});
    const last = c.last ?? net.defaultLayer;
    const recorder = Recorder.on(gpu);
    const input = imageInput(images, c.image);
    const x = recorder.constant(input.data, [1, ...input.shape]);
    const trace = net.trace(recorder, x, { taps: [...layers, last], backwardTo: [last, 'input'] });
    const seed = new Float32Array(net.classes);
    seed[c.cls] = 1;
    const dy = recorder.constant(seed, trace.output.shape);
    const gradients = trace.backward(net.graph.output, dy, [last, 'input']);
    const A = trace.value(last);
    const G = gradients.get(last)!;
    const outputs = [
      trace.output,
      A,
      G,
      gradients.get('input')!,
      ...layers.map((l) => trace.value(l)),
    ];
    const tensors = await recorder.run(outputs);
    const [logits, act, gradLast, gradInput, ...taps] = (await gpu.read(tensors)) as Float32Array[];
    for (const tensor of tensors) tensor.destroy();

    compare('logits', logits, 1e-4);
    compare('act_last', act, 1e-4);
    compare('grad_last', gradLast, 1e-4);
    for (const [i, layer] of layers.entries()) {
      checks.push(...layerChecks(layer, c.layers![layer], taps[i]));
    }
    for (const name of ['grad_input', 'grad_input.sample']) {
      const expected = golden(name);
      if (!expected) continue;
      const stats = c.grad_input;
      checks.push(
        ...inputGradientChecks(name, gradInput, expected.data, {
          largest: stats && Math.max(Math.abs(stats.min), Math.abs(stats.max)),
          torchDistance: c.torch_f32_rel_l2?.grad_input,
        }),
      );
    }
    const raw = gradCamOf(act, gradLast, A.shape, trace.grid(last));
    compare('gradcam.raw', raw, 1e-3);

    if (c.image2 && golden('logits_image2')) {
      const second = imageInput(images, c.image2);
      // The second image goes through the merged path, behind the first in a batch where that is quick.
      const size = second.data.length;
      const batch = net.plan(1).flops < 5e9 ? 2 : 1;
      const data = new Float32Array(batch * size);
      if (input.data.length === size) data.set(input.data);
      data.set(second.data, (batch - 1) * size);
      const r = Recorder.on(gpu);
      const [y] = await r.run([net.trace(r, r.constant(data, [batch, ...second.shape])).output]);
      compare('logits_image2', (await y.read()).subarray((batch - 1) * net.classes), 1e-4);
      y.destroy();
    }
    return checks;
  } finally {
    net.destroy();
  }
}

function layerChecks(layer: string, stats: LayerStats, got: Float32Array): Check[] {
  const sum = (f: (v: number) => number) => got.reduce((total, v) => total + f(v), 0);
  const mean = sum((v) => v) / got.length;
  const l2 = Math.sqrt(sum((v) => v * v));
  const scale = stats.l2 / Math.sqrt(got.length);
  const near = (key: string, value: number, expected: number, size: number): Check => ({
    key: `${layer} ${key}`,
    error: Math.abs(value - expected) / size,
    tolerance: 1e-4,
  });
  return [
    {
      key: `${layer} first`,
      error: relativeL2(got.subarray(0, stats.first.length), stats.first),
      tolerance: 1e-4,
    },
    near('mean', mean, stats.mean, scale),
    near('l2', l2, stats.l2, stats.l2),
    near('abs_sum', sum(Math.abs), stats.abs_sum, stats.abs_sum),
    near(
      'min',
      got.reduce((a, b) => Math.min(a, b)),
      stats.min,
      Math.max(scale, Math.abs(stats.min)),
    ),
    near(
      'max',
      got.reduce((a, b) => Math.max(a, b)),
      stats.max,
      Math.max(scale, Math.abs(stats.max)),
    ),
  ];
}

/**
 * The README's two conditions on input gradients: 3e-2 relative L2, and 99 % of the elements within 1e-4 of the largest.
 *
 * A ReLU or pooling decision that hangs on the last float32 bit sends a gradient elsewhere, and one such decision in a late layer reaches
 * more than 1 % of the pixels. So the second condition can only be asked where float32 has no such decision, which
 * the case tells by PyTorch's own distance: below 1e-4 there is none. With one, 1e-2 takes the place of 1e-4 (derived in
 * docs/decisions.md, "Input gradients of nets with a flipped decision").
 */
export function inputGradientChecks(
  key: string,
  got: Float32Array,
  expected: ArrayLike<number>,
  {
    largest = largestOf(expected),
    torchDistance = 0,
  }: { largest?: number; torchDistance?: number } = {},
): Check[] {
  const sampled = sampleLike(got, expected);
  const near = torchDistance < 1e-4 ? 1e-4 : 1e-2;
  let far = 0;
  for (let i = 0; i < expected.length; i++) {
    if (!(Math.abs(sampled[i] - expected[i]) <= near * largest)) far++;
  }
  return [
    { key, error: relativeL2(sampled, expected), tolerance: 3e-2 },
    {
      key: `${key} (share further off than ${near} of the largest)`,
      error: far / expected.length,
      tolerance: 0.01,
    },
  ];
}

const largestOf = (values: ArrayLike<number>) =>
  Array.from(values).reduce((a, b) => Math.max(a, Math.abs(b)), 0);

/** Grad-CAM's raw map, on the CPU, of maps [1,K,h,w] or of tokens [1,T,K] whose last lie in a grid. */
function gradCamOf(
  A: Float32Array,
  G: Float32Array,
  shape: readonly number[],
  grid: readonly [number, number] | undefined,
): Float32Array {
  const [h, w] = grid ?? shape.slice(2);
  const K = grid ? shape[2] : shape[1];
  const first = grid ? shape[1] - h * w : 0;
  const at = (k: number, i: number) => (grid ? (first + i) * K + k : k * h * w + i);
  const raw = new Float64Array(h * w);
  for (let k = 0; k < K; k++) {
    let alpha = 0;
    for (let i = 0; i < h * w; i++) alpha += G[at(k, i)] / (h * w);
    for (let i = 0; i < h * w; i++) raw[i] += alpha * A[at(k, i)];
  }
  return Float32Array.from(raw);
}
