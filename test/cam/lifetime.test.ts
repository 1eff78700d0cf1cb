import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { explain } from '../../src/cam/explain.js';
import { methods } from '../../src/cam/registry.js';
import { DeviceError } from '../../src/errors.js';
import { Gpu } from '../../src/gpu/device.js';
import { Photo } from '../../src/image/photo.js';
import { Net } from '../../src/net/net.js';
import { quickOptions } from '../support/quick-options.js';

const weights = readFileSync(new URL('../../models/toy_vgg.safetensors', import.meta.url));
const grey = {
  width: 20,
  height: 16,
  rgba: new Uint8Array(4 * 20 * 16).map((_, i) => (i * 37) % 256),
};

/** A network for small inputs, so that many explanations are quick. */
const smallNet = (gpu: Gpu) =>
  Net.load(gpu, undefined, weights, {
    preprocessing: {
      resize: 16,
      crop: 16,
      interpolation: 'bilinear',
      mean: [0.5, 0.5, 0.5],
      std: [0.2, 0.2, 0.2],
    },
  });

test('200 explanations leave nothing on the GPU, and the peak does not grow', async () => {
  const gpu = await Gpu.request();
  const net = smallNet(gpu);
  const names = [...methods.values()]
    .filter((m) => m.suits?.(net.graph) ?? true)
    .map((m) => m.name);
  // Every method once, then those of few passes in turn.
  const quick = names.filter((name) => methods.get(name)!.passes !== 'many');
  const photo = Photo.fromRgba(gpu, grey);
  let before = 0;
  let peak = 0;
  for (let i = 0; i < 200 + names.length; i++) {
    if (i === names.length) before = gpu.liveBytes; // by now every method has run and the weights are there
    gpu.resetPeak();
    const method = i < names.length ? names[i] : quick[i % quick.length];
    const result = await explain(net, photo, { method, options: quickOptions[method] });
    await result.read();
    await result.summaries();
    if (i % 20 === 0) await result.overlay(photo);
    result.destroy();
    if (i < names.length) peak = Math.max(peak, gpu.peakBytes);
    else expect(gpu.peakBytes).toBeLessThanOrEqual(Math.max(peak, before + 64 * 1024));
  }
  expect(gpu.liveBytes).toBe(before);
  photo.destroy();
  net.destroy();
  expect(gpu.liveBytes).toBe(0);
  gpu.destroy();
});

test('a device lost in the middle rejects with DeviceError, and a fresh one works', async () => {
  const gpu = await Gpu.request();
  const net = smallNet(gpu);
  const photo = Photo.fromRgba(gpu, grey);
  const pending = explain(net, photo).then((result) => result.read());
  gpu.device.destroy();
  await expect(pending).rejects.toThrow(DeviceError);
  await expect(explain(net, photo)).rejects.toThrow(DeviceError);
  gpu.destroy();

  const fresh = await Gpu.request();
  const again = smallNet(fresh);
  const second = Photo.fromRgba(fresh, grey);
  const result = await explain(again, second);
  expect((await result.read()).length).toBe(256);
  fresh.destroy();
});

test('an adopted device is left as it was', async () => {
  const owner = await Gpu.request();
  const { device } = owner;
  const gpu = Gpu.adopt(device, owner.info);
  const net = smallNet(gpu);
  const result = await explain(net, Photo.fromRgba(gpu, grey));
  await result.read();
  gpu.destroy();
  expect(device.onuncapturederror).toBeNull();
  const buffer = device.createBuffer({ size: 16, usage: 8 });
  device.queue.writeBuffer(buffer, 0, new Uint32Array(4));
  await device.queue.onSubmittedWorkDone();
  owner.destroy();
});
