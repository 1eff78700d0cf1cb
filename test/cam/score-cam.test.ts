import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ExplainOptions, explain } from '../../src/cam/explain.js';
import { batchWithin } from '../../src/cam/masked-scores.js';
import { activationsAt } from '../../src/cam/method.js';
import { classTarget, linearTarget } from '../../src/cam/target.js';
import { Recorder } from '../../src/gpu/recorder.js';
import { Net } from '../../src/net/net.js';
import { testGpu, useGpu } from '../support/gpu.js';
import { random, relativeL2 } from '../support/numbers.js';
import { ownMethod } from '../support/own-method.js';
import { enlarge } from '../support/reference-cams.js';

useGpu();

const [H, W] = [16, 24];
const layer = 'features.9';
let net: Net;

beforeAll(async () => {
  const bytes = readFileSync(new URL('../../models/toy_vgg.safetensors', import.meta.url));
  net = Net.load(await testGpu(), undefined, bytes);
});
afterAll(() => net.destroy());

async function rawOf(data: Float32Array, options: ExplainOptions): Promise<Float32Array> {
  const input = net.gpu!.tensor(data, [data.length / (3 * H * W), 3, H, W]);
  const result = await explain(net, input, { layer, ...options });
  const raw = await result.raw.read();
  result.destroy();
  input.destroy();
  return raw;
}

const activations = ownMethod(
  'activations',
  (scene) => {
    const A = activationsAt(scene.trace, scene.layers[0]);
    return A.reshape([A.shape[0], A.shape[1] * A.shape[2], A.shape[3]]);
  },
  { usesTarget: false },
);

/** Logits of a batch of inputs. */
async function logitsOf(data: Float32Array): Promise<Float32Array> {
  const r = Recorder.on(net.gpu!);
  const [y] = await r.run([
    net.trace(r, r.constant(data, [data.length / (3 * H * W), 3, H, W])).output,
  ]);
  const logits = await y.read();
  y.destroy();
  return logits;
}

const softmax = (row: ArrayLike<number>) => {
  const most = Math.max(...Array.from(row));
  const e = Array.from(row, (v) => Math.exp(v - most));
  const sum = e.reduce((a, b) => a + b);
  return e.map((v) => v / sum);
};

/** Score-CAM's masks as methods.md has them, in float64, and the logits of the masked images and of the black one. */
async function maskedLogits(x: Float32Array) {
  const A = await rawOf(x, { method: activations });
  const K = 48;
  const size = A.length / K;
  const w = W / 4; // two poolings above the layer
  const isConstant: boolean[] = [];
  const copies = new Float32Array((K + 1) * x.length); // the last stays black
  for (let k = 0; k < K; k++) {
    const mask = enlarge(A.subarray(k * size, (k + 1) * size), [size / w, w], [H, W]);
    const least = mask.reduce((a, b) => Math.min(a, b));
    const span = mask.reduce((a, b) => Math.max(a, b)) - least;
    isConstant.push(span === 0);
    if (span > 0) {
      copies.set(
        x.map((v, i) => (v * (mask[i % (H * W)] - least)) / span),
        k * x.length,
      );
    }
  }
  return { A, K, size, isConstant, logits: await logitsOf(copies) };
}

type Masked = Awaited<ReturnType<typeof maskedLogits>>;

/** The raw map from those logits. */
function reference(
  { A, K, size, isConstant, logits }: Masked,
  classId: number,
  score: string,
  weights: string,
) {
  const scores = Array.from({ length: K + 1 }, (_, k) => {
    const row = logits.subarray(k * net.classes, (k + 1) * net.classes);
    return score === 'logit' ? row[classId] : softmax(row)[classId];
  });
  const baseline = weights === 'increase' ? scores[K] : 0;
  const weight =
    weights === 'softmax'
      ? softmax(scores.slice(0, K))
      : scores.slice(0, K).map((s, k) => (isConstant[k] ? 0 : s - baseline));
  return Float64Array.from({ length: size }, (_, i) =>
    weight.reduce((sum, v, k) => sum + v * A[k * size + i], 0),
  );
}

const x = random([1, 3, H, W], 21).data;

test('Score-CAM is its formula, with every way to score and to weigh', async () => {
  const masked = await maskedLogits(x);
  for (const [score, weights] of [
    ['probability', 'increase'],
    ['probability', 'score'],
    ['logit', 'softmax'],
  ]) {
    const options = { score, weights };
    const raw = await rawOf(x, { method: 'score-cam', target: classTarget(2), options });
    const error = relativeL2(raw, reference(masked, 2, score, weights));
    expect(error, `${score} ${weights}`).toBeLessThan(1e-4);
  }
});

test('the numbers do not depend on the batch of masks, nor does the peak grow with their number', async () => {
  const peaks: number[] = [];
  let first: Float32Array | undefined;
  const steps = new Set<number>();
  for (const memoryBytes of [0, 400_000, 1e9]) {
    steps.add(batchWithin(net.gpu!.caps, net, { input: [3, H, W] }, memoryBytes));
    const input = net.gpu!.tensor(x, [1, 3, H, W]);
    const result = await explain(net, input, {
      layer,
      method: 'score-cam',
      target: classTarget(1),
      memoryBytes,
    });
    const raw = await result.raw.read();
    peaks.push(result.plan.arenaBytes);
    first ??= raw;
    expect(relativeL2(raw, first)).toBeLessThan(1e-6);
    result.destroy();
    input.destroy();
  }
  expect(steps.size).toBe(3);
  expect(peaks[0]).toBeLessThan(peaks[2] / 4); // one copy at a time against all 48
});

test('a batch stays within the largest binding of the device, however much memory there is', () => {
  const { caps } = net.gpu!;
  const input = [3, 112, 112];
  const copy = 12 * 112 * 112 * 4; // bytes of the first layer's maps, the largest tensor
  for (const most of [1, 2, 3, 5]) {
    const limits = { ...caps.limits, maxStorageBufferBindingSize: most * copy + 1000 };
    expect(batchWithin({ ...caps, limits }, net, { input }, 1e12)).toBe(most);
  }
  expect(batchWithin(caps, net, { input }, 1e12)).toBe(64);
});

test('each image of a batch is explained for its own class, as alone', async () => {
  const two = new Float32Array(2 * x.length);
  two.set(x);
  two.set(random([1, 3, H, W], 22).data, x.length);
  const both = await rawOf(two, { method: 'score-cam', target: classTarget([3, 5]) });
  const half = both.length / 2;
  for (const [n, classId] of [3, 5].entries()) {
    const one = two.slice(n * x.length, (n + 1) * x.length);
    const alone = await rawOf(one, { method: 'score-cam', target: classTarget(classId) });
    expect(relativeL2(both.subarray(n * half, (n + 1) * half), alone)).toBeLessThan(1e-5);
  }
});

test('a long run tells its progress, and an abort leaves nothing behind', async () => {
  const before = net.gpu!.liveBytes;
  const seen: [number, number][] = [];
  const stop = new AbortController();
  const options = {
    method: 'score-cam',
    target: classTarget(1),
    memoryBytes: 0,
    signal: stop.signal,
    onProgress: (done: number, total: number) => {
      seen.push([done, total]);
      if (done === 3) stop.abort();
    },
  };
  const input = net.gpu!.tensor(x, [1, 3, H, W]);
  await expect(explain(net, input, { layer, ...options })).rejects.toThrow(/abort/i);
  input.destroy();
  expect(seen.map(([done]) => done)).toEqual([1, 2, 3]);
  expect(seen[0][1]).toBeGreaterThanOrEqual(48);
  expect(net.gpu!.liveBytes).toBe(before);
});

test('a target that is no class is refused with a clear line', async () => {
  const target = linearTarget(new Float32Array(8).fill(1));
  await expect(rawOf(x, { method: 'score-cam', target })).rejects.toThrow(/choose one/);
});
