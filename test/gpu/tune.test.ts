import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { DeviceError } from '../../src/errors.js';
import type { Caps } from '../../src/gpu/caps.js';
import { Gpu } from '../../src/gpu/device.js';
import { platformGpu } from '../../src/gpu/platform-node.js';
import { Recorder } from '../../src/gpu/recorder.js';
import { tableKey } from '../../src/gpu/tuned-table.js';
import type { Value } from '../../src/gpu/value.js';
import { conv2d } from '../../src/kernels/conv2d.js';
import { kernel } from '../../src/kernels/kernel.js';
import { groups, misjudged, shader } from '../support/misjudged.js';
import { random } from '../support/numbers.js';
import { tuned, useOwnCache } from '../support/own-cache.js';
import * as reference from '../support/reference.js';

const folder = useOwnCache();

/** y = x + 1 of whole numbers. */
const wholeNumbers = `
  override SIZE: u32;
  @group(0) @binding(0) var<storage, read> x: array<u32>;
  @group(0) @binding(1) var<storage, read_write> y: array<u32>;
  @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
    if (id.x < SIZE) { y[id.x] = x[id.x] + 1u; }
  }`;

const tables = join('webgpu-cam', 'tuned');
const size = 4096;
const data = Float32Array.from({ length: size }, (_, i) => (i % 100) / 100);

function recording(gpu: Gpu, length = size) {
  const recorder = Recorder.on(gpu);
  const x = recorder.constant(data.subarray(0, length));
  return { recorder, y: recorder.k(misjudged, { x }) };
}

/** Runs the misjudged kernel, checks its numbers, and says which variant ran. */
async function ran(gpu: Gpu, length = size): Promise<string> {
  const { recorder, y } = recording(gpu, length);
  const [tensor] = await recorder.run([y]);
  const got = await tensor.read();
  tensor.destroy();
  const isRight = got.every((v, i) => Math.abs(v - data[i] - 1) < 1e-6);
  expect(isRight).toBe(true);
  return recorder.plan([y]).steps[0].variant;
}

test('finds the fastest variant at first use and takes it from then on', async () => {
  using gpu = await tuned();
  const { recorder, y } = recording(gpu);
  expect(recorder.plan([y]).steps[0].variant).toBe('slow');
  expect(await ran(gpu)).toBe('unpaid');
  expect(gpu.tuner?.measured).toMatchObject([
    { kernel: 'misjudged', shapeClass: 'SIZE=4096', automatic: 'slow', winner: 'unpaid' },
  ]);
  const { slow, unpaid } = gpu.tuner!.measured[0].timesMs;
  expect(slow).toBeGreaterThan(unpaid);

  // Planned before it was tuned, run after; of the same class; and planned anew without a run.
  const [tensor] = await recorder.run([y]);
  tensor.destroy();
  expect(recorder.plan([y]).steps[0].variant).toBe('unpaid');
  expect(await ran(gpu, 3000)).toBe('unpaid');
  expect(misjudged.plan({ x: { shape: [size] } }, {}, { caps: gpu.caps }).variant).toBe('unpaid');
  expect(gpu.tuner?.measured).toHaveLength(1);
  expect(await ran(gpu, 1000)).toBe('unpaid');
  expect(gpu.tuner?.measured, 'another class').toHaveLength(2);
  expect(gpu.liveBytes).toBe(0);
});

test('is remembered: the next device plans the same and times nothing', async () => {
  {
    using gpu = await tuned();
    await ran(gpu);
  }
  expect(await readdir(join(folder(), tables))).toHaveLength(1);
  using gpu = await tuned();
  const { recorder, y } = recording(gpu);
  expect(recorder.plan([y]).steps[0].variant).toBe('unpaid');
  expect(await ran(gpu)).toBe('unpaid');
  expect(gpu.tuner?.measured).toEqual([]);

  // An adopted device, which can look it up only when it runs.
  using host = Gpu.adopt(gpu.device, gpu.info, { tune: 'first-use' });
  expect(await ran(host)).toBe('unpaid');
  expect(host.tuner?.measured).toEqual([]);
});

test('adds to what is remembered, and full goes before first-use', async () => {
  using quick = await tuned();
  await ran(quick);
  using more = await tuned();
  await ran(more, 1000);
  const [name] = await readdir(join(folder(), tables));
  const { choices } = JSON.parse(await readFile(join(folder(), tables, name), 'utf8'));
  expect(choices).toEqual({ misjudged: { 'SIZE=4096': 'unpaid', 'SIZE=1024': 'unpaid' } });

  using full = await tuned({ tune: 'full' });
  expect(await ran(full)).toBe('unpaid');
  expect(full.tuner?.measured, 'timed again, for longer').toHaveLength(1);
  const key = `${tableKey(full.info)}-full.json`;
  expect(await readdir(join(folder(), tables))).toEqual([name, key].sort());
  const table = { format: 2, choices: { misjudged: { 'SIZE=4096': 'naive' } } };
  await writeFile(join(folder(), tables, key), JSON.stringify(table));
  using next = await tuned();
  expect(await ran(next)).toBe('naive');
  expect(await ran(next, 1000)).toBe('unpaid');
  expect(next.tuner?.measured).toEqual([]);
});

test('damaged tables are as good as none', async () => {
  using gpu = await tuned();
  await ran(gpu);
  const [name] = await readdir(join(folder(), tables));
  const path = join(folder(), tables, name);
  const choices = { misjudged: { 'SIZE=4096': 'naive' } };
  for (const text of [
    '',
    '{"format":2,"cho',
    'null',
    '[]',
    '{"format":2,"choices":[]}',
    '{"format":2,"choices":{"misjudged":"naive"}}',
    '{"format":2,"choices":{"misjudged":{"SIZE=4096":7}}}',
    JSON.stringify({ format: 1, choices }),
  ]) {
    await writeFile(path, text);
    using fresh = await tuned();
    expect(recording(fresh).recorder.caps.choices?.misjudged, text).toBeUndefined();
  }
  using fresh = await tuned();
  expect(await ran(fresh)).toBe('unpaid');
  expect(JSON.parse(await readFile(path, 'utf8')).choices.misjudged).toEqual({
    'SIZE=4096': 'unpaid',
  });
});

test('a folder that cannot be written is no error', async () => {
  await writeFile(join(folder(), 'webgpu-cam'), 'a file in the place of the folder');
  using gpu = await tuned();
  expect(await ran(gpu)).toBe('unpaid');
});

test('never, the default, reads nothing, writes nothing and plans as the kernel says', async () => {
  const table = { format: 2, choices: { misjudged: { 'SIZE=4096': 'naive' } } };
  using gpu = await Gpu.request();
  {
    using other = await tuned();
    await ran(other);
    const path = join(folder(), tables, `${tableKey(gpu.info)}.json`);
    await writeFile(path, JSON.stringify(table));
  }
  using plain = await Gpu.request();
  expect(await ran(plain)).toBe('slow');
  expect(plain.tuner).toBeUndefined();
  expect(plain.caps.choices).toEqual(gpu.caps.choices);
  const caps = plain.caps;
  expect(plain.caps).toBe(caps);
});

test('leaves alone what a caller chose: a variant, caps, or a kernel that reads positions not computed yet', async () => {
  using gpu = await tuned();
  const recorder = Recorder.on(gpu);
  const x = recorder.constant(data);
  const named = recorder.k(misjudged, { x }, {}, { variant: 'naive' });
  const capped = recorder.k(misjudged, { x }, {}, { caps: { ...gpu.caps } });
  const positions = kernel({
    ...misjudged.spec,
    name: 'positions',
    dtypes: { x: 'u32', y: 'u32' },
    variants: misjudged.spec.variants.map((v) => ({ ...v, code: wholeNumbers })),
  });
  const computed = recorder.blank([size], 'u32');
  const outputs = [named, capped];
  for (const tensor of await recorder.run(outputs)) tensor.destroy();
  expect(recorder.plan(outputs).steps.map((s) => s.variant)).toEqual(['naive', 'slow']);
  const step = (read: Value) => ({
    plan: positions.plan({ x: read }, {}, { caps: gpu.caps }),
    tensors: [read, recorder.blank(read.shape, 'u32')],
    candidates: (caps: Caps) => positions.candidates!({ x: read }, {}, { caps }),
  });
  await gpu.tuner!.settle([step(computed)]);
  expect(gpu.tuner?.measured).toEqual([]);
  await gpu.tuner!.settle([step(recorder.constant(new Uint32Array(8)))]);
  expect(gpu.tuner?.measured, 'numbers that are known are no hindrance').toHaveLength(1);

  const other = new Recorder({ ...gpu.caps }, gpu);
  const y = other.k(misjudged, { x: other.constant(data) });
  for (const tensor of await other.run([y])) tensor.destroy();
  expect(other.plan([y]).steps[0].variant).toBe('slow');
  expect(gpu.tuner?.measured).toHaveLength(1);
});

test('does not take more memory than a quarter of a buffer: the automatic choice stays', async () => {
  using gpu = await tuned({ limits: 'core' });
  const length = 2 ** 24; // 64 MiB each, and a buffer of the core limits holds 256
  const copying = kernel({
    ...misjudged.spec,
    name: 'copying',
    variants: ['one', 'two', 'three'].map((name) => ({ name, code: shader(1), groups })),
  });
  const recorder = Recorder.on(gpu);
  const y = recorder.k(copying, { x: recorder.blank([length]) });
  gpu.resetPeak();
  const step = (n: number) => ({
    plan: copying.plan({ x: { shape: [n] } }, {}, { caps: gpu.caps }),
    tensors: [recorder.blank([n]), n === length ? y : recorder.blank([n])],
    candidates: () => copying.candidates!({ x: { shape: [n] } }, {}, { caps: gpu.caps }),
  });
  await gpu.tuner!.settle([step(length)]);
  expect(gpu.tuner?.measured).toEqual([]);
  expect(gpu.peakBytes).toBe(0);
  await gpu.tuner!.settle([step(4096)]);
  expect(gpu.tuner?.measured).toHaveLength(1);
  expect(gpu.peakBytes).toBeGreaterThan(2 * 4 * 4096);
  expect(gpu.liveBytes).toBe(0);
});

test('runs at the same time tune the same thing once', async () => {
  using gpu = await tuned();
  const variants = await Promise.all([ran(gpu), ran(gpu), ran(gpu, 3000), ran(gpu, 1000)]);
  expect(variants).toEqual(['unpaid', 'unpaid', 'unpaid', 'unpaid']);
  expect(gpu.tuner?.measured.map((m) => m.shapeClass)).toEqual(['SIZE=4096', 'SIZE=1024']);
});

test('the profile of a run is of the variants chosen', async () => {
  using gpu = await tuned();
  const { recorder, y } = recording(gpu);
  const { tensors, times } = await recorder.profile([y]);
  for (const tensor of tensors) tensor.destroy();
  if (times) expect(times.map((t) => t.variant)).toEqual(['unpaid']);
  expect(recorder.plan([y]).steps.map((s) => s.variant)).toEqual(['unpaid']);
});

test('works without timestamps', async () => {
  using owner = await Gpu.request();
  const adapter = await (await platformGpu()).requestAdapter();
  const device = await adapter!.requestDevice();
  using gpu = Gpu.adopt(device, owner.info, { tune: 'first-use' });
  expect(gpu.caps.features.has('timestamp-query')).toBe(false);
  expect(await ran(gpu)).toBe('unpaid');
  expect(gpu.tuner?.measured).toHaveLength(1);
  expect(gpu.liveBytes).toBe(0);
  device.destroy();
});

test('one slow moment does not put the fastest out', async () => {
  using owner = await Gpu.request();
  const adapter = await (await platformGpu()).requestAdapter();
  const device = await adapter!.requestDevice();
  using gpu = Gpu.adopt(device, owner.info, { tune: 'first-use' });
  // By the wall clock, in turn: the slow one twice, then the fast one twice, of which the second counts.
  let runs = 0;
  const { idle } = gpu;
  gpu.idle = async () => {
    await idle.call(gpu);
    if (++runs === 4) await new Promise((resolve) => setTimeout(resolve, 70));
  };
  expect(await ran(gpu)).toBe('unpaid');
  expect(runs).toBeGreaterThan(6);
  device.destroy();
});

test('a variant that the device refuses is not chosen', async () => {
  const broken = kernel({
    ...misjudged.spec,
    variants: [
      misjudged.spec.variants[0],
      { name: 'broken', code: 'alias elem = f32; fn main() { nonsense }', groups },
      misjudged.spec.variants[1],
    ].map((v) => ({ ...v, pays: undefined })),
  });
  using gpu = await tuned();
  const recorder = Recorder.on(gpu);
  const y = recorder.k(broken, { x: recorder.constant(data) });
  for (const tensor of await recorder.run([y])) tensor.destroy();
  expect(recorder.plan([y]).steps[0].variant).toBe('unpaid');
  expect(Object.keys(gpu.tuner!.measured[0].timesMs)).toEqual(['slow', 'unpaid']);
  expect(gpu.liveBytes).toBe(0);
});

test('a run that is aborted while it tunes leaves nothing behind, and the next one tunes', async () => {
  using gpu = await tuned();
  const control = new AbortController();
  const { recorder, y } = recording(gpu);
  // Aborts when the first scratch buffers are there.
  const { createBuffer } = gpu;
  gpu.createBuffer = (...args) => {
    control.abort(new Error('enough'));
    return createBuffer.apply(gpu, args);
  };
  await expect(recorder.run([y], { signal: control.signal })).rejects.toThrow('enough');
  gpu.createBuffer = createBuffer;
  expect(gpu.liveBytes).toBe(0);
  expect(gpu.tuner?.measured).toEqual([]);
  expect(await ran(gpu)).toBe('unpaid');
});

test('a device lost while it tunes rejects with DeviceError and leaves nothing behind', async () => {
  const gpu = await tuned();
  const { recorder, y } = recording(gpu);
  const { createBuffer } = gpu;
  gpu.createBuffer = (...args) => {
    if (args[2] === 'timestamps' || args[2] === 'tune') gpu.device.destroy();
    return createBuffer.apply(gpu, args);
  };
  await expect(recorder.run([y])).rejects.toThrow(DeviceError);
  expect(gpu.lostError).toBeInstanceOf(DeviceError);
  expect(gpu.liveBytes).toBe(0);
  expect(gpu.tuner?.measured).toEqual([]);
  gpu.destroy();
});

test('reads tensors where they lie and writes none of them', async () => {
  using gpu = await tuned();
  using x = gpu.tensor(data, [size]);
  using y = gpu.tensor(Float32Array.of(...Array(size).fill(-5)), [size]);
  const recorder = Recorder.on(gpu);
  const value = recorder.value(y);
  const step = {
    plan: misjudged.plan({ x }, {}, { caps: gpu.caps }),
    tensors: [recorder.value(x), value],
    candidates: () => misjudged.candidates!({ x }, {}, { caps: gpu.caps }),
  };
  await gpu.tuner!.settle([step]);
  expect(gpu.tuner?.measured).toHaveLength(1);
  expect(await x.read()).toEqual(data);
  expect((await y.read()).every((v) => v === -5)).toBe(true);
});

test('a convolution whose variant was chosen has the right numbers', async () => {
  using gpu = await tuned();
  const [x, w, b] = [random([2, 8, 14, 14], 1), random([16, 8, 3, 3], 2), random([16], 3)];
  const recorder = Recorder.on(gpu);
  const y = recorder.k(
    conv2d,
    {
      x: recorder.constant(x.data as Float32Array, x.shape),
      w: recorder.constant(w.data as Float32Array, w.shape),
      b: recorder.constant(b.data as Float32Array, b.shape),
    },
    { pad: 1 },
  );
  const [tensor] = await recorder.run([y]);
  const got = await tensor.read();
  tensor.destroy();
  const [{ timesMs, winner }] = gpu.tuner!.measured;
  expect(Object.keys(timesMs).length).toBeGreaterThan(1);
  expect(recorder.plan([y]).steps[0].variant).toBe(winner);
  const expected = reference.conv2d(x, w, b, { pad: [1, 1] });
  expect(got.length).toBe(expected.y.length);
  const bound = 2 ** -24 * 80;
  got.forEach((v, i) => {
    expect(Math.abs(v - expected.y[i])).toBeLessThanOrEqual(bound * expected.size[i]);
  });
});
