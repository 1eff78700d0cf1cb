import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { coreCaps } from '../../src/gpu/caps.js';
import { Gpu } from '../../src/gpu/device.js';
import { type Fork, type Route, routeFor } from '../../src/gpu/fork.js';
import { Recorder } from '../../src/gpu/recorder.js';
import { shapeClass } from '../../src/gpu/shape-class.js';
import type { Value } from '../../src/gpu/value.js';
import { kernel } from '../../src/kernels/kernel.js';
import { testCaps } from '../support/gpu.js';
import { groups, misjudged, shader } from '../support/misjudged.js';
import { tuned, useOwnCache } from '../support/own-cache.js';

const folder = useOwnCache();

/** y = x + 1, slowly or at once. */
const costly = kernel({ ...misjudged.spec, name: 'costly', variants: [{ ...oneOf(3000) }] });
const quick = kernel({ ...misjudged.spec, name: 'quick', variants: [{ ...oneOf(1) }] });
function oneOf(rounds: number) {
  return { name: 'only', code: shader(rounds), groups };
}

/** y = x, at once if it is told 7. */
const told = kernel({
  name: 'told',
  reads: { x: '*', at: '1' },
  results: { y: '*' },
  dtypes: { at: 'u32' },
  variants: [
    {
      name: 'only',
      code: `
        alias elem = f32;
        override SIZE: u32;
        @group(0) @binding(0) var<storage, read> x: array<elem>;
        @group(0) @binding(1) var<storage, read> at: array<u32>;
        @group(0) @binding(2) var<storage, read_write> y: array<elem>;
        @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
          if (id.x >= SIZE) { return; }
          var wasted = 0.0;
          let rounds = select(8000u, 1u, at[0] == 7u);
          for (var i = 0u; i < rounds; i++) { wasted = sin(wasted + x[(id.x + i) % SIZE]); }
          y[id.x] = x[id.x] + min(0.0, wasted + 2.0);
        }`,
      groups,
    },
  ],
});

type Reads = 'x' | 'forLong' | 'forShort';

const size = 4096;
const data = Float32Array.from({ length: size }, (_, i) => (i % 100) / 100);
const classOf = (length: number) => shapeClass({ SIZE: length });

/** x + 2 by routes of two dispatches, or three; the one taken without measurement is the slow one. */
const long: Route<Reads> = {
  name: 'long',
  record: (r, read, into) => {
    const { k } = r;
    read('forLong');
    return k(quick, { x: k(costly, { x: read('x') }) }, {}, { into });
  },
};
const short: Route<Reads> = {
  name: 'short',
  record: ({ k }, read, into) => {
    const half = k(quick, { x: read('forShort') });
    return k(quick, { x: half }, {}, { into });
  },
};
const wasteful: Route<Reads> = {
  name: 'wasteful',
  record: ({ k }, read, into) => {
    k(quick, { x: read('x') }); // nobody needs it: neither run nor timed
    return k(misjudged, { x: k(costly, { x: read('x') }) }, {}, { into });
  },
};

interface Recording {
  readonly recorder: Recorder;
  readonly y: Value;
  /** Operands that were made. */
  readonly made: string[];
}

function recording(
  recorder: Recorder,
  length = size,
  routes: readonly Route<Reads>[] = [long, short],
): Recording {
  const made: string[] = [];
  const x = recorder.constant(data.subarray(0, length));
  const operand = (name: string) => ({
    shape: [length],
    make: () => {
      made.push(name);
      return x;
    },
  });
  const fork: Fork<Reads> = {
    name: 'twoMore',
    sizes: { SIZE: length },
    reads: { x: operand('x'), forLong: operand('forLong'), forShort: operand('forShort') },
    routes,
  };
  return { recorder, y: recorder.fork(fork), made };
}

const kernelsOf = ({ recorder, y }: Recording) => recorder.plan([y]).steps.map((s) => s.kernel);

/** Runs a recording, checks its numbers, and says which kernels ran. */
async function ran(recorded: Recording): Promise<string[]> {
  const [tensor] = await recorded.recorder.run([recorded.y]);
  const got = await tensor.read();
  tensor.destroy();
  expect(got.every((v, i) => Math.abs(v - data[i] - 2) < 1e-6)).toBe(true);
  return kernelsOf(recorded);
}

test('the fastest route is found at first use and taken in the same run', async () => {
  using gpu = await tuned();
  const first = recording(Recorder.on(gpu));
  expect(kernelsOf(first)).toEqual(['costly', 'quick']);
  expect(await ran(first)).toEqual(['quick', 'quick']);
  expect(gpu.tuner?.measured).toMatchObject([
    { kernel: 'twoMore', shapeClass: 'SIZE=4096', automatic: 'long', winner: 'short' },
  ]);
  const { long: slow, short: fast } = gpu.tuner!.measured[0].timesMs;
  expect(slow).toBeGreaterThan(2 * fast);
  // Of the same class: recorded at once by the winner, whose operands alone are made.
  const second = recording(Recorder.on(gpu), 3000);
  expect(kernelsOf(second)).toEqual(['quick', 'quick']);
  expect(second.made).toEqual(['forShort']);
  await ran(second);
  expect(gpu.tuner?.measured).toHaveLength(1);
  await ran(recording(Recorder.on(gpu), 1000));
  expect(gpu.tuner?.measured, 'another class').toHaveLength(2);
  expect(gpu.liveBytes).toBe(0);
});

test('what only the losers read is not made', async () => {
  using gpu = await tuned();
  const recorded = recording(Recorder.on(gpu), size, [short, long]);
  expect(await ran(recorded)).toEqual(['quick', 'quick']);
  expect(gpu.tuner?.measured).toMatchObject([{ automatic: 'short', winner: 'short' }]);
  expect(recorded.made).toEqual(['forShort']);
});

test('what a route uploads is there in every repeat, though later values may have its memory in a run', async () => {
  using gpu = await tuned();
  const constant: Route<Reads> = {
    name: 'constant',
    record: (r, read, into) => {
      const { k } = r;
      const x = k(told, { x: read('x'), at: r.constant(Uint32Array.of(7)) });
      return k(quick, { x: k(quick, { x }) }, {}, { into });
    },
  };
  const recorded = recording(Recorder.on(gpu), size, [long, constant]);
  expect(await ran(recorded)).toEqual(['told', 'quick', 'quick']);
  const { arena, layout } = recorded.recorder.schedule([recorded.y]);
  const { lane } = layout.placements[arena.findIndex(({ bytes }) => bytes === 4)];
  expect(layout.placements.filter((place) => place.lane === lane).length).toBeGreaterThan(1);
});

test('is remembered beside the variants: the next device times nothing', async () => {
  {
    using gpu = await tuned();
    await ran(recording(Recorder.on(gpu)));
  }
  const [name, ...others] = await readdir(join(folder(), 'webgpu-cam', 'tuned'));
  expect(others).toEqual([]);
  const kept = JSON.parse(await readFile(join(folder(), 'webgpu-cam', 'tuned', name), 'utf8'));
  expect(kept.choices).toEqual({ twoMore: { 'SIZE=4096': 'short' } });
  using gpu = await tuned();
  expect(kernelsOf(recording(Recorder.on(gpu)))).toEqual(['quick', 'quick']);
  expect(await ran(recording(Recorder.on(gpu)))).toEqual(['quick', 'quick']);
  expect(gpu.tuner?.measured).toEqual([]);
  // An adopted device looks it up when it runs, after the recording was made.
  using host = Gpu.adopt(gpu.device, gpu.info, { tune: 'first-use' });
  const late = recording(Recorder.on(host));
  expect(kernelsOf(late)).toEqual(['costly', 'quick']);
  expect(await ran(late)).toEqual(['quick', 'quick']);
  expect(host.tuner?.measured).toEqual([]);
});

test('variants within the routes are settled first, those of losers too', async () => {
  using gpu = await tuned();
  const told: string[] = [];
  gpu.tuner!.onTiming = (name, shapes) => told.push(`${name} ${shapes}`);
  const recorded = recording(Recorder.on(gpu), size, [wasteful, short]);
  expect(kernelsOf(recorded)).toEqual(['costly', 'misjudged']);
  expect(await ran(recorded)).toEqual(['quick', 'quick']);
  expect(gpu.tuner?.measured.map((m) => [m.kernel, m.winner])).toEqual([
    ['misjudged', 'unpaid'],
    ['twoMore', 'short'],
  ]);
  expect(told).toEqual(['misjudged SIZE=4096', 'twoMore SIZE=4096']);
});

test('steps keep their part and their submission when another route takes their place', async () => {
  using gpu = await tuned();
  const recorder = Recorder.on(gpu);
  const ahead = recorder.k(quick, { x: recorder.constant(data) });
  recorder.cut(3);
  const { y } = recorder.during('the fork', () => recording(recorder));
  recorder.cut(5);
  const behind = recorder.during('behind', () => recorder.k(quick, { x: y }));
  const outputs = [ahead, behind];
  const planned = () =>
    recorder.plan(outputs).steps.map((s) => `${s.part ?? ''}: ${s.kernel}`.trim());
  expect(planned()).toEqual([': quick', 'the fork: costly', 'the fork: quick', 'behind: quick']);
  const progress: number[] = [];
  const tensors = await recorder.run(outputs, { onProgress: (done) => progress.push(done) });
  const got = await tensors[1].read();
  for (const tensor of tensors) tensor.destroy();
  expect(got.every((v, i) => Math.abs(v - data[i] - 3) < 1e-6)).toBe(true);
  expect(planned()).toEqual([': quick', 'the fork: quick', 'the fork: quick', 'behind: quick']);
  expect(progress).toEqual([3, 8]);
  expect(recorder.plan(outputs).submissions).toBe(3);
});

test('a route that takes long for sure is not timed, but taken where it comes first', async () => {
  using gpu = await tuned();
  const lengthy = { ...short, name: 'lengthy', isLong: true };
  await ran(recording(Recorder.on(gpu), size, [long, lengthy]));
  expect(gpu.tuner?.measured).toEqual([]);
  expect(await ran(recording(Recorder.on(gpu), 1000, [lengthy, long]))).toEqual(['quick', 'quick']);
  expect(Object.keys(gpu.tuner!.measured[0].timesMs)).toEqual(['lengthy', 'long']);
});

test('leaves alone who brings caps, and a device that is not tuned', async () => {
  using gpu = await tuned();
  const own = recording(new Recorder({ ...gpu.caps }, gpu));
  expect(await ran(own)).toEqual(['costly', 'quick']);
  using plain = await Gpu.request();
  expect(await ran(recording(Recorder.on(plain)))).toEqual(['costly', 'quick']);
  expect(gpu.tuner?.measured).toEqual([]);
});

test.skipIf(!testCaps.features.has('shader-f16'))(
  'what is stored in 16 bits takes the choices of 32, and is not timed',
  async () => {
    using gpu = await tuned();
    const halves = () => {
      const recorder = Recorder.on(gpu);
      return recorder.storing('f16', () => recording(recorder));
    };
    const before = halves();
    const [tensor] = await before.recorder.run([before.y]);
    tensor.destroy();
    expect(kernelsOf(before)).toEqual(['costly', 'quick']);
    expect(gpu.tuner?.measured).toEqual([]);
    await ran(recording(Recorder.on(gpu)));
    expect(kernelsOf(halves())).toEqual(['quick', 'quick']);
  },
);

test('does not take more memory than a quarter of a buffer', async () => {
  using gpu = await tuned({ limits: 'core' });
  const length = 2 ** 23; // 32 MiB each: x, y and what is between
  const recorder = Recorder.on(gpu);
  const operand = { shape: [length], make: () => recorder.blank([length]) };
  const fork: Fork<Reads> = {
    name: 'twoMore',
    sizes: { SIZE: length },
    reads: { x: operand, forLong: operand, forShort: operand },
    routes: [long, short],
  };
  gpu.resetPeak();
  await gpu.tuner!.settleForks([fork]);
  expect(gpu.tuner?.measured).toEqual([]);
  expect(gpu.peakBytes).toBe(0);
});

test('a run that is aborted while it tunes leaves nothing behind, and the next one tunes', async () => {
  using gpu = await tuned();
  const control = new AbortController();
  const first = recording(Recorder.on(gpu));
  gpu.tuner!.onTiming = () => control.abort(new Error('enough'));
  const run = first.recorder.run([first.y], { signal: control.signal });
  await expect(run).rejects.toThrow('enough');
  expect(gpu.liveBytes).toBe(0);
  expect(gpu.tuner?.measured).toEqual([]);
  gpu.tuner!.onTiming = undefined;
  expect(await ran(first)).toEqual(['quick', 'quick']);
});

describe('a table of choices', () => {
  const routeOf = (choices: Record<string, Record<string, string>>, length = size) => {
    const recorder = new Recorder({ ...coreCaps, choices });
    return JSON.stringify(kernelsOf(recording(recorder, length)));
  };
  const [isLong, isShort] = ['["costly","quick"]', '["quick","quick"]'];

  test('serves the class, and the same table gives the same plan', () => {
    const choices = { twoMore: { [classOf(size)]: 'short' } };
    expect([2900, 2000, size].map((n) => routeOf(choices, n))).toEqual([isShort, isLong, isShort]);
    expect(routeOf(choices)).toBe(routeOf(choices));
    expect(routeOf({})).toBe(isLong);
  });

  test('is passed over where it names no route there is', () => {
    for (const name of ['none', '', 'constructor', '__proto__']) {
      expect(routeOf({ twoMore: { [classOf(size)]: name } }), name).toBe(isLong);
    }
    const only: Fork = { name: 'twoMore', sizes: { SIZE: size }, reads: {}, routes: [long] };
    const choices = { twoMore: { [classOf(size)]: 'short' } };
    expect(routeFor(only, { ...coreCaps, choices })).toBe(long);
  });
});
