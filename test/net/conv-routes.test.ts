import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { type Caps, type Choices, coreCaps } from '../../src/gpu/caps.js';
import { Gpu } from '../../src/gpu/device.js';
import type { Fork } from '../../src/gpu/fork.js';
import { Recorder } from '../../src/gpu/recorder.js';
import { shapeClass } from '../../src/gpu/shape-class.js';
import { placeholder } from '../../src/gpu/value.js';
import { type Architecture, imagenetPreprocessing } from '../../src/net/architecture.js';
import { Graph } from '../../src/net/graph.js';
import {
  AdaptiveAvgPool2d,
  BatchNorm2d,
  Concat,
  Conv2d,
  Flatten,
  Linear,
  ReLU,
} from '../../src/net/modules.js';
import { Net } from '../../src/net/net.js';
import { useGpu } from '../support/gpu.js';
import { hashWeights } from '../support/hash-weights.js';
import { random, relativeL2 } from '../support/numbers.js';

const { gpu } = useGpu();

/** Convolutions of all kinds, one after the other: some that Winograd's tiles can do, some that they cannot. */
const convolutions: Architecture = {
  name: 'convolutions',
  paper: '',
  classes: 5,
  head: 'fc',
  defaultLayer: 'cat',
  preprocessing: imagenetPreprocessing,
  minInput: 8,
  build: (classes) => {
    const g = new Graph();
    const stem = g.add('stem', ['input'], Conv2d(3, 16, 3, { pad: 1 }));
    const normed = g.sequential('normed', stem, [
      Conv2d(16, 20, 3, { pad: 1, bias: false }),
      BatchNorm2d(20),
      ReLU,
    ]);
    const left = g.sequential('left', normed, [Conv2d(20, 12, 3, { pad: 2 }), ReLU]);
    const right = g.add('right', [normed], Conv2d(20, 8, 5, { pad: 3 }));
    const cat = g.add('cat', [right, left], Concat);
    const grouped = g.add('grouped', [cat], Conv2d(20, 32, 3, { pad: 1, groups: 2 }));
    const narrow = g.add('narrow', [grouped], Conv2d(32, 9, 3, {}));
    const last = g.sequential('last', narrow, [
      Conv2d(9, 10, 3, { pad: 1, stride: 2 }),
      Conv2d(10, 10, 3, { pad: 2, dilation: 2 }),
      Conv2d(10, 10, 3, { pad: 3 }),
      Conv2d(10, 6, 3, { pad: 1 }),
    ]);
    const pooled = g.add('avgpool', [last], AdaptiveAvgPool2d([2, 2]));
    g.add('fc', [g.add('flatten', [pooled], Flatten)], Linear(24, classes));
    return g;
  },
};

interface Pass {
  readonly forks: Map<string, Fork>;
  readonly recorder: Recorder;
  readonly outputs: ReturnType<Recorder['value']>[];
}

/** Forward and back to the input, and the forks on the way by node and direction. */
function pass(net: Net, recorder: Recorder, [height, width] = [13, 11]): Pass {
  const forks = new Map<string, Fork>();
  let part = '';
  const { fork: record, during } = recorder;
  recorder.during = (name, work) => {
    const before = part;
    part = name;
    try {
      return during.call(recorder, name, work) as never;
    } finally {
      part = before;
    }
  };
  recorder.fork = (fork, into) => {
    forks.set(part, fork);
    return record.call(recorder, fork, into);
  };
  const x = random([2, 3, height, width], 1);
  const seed = random([2, 5], 2);
  const isReal = recorder.gpu !== undefined;
  const input = isReal ? recorder.constant(x.data, x.shape) : placeholder(x.shape);
  const dy = isReal ? recorder.constant(seed.data, seed.shape) : placeholder(seed.shape);
  const trace = net.trace(recorder, input, { backwardTo: ['input'] });
  const grads = trace.backward('fc', dy, ['input']);
  return { forks, recorder, outputs: [trace.output, grads.get('input')!] };
}

const namesOf = (forks: Pass['forks']) =>
  Object.fromEntries([...forks].map(([part, { routes }]) => [part, routes.map((r) => r.name)]));

/** A table that names one route everywhere. */
function everywhere(forks: Pass['forks'], route: string): Choices {
  const table: Record<string, Record<string, string>> = {};
  for (const { name, sizes } of forks.values()) {
    table[name] ??= {};
    table[name][shapeClass(sizes)] = route;
  }
  return table;
}

async function numbersOf({ recorder, outputs }: Pass): Promise<Float32Array[]> {
  const tensors = await recorder.run(outputs);
  const read = (await recorder.gpu!.read(tensors)) as Float32Array[];
  for (const tensor of tensors) tensor.destroy();
  return read;
}

/** Few, for what takes long: one that tiles can do. */
const one: Architecture = {
  ...convolutions,
  build: (classes) => {
    const g = new Graph();
    const stem = g.add('stem', ['input'], Conv2d(3, 16, 3, { pad: 1 }));
    const conv = g.add('conv', [stem], Conv2d(16, 16, 3, { pad: 1 }));
    const pooled = g.add('avgpool', [conv], AdaptiveAvgPool2d([2, 2]));
    g.add('fc', [g.add('flatten', [pooled], Flatten)], Linear(64, classes));
    return g;
  },
};

const described = Net.describe(convolutions);
const timed = (routes: Fork['routes']) =>
  routes.flatMap(({ name, isLong }) => (isLong ? [] : [name])).sort();
const all = ['direct', 'winograd4', 'winograd2'];

test('filters of 3 x 3 without stride, dilation or groups have routes by tiles, in both directions', () => {
  const { forks } = pass(described, new Recorder(coreCaps));
  const direct = ['direct'];
  expect(namesOf(forks)).toEqual({
    stem: direct,
    'normed.0 + normed.1 + normed.2': all,
    'left.0 + left.1': all,
    right: direct,
    grouped: direct,
    narrow: all,
    'last.0': direct,
    'last.1': direct,
    'last.2': all,
    'last.3': direct, // too few filters
    'stem, backward': direct,
    'normed.0, backward': all,
    'left.0, backward': all,
    'right, backward': direct,
    'grouped, backward': direct,
    'narrow, backward': all,
    'last.0, backward': direct,
    'last.1, backward': direct,
    'last.2, backward': direct, // turned round it would have padding below 0
    'last.3, backward': direct,
  });
  expect(forks.get('normed.0, backward')?.name).toBe('convolutionBackwardInput');
  expect(forks.get('narrow')?.sizes).toEqual({
    N: 2,
    C: 32,
    K: 9,
    H: 15,
    W: 13,
    PH: 0,
    PW: 0,
    POOL: 0,
  });
  expect(forks.get('narrow, backward')?.sizes).toMatchObject({ C: 9, K: 32, H: 13, PH: 2 });
});

test.each(['winograd2', 'winograd4'])('%s gives what the direct way gives', async (route) => {
  const net = Net.from(gpu(), convolutions, hashWeights(convolutions.build(5), 3));
  const { forks } = pass(described, new Recorder(coreCaps));
  const by = async (name: string) => {
    const caps = { ...gpu().caps, choices: everywhere(forks, name) };
    const recorded = pass(net, new Recorder(caps, gpu()));
    const { steps } = recorded.recorder.plan(recorded.outputs);
    return { steps, numbers: await numbersOf(recorded) };
  };
  const direct = await by('direct');
  const other = await by(route);
  const byTiles = ({ steps }: typeof direct) => [
    ...new Set(steps.flatMap((s) => (s.kernel.startsWith('winograd') ? [s.part] : []))),
  ];
  expect(byTiles(direct)).toEqual([]);
  expect(byTiles(other)).toEqual([
    'normed.0 + normed.1 + normed.2',
    'left.0 + left.1',
    'narrow',
    'last.2',
    'narrow, backward',
    'left.0, backward',
    'normed.0, backward',
  ]);
  for (const [i, numbers] of other.numbers.entries()) {
    expect(relativeL2(numbers, direct.numbers[i])).toBeLessThan(2e-5);
    expect(numbers).not.toEqual(direct.numbers[i]);
  }
  net.destroy();
});

describe('without measurement', () => {
  const firsts = (caps: Caps, size: readonly [number, number]) => {
    const { forks } = pass(Net.describe(convolutions), new Recorder(caps), [...size]);
    return [...forks].flatMap(([part, { routes }]) =>
      routes[0].name === 'direct' ? [] : [`${part}: ${routes[0].name}`],
    );
  };

  test('a GPU convolves directly, a software adapter large layers by tiles', () => {
    const software = { ...coreCaps, kind: 'software' as const };
    expect(firsts(coreCaps, [64, 64])).toEqual([]);
    expect(firsts(software, [13, 11])).toEqual([]);
    expect(firsts(software, [64, 64])).toEqual([
      'normed.0 + normed.1 + normed.2: winograd4',
      'left.0 + left.1: winograd4',
      'normed.0, backward: winograd4',
    ]);
  });

  test('the small tile is timed on a GPU only', () => {
    const timedOn = (kind: Caps['kind']) => {
      const { forks } = pass(described, new Recorder({ ...coreCaps, kind }));
      return timed(forks.get('narrow')!.routes);
    };
    expect(timedOn('gpu')).toEqual(['direct', 'winograd2', 'winograd4']);
    expect(timedOn('software')).toEqual(['direct', 'winograd4']);
  });

  test('filters that the device cannot bind are no route', () => {
    const limits = { ...coreCaps.limits, maxStorageBufferBindingSize: 2 ** 16 };
    const { forks } = pass(described, new Recorder({ ...coreCaps, limits }));
    // 20 filters of 16 channels take 36 x 2 x 16 x 16 floats by the larger tile, 16 x 2 x 16 x 16 by the smaller.
    expect(namesOf(forks)['normed.0 + normed.1 + normed.2']).toEqual(['direct', 'winograd2']);
  });
});

test('a tuned device times the routes, takes the winners and makes no filters that only losers read', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'webgpu-cam-routes-'));
  vi.stubEnv('XDG_CACHE_HOME', folder);
  try {
    using tuned = await Gpu.request({ tune: 'first-use' });
    using net = Net.from(tuned, one, hashWeights(one.build(5), 3));
    const recorded = pass(net, Recorder.on(tuned));
    const numbers = await numbersOf(recorded);
    const found = new Map(
      tuned.tuner!.measured.map((m) => [`${m.kernel} ${m.shapeClass}`, m] as const),
    );
    let filters = 0;
    for (const { name, sizes, routes, reads } of recorded.forks.values()) {
      const { timesMs, winner } = found.get(`${name} ${shapeClass(sizes)}`) ?? {};
      if (routes.length === 1) expect(timesMs).toBeUndefined();
      else expect(Object.keys(timesMs!).sort()).toEqual(timed(routes));
      const u = winner?.startsWith('winograd') && reads[`u${winner.slice(-1)}`];
      if (u) filters += 4 * u.shape.reduce((a, b) => a * b, 1);
    }
    using plain = Net.from(gpu(), one, hashWeights(one.build(5), 3));
    const direct = await numbersOf(pass(plain, Recorder.on(gpu())));
    for (const [i, values] of numbers.entries()) {
      expect(relativeL2(values, direct[i])).toBeLessThan(2e-5);
    }
    // Both hold the weights as the direct way reads them, which was recorded first.
    expect(net.params!.bytes - plain.params!.bytes).toBe(filters);
  } finally {
    vi.unstubAllEnvs();
    await rm(folder, { recursive: true, force: true });
  }
});
