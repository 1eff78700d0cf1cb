import { describe, expect, test, vi } from 'vitest';
import { DeviceError, ShapeError } from '../../src/errors.js';
import { coreCaps } from '../../src/gpu/caps.js';
import { fold } from '../../src/gpu/dispatch.js';
import { Recorder } from '../../src/gpu/recorder.js';
import { Tensor } from '../../src/gpu/tensor.js';
import { usage } from '../../src/gpu/usage.js';
import { placeholder, type Value } from '../../src/gpu/value.js';
import { add } from '../../src/kernels/add.js';
import { argmaxRows } from '../../src/kernels/argmax-rows.js';
import { concat } from '../../src/kernels/concat.js';
import { kernel } from '../../src/kernels/kernel.js';
import { maxPool2d } from '../../src/kernels/max-pool2d.js';
import { relu } from '../../src/kernels/relu.js';
import { spatialMean } from '../../src/kernels/spatial-mean.js';
import { useGpu } from '../support/gpu.js';
import { random } from '../support/numbers.js';

const { gpu } = useGpu();

async function readAll(tensors: readonly Tensor[]): Promise<number[][]> {
  const data = await gpu().read(tensors);
  for (const tensor of tensors) tensor.destroy();
  return data.map((part) => [...part]);
}

/** Counts what really reaches the device. */
function watchDispatches(): { count: number; submits: number; stop(): void } {
  const { device } = gpu();
  const seen = { count: 0, submits: 0, stop: () => {} };
  const { createCommandEncoder } = device;
  const { submit } = device.queue;
  device.createCommandEncoder = (descriptor) => {
    const encoder = createCommandEncoder.call(device, descriptor);
    const { beginComputePass } = encoder;
    encoder.beginComputePass = (passDescriptor) => {
      const pass = beginComputePass.call(encoder, passDescriptor);
      const { dispatchWorkgroups } = pass;
      pass.dispatchWorkgroups = (...size) => {
        seen.count++;
        return dispatchWorkgroups.apply(pass, size);
      };
      return pass;
    };
    return encoder;
  };
  device.queue.submit = (buffers) => {
    seen.submits++;
    return submit.call(device.queue, buffers);
  };
  seen.stop = () => {
    device.createCommandEncoder = createCommandEncoder;
    device.queue.submit = submit;
  };
  return seen;
}

test('steps that nothing needs are left out, and the plan is what runs, in one submit', async () => {
  const recorder = Recorder.on(gpu());
  const x = recorder.constant(random([2, 3, 4, 4]).data, [2, 3, 4, 4]);
  const y = recorder.k(relu, { x });
  const mean = recorder.k(spatialMean, { x: y });
  const dead = recorder.k(add, { a: y, b: y });
  recorder.k(relu, { x: dead });
  expect(recorder.length).toBe(4);
  const plan = recorder.plan([mean]);
  expect(plan.steps.map((s) => s.kernel)).toEqual(['relu', 'spatialMean']);
  expect(plan.dispatches).toBe(2);

  const seen = watchDispatches();
  try {
    const [tensor] = await recorder.run([mean]);
    expect(seen.count).toBe(plan.dispatches);
    expect(seen.submits).toBe(1);
    tensor.destroy();
  } finally {
    seen.stop();
  }
});

test('costs add up', () => {
  const recorder = new Recorder(coreCaps);
  const x = placeholder([1, 2, 8, 8]); // 512 bytes
  const a = recorder.k(relu, { x });
  const b = recorder.k(relu, { x: a });
  const c = recorder.k(spatialMean, { x: b });
  const plan = recorder.plan([c]);
  expect(plan).toMatchObject({
    dispatches: 3,
    bytes: 512 * 5 + 8,
    inputBytes: 512,
    outputBytes: 8,
    arenaBytes: 1024,
    peakBytes: 512 + 8 + 1024,
  });
  expect(plan.flops).toBe(plan.steps.reduce((sum, step) => sum + step.flops, 0));
  expect(plan.flops).toBeGreaterThan(0);
});

test('constants, tensors and views of either are read as they are', async () => {
  const { data } = random([2, 2, 2, 2], 7);
  const outside = gpu().tensor(data, [16]);
  const recorder = Recorder.on(gpu());
  const x = recorder.constant(data, [2, 2, 2, 2]);
  const sum = recorder.k(add, { a: x.reshape([16]), b: outside });
  const [got] = await readAll(await recorder.run([sum]));
  outside.destroy();
  expect(got).toEqual([...data.map((v) => Math.fround(v + v))]);
});

test('outputs may be results, views, constants, tensors, the same one twice and several of one kernel', async () => {
  const before = gpu().liveBytes;
  const outside = gpu().tensor(Float32Array.of(1, -2, 3, -4), [1, 1, 2, 2]);
  const recorder = Recorder.on(gpu());
  const positive = recorder.k(relu, { x: outside });
  const constant = recorder.constant(Float32Array.of(5, 6));
  const { y, positions } = recorder.k(maxPool2d, { x: positive }, { size: 2 });
  const outputs = [
    positive,
    positive.reshape([4]),
    positive,
    constant,
    recorder.value(outside),
    y,
    positions,
  ];
  const tensors = await recorder.run(outputs);
  expect(tensors.map((t) => t.shape)).toEqual(outputs.map((v) => v.shape));
  const data = await gpu().read(tensors);
  expect(data.map((part) => [...part])).toEqual([
    ...[
      [1, 0, 3, 0],
      [1, 0, 3, 0],
      [1, 0, 3, 0],
    ],
    ...[[5, 6], [1, -2, 3, -4], [3], [2]],
  ]);
  expect(data[6]).toBeInstanceOf(Uint32Array);
  for (const tensor of tensors) tensor.destroy();
  expect(await outside.read(), 'the caller keeps its own').toEqual(Float32Array.of(1, -2, 3, -4));
  outside.destroy();
  expect(gpu().liveBytes).toBe(before);
});

test('several kernels may fill one value', async () => {
  const recorder = Recorder.on(gpu());
  const part = (value: number) => recorder.constant(Float32Array.of(value, value), [1, 1, 1, 2]);
  const whole = recorder.blank([1, 3, 1, 2]);
  for (const [k0, value] of [1, 2, 3].entries()) {
    recorder.k(concat, { x: part(value) }, { k0, kTotal: 3 }, { into: whole });
  }
  const y = recorder.k(relu, { x: whole });
  expect(recorder.plan([y]).dispatches).toBe(4);
  expect(await readAll(await recorder.run([y, whole]))).toEqual([
    [1, 1, 2, 2, 3, 3],
    [1, 1, 2, 2, 3, 3],
  ]);
  expect(() => recorder.k(concat, { x: part(1) }, { k0: 0, kTotal: 2 }, { into: whole })).toThrow(
    ShapeError,
  );
});

/** A net of random adds: many values of many lives, so that memory is reused in every way. */
function tangle(recorder: Recorder, seed: number) {
  const { data } = random([64, 3], seed);
  const shape = [1, 1, 4, 8];
  const values = [recorder.constant(random(shape, seed + 1).data, shape)];
  const expected = [[...random(shape, seed + 1).data]];
  for (let i = 0; i < 64; i++) {
    const pick = (u: number) => Math.floor(((u + 1) / 2) * values.length * 0.999);
    const [a, b] = [pick(data[3 * i]), pick(data[3 * i + 1])];
    if (data[3 * i + 2] > 0) {
      values.push(recorder.k(relu, { x: values[a] }));
      expected.push(expected[a].map((v) => Math.max(v, 0)));
    } else {
      values.push(recorder.k(add, { a: values[a], b: values[b] }));
      expected.push(expected[a].map((v, j) => Math.fround(v + expected[b][j])));
    }
  }
  const last = values.length - 1;
  return {
    outputs: [values[last], values[last - 3]],
    expected: [expected[last], expected[last - 3]],
  };
}

test('reused memory changes no result, and two runs give the same bytes', async () => {
  for (let seed = 1; seed <= 8; seed++) {
    const recorder = Recorder.on(gpu());
    const { outputs, expected } = tangle(recorder, seed);
    const first = await readAll(await recorder.run(outputs));
    const second = await readAll(await recorder.run(outputs));
    expect(first, `seed ${seed}`).toEqual(expected);
    expect(second).toEqual(first);
    const plan = recorder.plan(outputs);
    expect(plan.arenaBytes).toBeLessThan(256 * plan.dispatches);
  }
});

test('timestamps name each dispatch where the device has them', async () => {
  const recorder = Recorder.on(gpu());
  const y = recorder.k(relu, { x: recorder.constant(new Float32Array(1000).fill(2), [1000]) });
  const { tensors, times } = await recorder.profile([recorder.k(add, { a: y, b: y })]);
  for (const tensor of tensors) tensor.destroy();
  if (gpu().caps.features.has('timestamp-query')) {
    expect(times?.map((t) => t.kernel)).toEqual(['relu', 'add']);
    for (const { timeMs } of times ?? []) {
      expect(timeMs).toBeGreaterThanOrEqual(0);
      expect(timeMs).toBeLessThan(10_000);
    }
  } else {
    expect(times).toBeUndefined();
  }
});

describe('errors', () => {
  test('a recording without a device, or of a placeholder, can only be planned', async () => {
    const planned = new Recorder(coreCaps);
    const y = planned.k(relu, { x: placeholder([3]) });
    await expect(planned.run([y])).rejects.toThrow(ShapeError);

    const recorder = Recorder.on(gpu());
    const before = gpu().liveBytes;
    await expect(recorder.run([recorder.k(relu, { x: placeholder([3]) })])).rejects.toThrow(
      /placeholder/,
    );
    await expect(recorder.run([recorder.blank([3])])).rejects.toThrow(ShapeError);
    expect(gpu().liveBytes).toBe(before);
  });

  test('a shader that the compiler refuses is named, with the variant and its words', async () => {
    const broken = kernel({
      name: 'broken',
      reads: { x: '*' },
      results: { y: '*' },
      variants: [
        { name: 'only', code: 'alias elem = f32; fn main() { nonsense }', groups: () => 1 },
      ],
    });
    const recorder = Recorder.on(gpu());
    const y = recorder.k(broken, { x: recorder.constant(Float32Array.of(1)) });
    const before = gpu().liveBytes;
    const error = await recorder.run([y]).then(
      () => undefined,
      (e: Error) => e,
    );
    expect(error).toBeInstanceOf(DeviceError);
    expect(error?.message).toMatch(/^broken \(only\): pipeline refused/);
    expect(error?.message).not.toContain('\n');
    expect(gpu().liveBytes).toBe(before);
  });

  test('what WebGPU refuses in a run comes as DeviceError, and the device works on', async () => {
    const before = gpu().liveBytes;
    // A caller's buffer without STORAGE usage.
    const buffer = gpu().device.createBuffer({ size: 16, usage: usage.copyDst });
    const wrong = Tensor.wrap(gpu(), buffer, [4]);
    const recorder = Recorder.on(gpu());
    const y = recorder.k(relu, { x: wrong });
    await expect(recorder.run([y])).rejects.toThrow(DeviceError);
    await expect(recorder.run([y])).rejects.toThrow(/^run: /);
    buffer.destroy();
    expect(gpu().liveBytes).toBe(before);
    const fine = Recorder.on(gpu());
    const z = fine.k(relu, { x: fine.constant(Float32Array.of(-1, 1)) });
    expect(await readAll(await fine.run([z]))).toEqual([[0, 1]]);
  });

  test('more memory than a buffer may hold is refused before anything is made', () => {
    const recorder = new Recorder(coreCaps);
    expect(() => recorder.k(relu, { x: placeholder([2 ** 25 + 1]) })).toThrow(
      /relu: x \[33554433\] takes 134217732 bytes, should be more than 0 and at most 134217728/,
    );
  });
});

describe('more workgroups than one dimension holds', () => {
  test('fold covers every workgroup and little more', () => {
    for (const count of [1, 65535, 65536, 131070, 131071, 4_194_241, 65535 * 65535]) {
      const [x, y] = fold(count, 65535);
      expect(x * y).toBeGreaterThanOrEqual(count);
      expect(x * y - count).toBeLessThan(y);
      expect(Math.max(x, y)).toBeLessThanOrEqual(65535);
    }
    expect(fold(65535, 65535)).toEqual([65535, 1]);
  });

  test('an element past the first 65,535 workgroups is computed', async () => {
    const size = 65536 * 64 + 5;
    const data = new Float32Array(size);
    data.set([-1, 2, 3], size - 3);
    const recorder = Recorder.on(gpu());
    const y = recorder.k(relu, { x: recorder.constant(data, [size]) }, undefined, {
      caps: { ...gpu().caps, kind: 'gpu' },
    });
    const [, rows] = recorder.plan([y]).steps[0].workgroups;
    expect(rows).toBe(2);
    const [tensor] = await recorder.run([y]);
    const got = await tensor.read();
    tensor.destroy();
    expect([...got.slice(-3)]).toEqual([0, 2, 3]);
    expect(got.subarray(0, -3).every((v) => v === 0)).toBe(true);
  });
});

test('a submission that the GPU counts as not needed is skipped, its cut kept though its first step is not needed', async () => {
  const before = gpu().liveBytes;
  for (const [least, submits] of [
    [0, 4], // one of them reads the count
    [2, 3],
  ]) {
    const recorder = Recorder.on(gpu());
    const { k } = recorder;
    const x = recorder.constant(Float32Array.of(3, 1, 2, 5), [1, 1, 1, 4]);
    const counts = k(argmaxRows, { x: x.reshape([1, 4]) }); // 3
    recorder.cut(1);
    const whole = k(concat, { x }, { k0: 0, kTotal: 2 });
    recorder.cut(1, { counts, at: 0, above: 2 + least });
    k(add, { a: x, b: x }); // nobody asks for it
    k(concat, { x }, { k0: 1, kTotal: 2 }, { into: whole });
    recorder.cut();
    k(relu, { x: whole });
    const y = k(relu, { x });
    const progress: number[][] = [];
    const seen = watchDispatches();
    const tensors = await recorder.run([y, whole], {
      onProgress: (done, total) => void progress.push([done, total]),
    });
    seen.stop();
    expect(seen.submits).toBe(submits + 1);
    const [first, second] = await readAll(tensors);
    expect(first).toEqual([3, 1, 2, 5]);
    expect(second.slice(0, 4)).toEqual([3, 1, 2, 5]);
    if (least === 0) expect(second.slice(4)).toEqual([3, 1, 2, 5]);
    else expect(second.slice(4)).toEqual([0, 0, 0, 0]); // what a new buffer holds
    expect(progress).toEqual([
      [1, 2],
      [2, 2],
    ]);
    expect(gpu().liveBytes).toBe(before);
  }
});

test('a count costs nothing where no step of the submission that asks for it is needed', () => {
  const recorder = new Recorder(coreCaps);
  const { k } = recorder;
  const x = recorder.constant(Float32Array.of(3, 1, 2, 5), [1, 1, 1, 4]);
  const counts = k(argmaxRows, { x: x.reshape([1, 4]) });
  recorder.cut(1, { counts, at: 0, above: 2 });
  const unused = k(add, { a: x, b: x });
  recorder.cut();
  const y = k(relu, { x });
  expect(recorder.plan([y]).steps.map(({ kernel }) => kernel)).toEqual(['relu']);
  const kernels = recorder.plan([y, unused]).steps.map(({ kernel }) => kernel);
  expect(kernels).toEqual(['argmaxRows', 'add', 'relu']);
});

/** A recording of three submissions. */
function threeSubmissions(): { recorder: Recorder; y: Value } {
  const recorder = Recorder.on(gpu());
  let y = recorder.constant(Float32Array.of(1, 2));
  for (let i = 0; i < 3; i++) {
    recorder.cut(1);
    y = recorder.k(add, { a: y, b: y });
  }
  return { recorder, y };
}

test('a submission is on its way while the next is encoded; two are not', async () => {
  const { recorder, y } = threeSubmissions();
  const seen = watchDispatches();
  // Of each submission, in order: how many there were when the run was told that it is done.
  const { idle } = gpu();
  const told: (() => void)[] = [];
  const counts: number[] = [];
  gpu().idle = () => new Promise((done) => told.push(done));
  try {
    const run = recorder.run([y], { onProgress: () => counts.push(seen.submits) });
    for (let i = 0; i < 3; i++) {
      await vi.waitFor(() => expect(seen.submits).toBe(Math.min(3, i + 2)));
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(seen.submits, 'no further one until the first is done').toBe(Math.min(3, i + 2));
      told[i]();
    }
    expect(await readAll(await run)).toEqual([[8, 16]]);
    expect(counts).toEqual([2, 3, 3]);
  } finally {
    gpu().idle = idle;
    seen.stop();
  }
});

test('a run that was called off before it began submits nothing', async () => {
  const before = gpu().liveBytes;
  const seen = watchDispatches();
  const { recorder, y } = threeSubmissions();
  await expect(recorder.run([y], { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
  const single = Recorder.on(gpu());
  const z = single.k(relu, { x: single.constant(Float32Array.of(1)) });
  await expect(single.run([z], { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
  seen.stop();
  expect(seen.submits).toBe(0);
  expect(gpu().liveBytes).toBe(before);
});

test('small whole numbers that are equal are one value, floats are not: they may be written to', () => {
  const recorder = new Recorder(coreCaps);
  const numbers = (...list: number[]) => recorder.constant(Uint32Array.from(list));
  expect(numbers(1, 2)).toBe(numbers(1, 2));
  expect(numbers(1, 2)).not.toBe(numbers(12));
  expect(numbers(3, 4)).not.toBe(recorder.constant(Uint32Array.of(3, 4), [2, 1]));
  const float = () => recorder.constant(Float32Array.of(1, 2));
  expect(float()).not.toBe(float());
  const long = () => recorder.constant(new Uint32Array(9));
  expect(long()).not.toBe(long());
});
