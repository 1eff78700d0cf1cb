import { expect, test } from 'vitest';
import { DeviceError } from '../../src/errors.js';
import { Pipelines } from '../../src/gpu/pipelines.js';
import { usage } from '../../src/gpu/usage.js';
import { kernel } from '../../src/kernels/kernel.js';
import { relu } from '../../src/kernels/relu.js';
import { useGpu } from '../support/gpu.js';

const { gpu } = useGpu();

const broken = kernel({
  name: 'brokenOnTheSpot',
  reads: { x: '*' },
  results: { y: '*' },
  variants: [{ name: 'only', code: 'fn main() { nonsense }', groups: () => 1 }],
});

/** Encodes a kernel of one input and one result; nothing is submitted. */
function record(pipelines: Pipelines, planned: ReturnType<typeof relu.plan>) {
  const { device } = pipelines;
  const buffers = [0, 1].map(() => device.createBuffer({ size: 16, usage: usage.storage }));
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pipelines.record(
    pass,
    planned,
    buffers.map((buffer) => ({ buffer, offset: 0, size: 16 })),
  );
  pass.end();
  encoder.finish();
  for (const buffer of buffers) buffer.destroy();
}

test('a pipeline made on the spot counts as prepared only once the device has found it valid', async () => {
  const { device } = gpu();
  const pipelines = Pipelines.of(device);
  const x = { shape: [4] };
  device.pushErrorScope('validation');
  record(pipelines, broken.plan({ x }));
  expect(await device.popErrorScope()).not.toBeNull();
  await expect(pipelines.prepare([broken.plan({ x })])).rejects.toThrow(DeviceError);

  const fine = relu.plan({ x }, undefined, { caps: gpu().caps });
  const before = pipelines.size;
  record(pipelines, fine);
  await pipelines.prepare([fine]);
  record(pipelines, fine);
  expect(pipelines.size, 'one, however often it was made').toBe(before + 1);
});
