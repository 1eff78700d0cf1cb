import { expect, test, vi } from 'vitest';
import { DeviceError } from '../../src/errors.js';
import { capsOf, coreLimits } from '../../src/gpu/caps.js';
import { Gpu } from '../../src/gpu/device.js';
import { restUntil } from '../../src/gpu/platform-node.js';
import { Recorder } from '../../src/gpu/recorder.js';
import { Tensor } from '../../src/gpu/tensor.js';
import { usage } from '../../src/gpu/usage.js';
import { Photo } from '../../src/image/photo.js';
import { kernel } from '../../src/kernels/kernel.js';
import { linear } from '../../src/kernels/linear.js';
import { relu } from '../../src/kernels/relu.js';
import { Params } from '../../src/net/params.js';
import { useOwnCache } from '../support/own-cache.js';

useOwnCache();

/** relu, recorded, run and read. */
async function reluOf(gpu: Gpu, numbers: readonly number[]): Promise<number[]> {
  const recorder = Recorder.on(gpu);
  const y = recorder.k(relu, { x: recorder.constant(Float32Array.from(numbers)) });
  const [tensor] = await recorder.run([y]);
  const data = [...(await tensor.read())];
  tensor.destroy();
  return data;
}

/** What a promise rejects with. */
const failureOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => expect.fail('should have been rejected'),
    (error: unknown) => error,
  );

/** True if no error scope is open on the device. */
const hasNoScopes = (device: GPUDevice): Promise<boolean> =>
  device.popErrorScope().then(
    () => false,
    () => true,
  );

/** Errors of the device that no scope caught, from now on. */
function uncapturedErrors(device: GPUDevice): string[] {
  const messages: string[] = [];
  device.addEventListener('uncapturederror', (event) => {
    messages.push((event as GPUUncapturedErrorEvent).error.message);
  });
  return messages;
}

test('core limits are all that is asked for where they are all that is wanted', async () => {
  using core = await Gpu.request({ limits: 'core' });
  using full = await Gpu.request();
  expect(core.caps.limits).toEqual(coreLimits);
  for (const name of Object.keys(coreLimits) as (keyof typeof coreLimits)[]) {
    if (name === 'minStorageBufferOffsetAlignment') continue;
    expect(full.caps.limits[name], name).toBeGreaterThanOrEqual(coreLimits[name]);
  }
  expect(await reluOf(core, [-1, 2])).toEqual([0, 2]);
});

test('a CPU adapter is recognised by its name or its flag', () => {
  const device = { limits: coreLimits, features: new Set() } as unknown as GPUDevice;
  const kind = (info: object) => capsOf(device, info as GPUAdapterInfo).kind;
  expect(kind({ vendor: 'google', architecture: 'swiftshader' })).toBe('software');
  expect(kind({ description: 'llvmpipe (LLVM 15)' })).toBe('software');
  expect(kind({ description: 'Microsoft Basic Render Driver' })).toBe('software');
  expect(kind({ vendor: 'intel', isFallbackAdapter: true })).toBe('software');
  expect(kind({ vendor: 'nvidia', architecture: 'ampere', description: 'RTX' })).toBe('gpu');
  expect(capsOf(device, undefined).kind).toBe('gpu');
});

test('bytes are counted while they live, and return to zero', async () => {
  using gpu = await Gpu.request();
  expect(gpu.liveBytes).toBe(0);
  const tensor = gpu.tensor(new Float32Array(100), [10, 10]);
  const view = tensor.reshape([100]);
  expect(gpu.liveBytes).toBe(400);
  view.destroy();
  expect(gpu.liveBytes, 'a view owns nothing').toBe(400);
  tensor.destroy();
  tensor.destroy();
  expect(gpu.liveBytes).toBe(0);
  expect(gpu.peakBytes).toBe(400);
  gpu.resetPeak();
  for (let i = 0; i < 50; i++) await reluOf(gpu, [i - 25]);
  expect(gpu.liveBytes).toBe(0);
  expect(gpu.peakBytes, 'one run at a time').toBeLessThan(2000);
  gpu.empty([64]);
  gpu.destroy();
  expect(gpu.liveBytes).toBe(0);
});

test('tensors keep every element, also past the size of one upload', async () => {
  using gpu = await Gpu.request();
  const data = Float32Array.from({ length: 5_000_001 }, (_, i) => i);
  const tensor = gpu.tensor(data, [data.length]);
  const back = await tensor.read();
  // Compared as bytes: a matcher takes a minute over five million numbers.
  expect(Buffer.from(back.buffer).equals(Buffer.from(data.buffer))).toBe(true);
  const whole = gpu.tensor(Uint32Array.of(1, 2 ** 32 - 1), [2]);
  const [a, b] = await gpu.read([whole, tensor.reshape([1, data.length])]);
  expect(a).toEqual(Uint32Array.of(1, 2 ** 32 - 1));
  expect(b[data.length - 1]).toBe(data.length - 1);
  expect(() => gpu.tensor(data, [3])).toThrow('tensor: [3] holds 3 elements, got 5000001');
  expect(() => tensor.reshape([7])).toThrow(RangeError);
});

test('a buffer larger than the device allows is refused with both sizes', async () => {
  using gpu = await Gpu.request({ limits: 'core' });
  expect(() => gpu.empty([2 ** 26 + 1])).toThrow(
    /buffer: needs 256 MiB, the device allows 256 MiB a buffer: use a smaller batch or input/,
  );
  expect(gpu.liveBytes).toBe(0);
});

test('an adopted device is left as it was: usable, no handlers, no scopes, no errors of ours', async () => {
  using owner = await Gpu.request();
  const { device } = owner;
  const errors = uncapturedErrors(device);
  const gpu = Gpu.adopt(device);
  const twin = Gpu.adopt(device);
  expect(gpu.adopted).toBe(true);
  expect(gpu.caps).toEqual(owner.caps);
  expect(gpu.pipelines, 'one cache a device').toBe(twin.pipelines);
  expect(await reluOf(gpu, [-1, 2])).toEqual([0, 2]);

  // What goes wrong in our work is ours to report, not the host's to find in its handler.
  const broken = kernel({
    name: 'broken',
    reads: { x: '*' },
    results: { y: '*' },
    variants: [{ name: 'only', code: 'fn main() { nonsense }', groups: () => 1 }],
  });
  const recorder = Recorder.on(gpu);
  const x = recorder.constant(Float32Array.of(1));
  expect(await failureOf(recorder.run([recorder.k(broken, { x })]))).toBeInstanceOf(DeviceError);
  const unreadable = device.createBuffer({ size: 16, usage: usage.storage });
  const wrapped = Tensor.wrap(gpu, unreadable, [4]);
  const error = (await failureOf(wrapped.read())) as Error;
  expect(error).toBeInstanceOf(DeviceError);
  expect(error.message).toMatch(/^read: /);
  wrapped.destroy();
  unreadable.destroy();

  gpu.destroy();
  gpu.destroy();
  expect(device.onuncapturederror).toBeNull();
  expect(await hasNoScopes(device)).toBe(true);
  expect(await reluOf(twin, [3, -4]), 'works after the other has gone').toEqual([3, 0]);
  await device.queue.onSubmittedWorkDone();
  expect(errors).toEqual([]);
});

test("the host's own error scopes stay balanced around our work", async () => {
  using owner = await Gpu.request();
  const { device } = owner;
  device.pushErrorScope('validation');
  const pending = reluOf(Gpu.adopt(device), [1]);
  device.createBuffer({ size: 4, usage: 0 }); // the host's mistake
  const caught = await device.popErrorScope();
  expect(caught, 'goes to the host').not.toBeNull();
  expect(await pending).toEqual([1]);
  expect(await hasNoScopes(device)).toBe(true);
});

test('a device lost in the middle rejects what is pending and what comes after; a fresh one works', async () => {
  const gpu = await Gpu.request();
  const tensor = gpu.tensor(new Float32Array(1_000_000), [1_000_000]);
  const before = tensor.read();
  const running = reluOf(gpu, [1, 2, 3]);
  gpu.device.destroy();
  const failures = await Promise.all([failureOf(before), failureOf(running)]);
  for (const failure of failures) {
    expect(failure).toBeInstanceOf(DeviceError);
    expect((failure as Error).message).toMatch(/^the device was destroyed.*make a new Gpu/);
  }
  expect(gpu.lostError).toBeInstanceOf(DeviceError);
  expect(await failureOf(reluOf(gpu, [1]))).toBeInstanceOf(DeviceError);
  expect(await failureOf(tensor.read())).toBeInstanceOf(DeviceError);
  expect(await failureOf(gpu.idle())).toBeInstanceOf(DeviceError);
  tensor.destroy();
  expect(gpu.liveBytes).toBe(0);
  gpu.destroy();

  using fresh = await Gpu.request();
  expect(await reluOf(fresh, [-5, 6])).toEqual([0, 6]);
});

test('work that does not depend on the device passes through guard, and its errors too', async () => {
  using gpu = await Gpu.request();
  expect(await gpu.guard(Promise.resolve(7))).toBe(7);
  expect(await failureOf(gpu.guard(Promise.reject(new TypeError('own'))))).toBeInstanceOf(
    TypeError,
  );
  const thrown = await failureOf(
    gpu.scoped('mine', () => {
      throw new RangeError('own');
    }),
  );
  expect(thrown).toBeInstanceOf(RangeError);
  expect(await hasNoScopes(gpu.device)).toBe(true);
});

test('of several errors the lack of memory is told, from which the others follow', async () => {
  const filters: GPUErrorFilter[] = [];
  const device = {
    limits: coreLimits,
    features: new Set(),
    lost: new Promise(() => {}),
    pushErrorScope: (filter: GPUErrorFilter) => filters.push(filter),
    popErrorScope: async () => ({ message: `of ${filters.pop()}` }),
  } as unknown as GPUDevice;
  const error = (await failureOf(Gpu.adopt(device).scoped('work', () => {}))) as Error;
  expect(error.message).toBe('work: of out-of-memory');
  expect(filters).toEqual([]);
});

/** From now on the device has no memory for the buffers whose label says so: they come as WebGPU hands such buffers out, invalid. */
function withoutMemory(device: GPUDevice, label: RegExp) {
  const create = device.createBuffer.bind(device);
  return vi
    .spyOn(device, 'createBuffer')
    .mockImplementation((of) => create(label.test(of.label ?? '') ? { ...of, usage: 0 } : of));
}

test('memory that runs out while weights are uploaded is an error of the next run, and of that one only', async () => {
  using gpu = await Gpu.request();
  const errors = uncapturedErrors(gpu.device);
  const source = { shape: [3], read: () => Float32Array.of(1, -2, 3) };
  const params = new Params(gpu, new Map([['layer.weight', source]]));
  const run = async () => {
    const recorder = Recorder.on(gpu);
    const y = recorder.k(relu, { x: params.tensor('layer.weight') });
    const [tensor] = await recorder.run([y]);
    const data = [...(await tensor.read())];
    tensor.destroy();
    return data;
  };
  const short = withoutMemory(gpu.device, /layer\.weight/);
  for (let i = 0; i < 2; i++) {
    const error = (await failureOf(run())) as Error;
    expect(error).toBeInstanceOf(DeviceError);
    expect(error.message).toMatch(/^layer\.weight/);
  }
  short.mockRestore();
  expect(await run(), 'uploaded anew').toEqual([1, 0, 3]);
  expect(gpu.liveBytes).toBe(16);
  params.destroy();
  expect(gpu.liveBytes).toBe(0);
  await gpu.idle();
  expect(errors).toEqual([]);
});

test('where a photo or the times of a run find no memory, the run says so', async () => {
  using gpu = await Gpu.request();
  const errors = uncapturedErrors(gpu.device);
  const short = withoutMemory(gpu.device, /photo|timestamps/);
  const texture = gpu.device.createTexture({
    size: [3, 2],
    format: 'rgba8unorm',
    usage: 1, // COPY_SRC
  });
  const photo = Photo.fromTexture(gpu, texture);
  const error = (await failureOf(photo.pixels.read())) as Error;
  expect(error).toBeInstanceOf(DeviceError);
  expect(error.message).toMatch(/^photo: /);
  texture.destroy();

  const recorder = Recorder.on(gpu);
  const y = recorder.k(relu, { x: recorder.constant(Float32Array.of(1)) });
  if (gpu.caps.features.has('timestamp-query')) {
    expect(((await failureOf(recorder.profile([y]))) as Error).message).toMatch(/^timestamps: /);
  }
  short.mockRestore();
  expect(gpu.liveBytes).toBe(0);
  await gpu.idle();
  expect(errors).toEqual([]);
});

test('where variants are timed first, memory that ran out before is still told of by its name', async () => {
  using gpu = await Gpu.request({ tune: 'first-use' });
  const short = withoutMemory(gpu.device, /weight/);
  const recorder = Recorder.on(gpu);
  const [x, w] = [
    recorder.constant(new Float32Array(64 * 64), [64, 64]),
    new Float32Array(64 * 64),
  ];
  const y = recorder.k(linear, { x, w: gpu.tensor(w, [64, 64], 'weight') });
  expect(((await failureOf(recorder.run([y]))) as Error).message).toMatch(/^weight: /);
  expect(gpu.tuner?.measured).toEqual([]);
  short.mockRestore();
  expect(gpu.liveBytes).toBe(0);
});

test('where reading back finds no memory, the read says so', async () => {
  using gpu = await Gpu.request();
  const errors = uncapturedErrors(gpu.device);
  const tensor = gpu.tensor(Float32Array.of(1, 2), [2]);
  const short = withoutMemory(gpu.device, /readback/);
  expect(await failureOf(tensor.read())).toBeInstanceOf(DeviceError);
  short.mockRestore();
  expect([...(await tensor.read())]).toEqual([1, 2]);
  tensor.destroy();
  expect(gpu.liveBytes).toBe(0);
  await gpu.idle();
  expect(errors).toEqual([]);
});

test('no adapter is a DeviceError that says what to install', async () => {
  const none = { requestAdapter: async () => null } as unknown as GPU;
  const error = (await failureOf(Gpu.request({ gpu: none }))) as Error;
  expect(error).toBeInstanceOf(DeviceError);
  expect(error.message).toMatch(/no WebGPU adapter: install .* driver/);
});

test('timers go on while the main thread rests', async () => {
  const [first, second] = [restUntil(), restUntil()];
  first();
  const start = performance.now();
  let turns = 0;
  const counting = setInterval(() => turns++, 5);
  await new Promise((resolve) => setTimeout(resolve, 50));
  clearInterval(counting);
  second();
  expect(turns).toBeGreaterThan(2);
  expect(performance.now() - start).toBeLessThan(2000);
});
