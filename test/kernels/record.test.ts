import { expect, test } from 'vitest';
import { create } from 'webgpu';
import { ShapeError } from '../../src/errors.js';
import { Tensor } from '../../src/gpu/tensor.js';
import { usage } from '../../src/gpu/usage.js';
import * as kernels from '../../src/kernels/index.js';
import * as records from '../../src/kernels/record-all.js';
import { recordLinear } from '../../src/kernels/record-all.js';
import { useGpu } from '../support/gpu.js';
import { expectClose, random, sumBound } from '../support/numbers.js';
import { matrixProduct } from '../support/reference-conv.js';

const { gpu } = useGpu();

test('every kernel has its record', () => {
  const names = Object.entries(kernels as Record<string, unknown>)
    .filter(([, k]) => typeof k === 'object' && k !== null && 'variantsFor' in k)
    .map(([name]) => `record${name[0].toUpperCase()}${name.slice(1)}`);
  expect(names.length).toBeGreaterThan(30);
  expect(Object.keys(records).sort()).toEqual(names.sort());
});

/** Host buffers with x, w, b at 256, 0 and 512 bytes of two buffers, and y at 256 of a third. */
function host() {
  const { device } = gpu();
  const [x, w, b] = [random([2, 8], 1), random([3, 8], 2), random([3], 3)];
  const flags = usage.storage | usage.copyDst | usage.copySrc;
  const [one, two, three] = [1024, 96, 512].map((bytes) => gpu().createBuffer(bytes, flags));
  device.queue.writeBuffer(one, 256, x.data as Float32Array<ArrayBuffer>);
  device.queue.writeBuffer(one, 512, b.data as Float32Array<ArrayBuffer>);
  device.queue.writeBuffer(two, 0, w.data as Float32Array<ArrayBuffer>);
  const args = {
    device,
    x: { buffer: one, offset: 256, shape: x.shape },
    w: { buffer: two, shape: w.shape },
    b: { buffer: one, offset: 512, shape: b.shape },
    y: { buffer: three, offset: 256 },
  };
  return { args, x, w, b, y: Tensor.wrap(gpu(), three, [2, 3], 'f32', 256) };
}

for (const prepared of [true, false]) {
  test(`recordLinear on a host's pass and buffers, ${prepared ? 'prepared' : 'at once'}`, async () => {
    const { args, x, w, b, y } = host();
    // two widths of result, so that the second run needs a pipeline of its own
    const kTotal = prepared ? 3 : 4;
    const k0 = prepared ? 0 : 1;
    if (prepared) await recordLinear.prepare({ ...args, act: 'relu' });
    const encoder = args.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    const plan = recordLinear(pass, { ...args, act: 'relu', k0, kTotal });
    pass.end();
    args.device.queue.submit([encoder.finish()]);
    expect(plan.results.y.shape).toEqual([2, kTotal]);

    const [got] = await gpu().read([Tensor.wrap(gpu(), args.y.buffer, [2, kTotal], 'f32', 256)]);
    const ref = matrixProduct(
      2,
      8,
      3,
      (i, t) => x.data[i * 8 + t],
      (t, j) => w.data[j * 8 + t],
    );
    const rows = [0, 1].flatMap((n) => [...got.slice(n * kTotal + k0, n * kTotal + k0 + 3)]);
    const want = ref.y.map((v, i) => Math.max(0, v + b.data[i % 3]));
    expectClose(
      rows,
      want,
      sumBound(
        9,
        ref.size.map((v, i) => v + Math.abs(b.data[i % 3])),
      ),
    );
    expect(y.offset).toBe(256);
  });
}

test('recordLinear refuses buffers that do not fit', async () => {
  const { args } = host();
  const encoder = args.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  const record = (more: object) => () => recordLinear(pass, { ...args, ...more });
  expect(record({ w: { buffer: args.w.buffer, shape: [4, 8] } })).toThrow(ShapeError);
  expect(record({ b: undefined, w: { buffer: args.w.buffer, shape: [4, 8] } })).toThrow(
    'linear: w [4,8] needs 128 bytes from byte 0, the buffer has 96',
  );
  expect(record({ y: { buffer: args.y.buffer, offset: 4 } })).toThrow('multiple of 256');
  expect(record({ y: undefined })).toThrow('linear: y is missing: a buffer for [2,3]');
  expect(record({ variant: 'fastest' })).toThrow('no variant fastest');
  pass.end();
});

test('f16 storage is refused where the device has none, and planned where it has', async () => {
  const { args } = host();
  // Asked for without features, whatever the adapter has.
  const device = await (await create([]).requestAdapter())!.requestDevice();
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  expect(() => recordLinear(pass, { ...args, device, storage: 'f16' })).toThrow(
    /^linear: storage f16 needs a device with the feature shader-f16: use f32$/,
  );
  pass.end();
  encoder.finish();
  device.destroy();

  const caps = { ...gpu().caps, features: new Set(['shader-f16']) };
  const shapes = { x: { shape: [2, 8] }, w: { shape: [3, 8] } };
  const whole = kernels.linear.plan(shapes, {}, { caps });
  const half = kernels.linear.plan(shapes, {}, { caps, storage: 'f16' });
  expect(half.bytes).toBe(whole.bytes / 2);
  expect(half.results.y.dtype).toBe('f16');
  expect(half.code).toContain('enable f16; alias elem = f16;');
  // Whole numbers keep their width.
  const argmax = kernels.argmaxRows.plan({ x: { shape: [2, 8] } }, {}, { caps, storage: 'f16' });
  expect(argmax.bindings.map(({ dtype }) => dtype)).toEqual(['f16', 'u32']);
});
