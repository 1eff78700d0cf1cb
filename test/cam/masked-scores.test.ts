import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ExplainOptions, explain, planExplain } from '../../src/cam/explain.js';
import { maskedScores, scoresOf } from '../../src/cam/masked-scores.js';
import { mapMasks } from '../../src/cam/masks.js';
import type { Method } from '../../src/cam/method.js';
import { activationsAt } from '../../src/cam/method.js';
import { optionsOf } from '../../src/cam/options.js';
import { methodNamed } from '../../src/cam/registry.js';
import { sceneOf } from '../../src/cam/scene.js';
import { classTarget } from '../../src/cam/target.js';
import { DeviceError } from '../../src/errors.js';
import { coreCaps } from '../../src/gpu/caps.js';
import { Gpu } from '../../src/gpu/device.js';
import { Recorder, type RunPlan } from '../../src/gpu/recorder.js';
import { placeholder } from '../../src/gpu/value.js';
import { Graph } from '../../src/net/graph.js';
import { MaskedInput } from '../../src/net/masked-input.js';
import {
  AdaptiveAvgPool2d,
  Add,
  Concat,
  Conv2d,
  Flatten,
  Linear,
  MaxPool2d,
  ReLU,
} from '../../src/net/modules.js';
import { Net } from '../../src/net/net.js';
import {
  blended,
  combined,
  explained,
  featuresOf,
  mapOf,
  ownNet,
  probabilitiesOf,
  smallLayer,
  smallNet,
  stretched,
} from '../support/black-box.js';
import { testGpu, useGpu } from '../support/gpu.js';
import { random, relativeL2 } from '../support/numbers.js';
import { enlarge } from '../support/reference-cams.js';

const { gpu } = useGpu();

const [H, W] = [16, 24];
const layer = smallLayer;
const x = random([1, 3, H, W], 31);
let net: Net;

beforeAll(async () => {
  net = smallNet(await testGpu());
});
afterAll(() => net.destroy());

const rawOf = async (on: Net, options: ExplainOptions, input = x) =>
  (await explained(on, input, options)).raw;

/** Methods of many masks, as many that 7 or 16 do not divide them. */
const many: Readonly<Record<string, Record<string, unknown>>> = {
  'score-cam': {},
  rise: { masks: 50, cells: 3 },
  'group-cam': { groups: 19 },
};
const counts: Readonly<Record<string, number>> = { 'score-cam': 20, rise: 50, 'group-cam': 19 };

describe.each(Object.entries(many))('%s', (method, options) => {
  test('the numbers do not change with the batch size', async () => {
    const rawWith = (batch: number) =>
      rawOf(net, { method, layer, target: classTarget(2), options: { ...options, batch } });
    const one = await rawWith(1);
    expect(one.some((v) => v !== 0)).toBe(true);
    for (const batch of [7, 16, 1000]) {
      expect(relativeL2(await rawWith(batch), one), `batch ${batch}`).toBeLessThan(1e-6);
    }
  });

  test('each image of a batch is explained for its own class, as alone', async () => {
    const two = random([2, 3, H, W], 32);
    const how = { method, layer, options: { ...options, batch: 7 } };
    const both = await rawOf(net, { ...how, target: classTarget([4, 1]) }, two);
    const half = both.length / 2;
    for (const [n, classId] of [4, 1].entries()) {
      const alone = { shape: x.shape, data: mapOf(two.data, n, x.data.length).slice() };
      const raw = await rawOf(net, { ...how, target: classTarget(classId) }, alone);
      expect(relativeL2(mapOf(both, n, half), raw), `image ${n}`).toBeLessThan(1e-5);
    }
  });

  test('an abort in the middle leaves nothing allocated', async () => {
    const input = gpu().tensor(x.data, x.shape);
    const before = gpu().liveBytes;
    const stop = new AbortController();
    let last = 0;
    const run = explain(net, input, {
      method,
      layer,
      target: classTarget(2),
      options: { ...options, batch: 5 },
      signal: stop.signal,
      onProgress: (done, total) => {
        expect(done).toBeLessThan(total);
        last = done;
        if (done >= 10) stop.abort(new Error('enough'));
      },
    });
    await expect(run).rejects.toThrow('enough');
    expect(last).toBe(10);
    expect(gpu().liveBytes).toBe(before);
    input.destroy();
  });

  test('progress counts each copy once and ends with all of them', async () => {
    const seen: number[] = [];
    const totals = new Set<number>();
    const { plan } = await explained(net, x, {
      method,
      layer,
      target: classTarget(2),
      options: { ...options, batch: 7 },
      onProgress: (done, total) => {
        seen.push(done);
        totals.add(total);
      },
    });
    expect(plan.submissions).toBeGreaterThan(2);
    expect([...totals]).toEqual([counts[method]]);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(seen.at(-1)).toBe(counts[method]);
  });
});

test('peak memory does not grow with the number of masks', async () => {
  const planOf = (masks: number, batch: number) =>
    planExplain(net, gpu().empty(x.shape), { method: 'rise', layer, options: { masks, batch } });
  const [few, lots] = [planOf(16, 8), planOf(256, 8)];
  expect(lots.submissions).toBeGreaterThan(32);
  // All that grows: the scores, and which masks a batch is of, for each kernel that asks (20 bytes, aligned).
  const small = 4 * 256 + 36 * 3 * 256;
  expect(lots.arenaBytes).toBeLessThan(few.arenaBytes + small);
  expect(planOf(256, 64).arenaBytes).toBeGreaterThan(2 * few.arenaBytes);
});

test('a memory budget is kept, and grows the batch as far as it can', async () => {
  const input = gpu().empty([1, 3, 64, 64]);
  const planFor = (memoryBytes: number) =>
    planExplain(net, input, { method: 'score-cam', layer, memoryBytes });
  const tight = planFor(0);
  const free = planFor(1e12);
  expect(tight.submissions).toBeGreaterThan(20);
  expect(free.submissions).toBeLessThan(5);
  for (const share of [0.25, 0.5, 0.75]) {
    const bytes = share * free.arenaBytes;
    const plan = planFor(bytes);
    expect(plan.submissions).toBeLessThan(tight.submissions);
    expect(plan.submissions).toBeGreaterThan(free.submissions);
    // What is not the batch's: maps, masks, scores, the constants of each batch.
    expect(plan.arenaBytes).toBeLessThan(bytes + tight.arenaBytes);
  }
  expect(() => planFor(-1)).toThrow('memory is -1 bytes');
  input.destroy();
});

/** What a method of an image costs on an adapter that is not there. */
function planOn(kind: 'gpu' | 'software', on: Net, name: string, options: object): RunPlan {
  const target = classTarget(2);
  const recorder = new Recorder({ ...coreCaps, kind });
  const method = methodNamed(name);
  const scene = sceneOf({
    recorder,
    net: on,
    input: placeholder([1, 3, H, W]),
    layers: method.layers === 'none' ? [] : [on.defaultLayer],
    target,
    part: target.parts[0],
    memoryBytes: 2 ** 28,
    size: 'input',
    keepsNegative: false,
    demands: [],
  });
  return recorder.plan([method.record(scene, optionsOf(method, { ...options, batch: 5 }))]);
}

/** Whether a plan holds copies of images. */
const holdsCopies = ({ steps }: RunPlan) =>
  steps.some(
    ({ kernel, bindings }) =>
      kernel === 'blend' ||
      bindings.some(({ shape: [N, ...rest] }) => N > 1 && `${rest}` === `3,${H},${W}`),
  );

const everyKind: Readonly<Record<string, object>> = {
  ...many,
  'ss-cam': { copies: 2 },
  'is-cam': { steps: 2 },
  'msg-cam': { steps: 2 },
  occlusion: {},
  lime: { samples: 30, segments: 6, off: 'blur' },
  'kernel-shap': { samples: 30, segments: 6 },
};

/** A network that does not begin with a convolution. */
const poolFirst = () => {
  const g = new Graph();
  const pooled = g.add('pool', ['input'], MaxPool2d(2, 2));
  const maps = g.sequential('features', pooled, [Conv2d(3, 10, 3, { pad: 1 }), ReLU]);
  const mean = g.add('mean', [maps], AdaptiveAvgPool2d([1, 1]));
  g.add('head', [g.add('flat', [mean], Flatten)], Linear(10, 4));
  return g;
};

/** A network whose input is read by two convolutions, a concatenation and a sum. */
const readByAll = () => {
  const g = new Graph();
  const a = g.add('a', ['input'], Conv2d(3, 5, 3, { pad: 1 }));
  const b = g.add('b', ['input'], Conv2d(3, 4, 1));
  const all = g.add('all', [a, 'input', b], Concat);
  const c = g.add('c', [g.add('relu', [all], ReLU)], Conv2d(12, 3, 3, { pad: 1 }));
  const sum = g.add('sum', [c, 'input'], Add);
  const maps = g.sequential('features', sum, [Conv2d(3, 10, 3, { pad: 1, stride: 2 }), ReLU]);
  const mean = g.add('mean', [maps], AdaptiveAvgPool2d([1, 1]));
  g.add('head', [g.add('flat', [mean], Flatten)], Linear(10, 4));
  return g;
};

for (const kind of ['gpu', 'software'] as const) {
  test(`masked copies are not in memory: ${kind}`, () => {
    for (const [name, options] of Object.entries(everyKind)) {
      const plan = planOn(kind, Net.describe('toy_vgg'), name, options);
      const convolutions = plan.steps.filter(({ kernel }) => kernel === 'maskedConv2d');
      expect(convolutions.length, name).toBeGreaterThan(2);
      expect(holdsCopies(plan), name).toBe(false);
    }
  });

  test(`where they must be, the plan counts them: ${kind}`, () => {
    const own = ownNet(gpu(), poolFirst, { layer: 'features.1' });
    const plan = planOn(kind, own, 'rise', many.rise);
    expect(holdsCopies(plan)).toBe(true);
    expect(plan.arenaBytes).toBeGreaterThan(5 * 3 * H * W * 4);
    own.destroy();
  });
}

describe.each([
  ['begins with a pooling', poolFirst, 'features.1'],
  ['reads its input at many places', readByAll, 'features.1'],
] as const)('a network that %s', (_, build, at) => {
  let own: Net;
  beforeAll(async () => {
    own = ownNet(await testGpu(), build, { layer: at });
  });
  afterAll(() => own.destroy());

  test('gets the same masked copies', async () => {
    const { A, K, h, w } = await featuresOf(own, x, at, 1);
    const masks = Array.from({ length: K }, (_, k) =>
      stretched(enlarge(mapOf(A, k, h * w), [h, w], [H, W])),
    );
    const copies = masks.map((mask) => blended(x.data, mask));
    const black = new Float32Array(x.data.length);
    const p = await probabilitiesOf(own, [...copies, black], x.shape, 1);
    const weights = masks.map((mask, k) => (mask.some((v) => v > 0) ? p[k] - p[K] : 0));
    const maps = masks.map((_, k) => mapOf(A, k, h * w));
    const want = combined(maps, weights);
    expect(want.some((v) => v !== 0)).toBe(true);
    for (const batch of [3, 0]) {
      const raw = await rawOf(own, {
        method: 'score-cam',
        target: classTarget(1),
        options: { batch },
      });
      expect(relativeL2(raw, want), `batch ${batch}`).toBeLessThan(1e-4);
    }
  });

  test('takes them from the image they are of', async () => {
    const two = random([2, 3, H, W], 34);
    const target = classTarget([0, 3]);
    const options = { ...many.rise, batch: 10 };
    const both = await rawOf(own, { method: 'rise', target, options }, two);
    for (const [n, classId] of [0, 3].entries()) {
      const alone = { shape: x.shape, data: mapOf(two.data, n, x.data.length).slice() };
      const how = { method: 'rise', target: classTarget(classId), options };
      const raw = await rawOf(own, how, alone);
      expect(relativeL2(mapOf(both, n, H * W), raw), `image ${n}`).toBeLessThan(1e-6);
    }
  });

  test('does so for RISE and blurred canvases, whatever the batch', async () => {
    for (const [method, options] of [
      ['rise', many.rise],
      ['group-cam', { groups: 7 }],
    ] as const) {
      const rawWith = (batch: number) =>
        rawOf(own, { method, target: classTarget(1), options: { ...options, batch } });
      const one = await rawWith(1);
      expect(relativeL2(await rawWith(4), one), method).toBeLessThan(1e-6);
    }
  });
});

test('scores from a middle layer are those from the input', async () => {
  const scores = (from: 'layer' | 'input'): Method => ({
    name: 'scores',
    title: '',
    paper: '',
    options: {},
    layers: 'one',
    finish: 'none',
    passes: 'many',
    usesTarget: true,
    record: (scene) => {
      const A = activationsAt(scene.trace, layer);
      const { masks } = mapMasks(scene, A);
      const scoring = { kind: 'logit', options: { batch: 7 } } as const;
      if (from === 'input') {
        return maskedScores(scene, masks, scoring).reshape([2, 4, 5]);
      }
      return scoresOf(scene, layer, A.shape, 20, scoring, (place) => {
        const copies = new MaskedInput(scene.recorder, { x: scene.input }, masks, place);
        return scene.net.trace(scene.recorder, copies, { taps: [layer] }).value(layer);
      }).reshape([2, 4, 5]);
    },
  });
  const two = random([2, 3, H, W], 33);
  const target = classTarget([3, 5]);
  const [a, b] = [
    await rawOf(net, { method: scores('input'), layer, target }, two),
    await rawOf(net, { method: scores('layer'), layer, target }, two),
  ];
  expect(new Set(a).size).toBeGreaterThan(20);
  expect(relativeL2(b, a)).toBeLessThan(1e-6);
});

test('more batches than can be recorded are refused before there is a list of them', () => {
  const lots: Method = {
    ...methodNamed('rise'),
    record: (scene) => {
      const masks = { kind: 'rise', count: 1e12, rise: { key: 'a', p: 0.5, grid: 7 } } as const;
      return maskedScores(scene, masks, { options: { batch: 8 } });
    },
  };
  const input = placeholder([2, 3, H, W]);
  expect(() => planExplain(net, input, { method: lots })).toThrow(
    '1000000000000 copies of 2 images in batches of 8 are 250000000000 batches, should be at most 5000',
  );
  // One square a pixel of a picture larger than any screen: the list alone would take gigabytes.
  const pixels = { method: methodNamed('occlusion'), options: { size: 1, stride: 1 } };
  expect(() => planExplain(net, placeholder([1, 3, 8192, 8192]), pixels)).toThrow(
    'occlusion: 8192 x 8192 squares, 1 pixels apart, should be at most 1048576, choose a larger stride',
  );
});

test('a device lost in the middle of a Score-CAM rejects, and a fresh one works', async () => {
  const options = { method: 'score-cam', layer, target: classTarget(2), options: { batch: 4 } };
  const gone = await Gpu.request();
  const lost = smallNet(gone);
  const input = gone.tensor(x.data, x.shape);
  let calls = 0;
  const run = explain(lost, input, {
    ...options,
    onProgress: () => {
      calls++;
      if (calls === 3) gone.device.destroy();
    },
  });
  await expect(run).rejects.toThrow(DeviceError);
  expect(calls).toBe(3);
  await expect(explain(lost, input, options)).rejects.toThrow(DeviceError);
  input.destroy();
  lost.destroy();
  expect(gone.liveBytes).toBe(0);
  gone.destroy();

  using fresh = await Gpu.request();
  const again = smallNet(fresh);
  const { raw } = await explained(again, x, options);
  expect(relativeL2(raw, await rawOf(net, options))).toBeLessThan(1e-6);
  again.destroy();
});

describe('channels that are dead', () => {
  const dead = [0, 3, 4, 5, 9, 11, 12, 13, 14, 15, 17, 19];
  /** `smallNet` with filters that never fire. */
  const withDead = (): Net => {
    const graph = net.graph;
    const weights = Object.fromEntries(
      [...graph.params.keys()].map((name) => [name, net.params!.read(name).slice()]),
    );
    for (const k of dead) {
      weights['features.3.weight'].fill(0, k * 72, (k + 1) * 72);
      weights['features.3.bias'][k] = -1;
    }
    return smallNet(gpu(), weights);
  };

  test.each([{}, { weights: 'softmax', score: 'logit' }, { weights: 'score' }])(
    'Score-CAM %j asks about one of them for all, and comes to the same',
    async (options) => {
      const some = withDead();
      const { queue } = gpu().device;
      const { submit } = queue;
      try {
        const submitsWith = async (batch: number) => {
          let submits = 0;
          queue.submit = (buffers) => {
            submits++;
            return submit.call(queue, buffers);
          };
          const raw = await rawOf(some, {
            method: 'score-cam',
            layer,
            target: classTarget(2),
            options: { ...options, batch },
          });
          queue.submit = submit;
          return { raw, submits };
        };
        // One batch of all leaves out nothing; with 1 copy each, 8 live channels and a dead one are asked about, not 20.
        const [all, one] = [await submitsWith(20), await submitsWith(1)];
        expect(all.raw.some((v) => v !== 0)).toBe(true);
        expect(relativeL2(one.raw, all.raw)).toBeLessThan(1e-6);
        expect(one.submits - all.submits).toBe(8 + 1); // 8 batches more, and the reading of the count
      } finally {
        queue.submit = submit;
        some.destroy();
      }
    },
  );
});
