import { afterAll, afterEach, beforeEach, expect } from 'vitest';
import type { Caps } from '../../src/gpu/caps.js';
import { Gpu } from '../../src/gpu/device.js';
import type { ReadsOf } from '../../src/gpu/dispatch.js';
import { toHalf, wholeWords } from '../../src/gpu/half.js';
import { type Storage, Tensor } from '../../src/gpu/tensor.js';
import { usage } from '../../src/gpu/usage.js';
import type { Kernel } from '../../src/kernels/kernel.js';

let shared: Promise<Gpu> | undefined;

/** The device all tests of one file share; it is destroyed at the end. */
export function testGpu(): Promise<Gpu> {
  shared ??= Gpu.request();
  return shared;
}

/** What this machine's device can do: for listing a kernel's variants while tests are collected. */
export const testCaps: Caps = (await testGpu()).caps;

/** Puts every test of a file into a catch-all error scope: any WebGPU error fails the test that caused it. */
export function useGpu(): { gpu: () => Gpu } {
  let gpu: Gpu;
  beforeEach(async () => {
    gpu = await testGpu();
    gpu.device.pushErrorScope('validation');
  });
  afterEach(async () => {
    if (gpu.lostError) return;
    const error = await gpu.device.popErrorScope();
    expect(error?.message).toBeUndefined();
  });
  afterAll(async () => {
    (await shared)?.destroy();
    shared = undefined;
  });
  return { gpu: () => gpu };
}

/** An array on the CPU with its shape. */
export interface Ndarray {
  readonly shape: readonly number[];
  readonly data: Float32Array | Uint32Array;
}

/**
 * Runs one kernel on its own. Inputs are followed by NaN, so that a read past the end shows; results start as NaN (or as `initial`), so that an
 * element nobody wrote shows.
 */
export async function runKernel<Reads extends string, Results extends string, Options>(
  gpu: Gpu,
  kernel: Kernel<Reads, Results, Options>,
  reads: ReadsOf<Reads, Ndarray>,
  options?: Options,
  variant?: string,
  initial?: Float32Array,
  storage: Storage = 'f32',
): Promise<Record<Results, Float32Array | Uint32Array>> {
  const plan = kernel.plan(reads, options, { caps: gpu.caps, variant, storage });
  await gpu.prepare([plan]);
  const padding = 64;
  const buffers: GPUBuffer[] = [];
  const halves = new Set(plan.bindings.filter((b) => b.dtype === 'f16').map((b) => b.name));
  const upload = (name: string, data: Float32Array | Uint32Array, guard: boolean) => {
    const stored = halves.has(name) ? wholeWords(toHalf(data as Float32Array)) : data;
    // NaN of 32 bits, or two of 16.
    const nan = halves.has(name) ? 0x7e007e00 : 0x7fc00000;
    const words = new Uint32Array(stored.byteLength / 4 + (guard ? padding : 0)).fill(nan);
    words.set(new Uint32Array(stored.buffer, stored.byteOffset, stored.byteLength / 4));
    const buffer = gpu.createBuffer(
      words.byteLength,
      usage.storage | usage.copySrc | usage.copyDst,
    );
    gpu.device.queue.writeBuffer(buffer, 0, words);
    buffers.push(buffer);
    // The NaN padding is inside the binding: WebGPU's own bounds check does not hide a stray read.
    return { buffer, offset: 0, size: words.byteLength };
  };
  const given = Object.fromEntries(
    Object.entries(reads as Record<string, Ndarray | undefined>)
      .filter(([, a]) => a)
      .map(([name, a]) => [name, upload(name, a!.data, true)]),
  );
  const results = Object.fromEntries(
    kernel.resultNames.map((name) => {
      const size = plan.results[name].shape.reduce((a, b) => a * b, 1);
      return [name, upload(name, initial ?? new Float32Array(size).fill(Number.NaN), false)];
    }),
  );
  const encoder = gpu.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  gpu.pipelines.record(pass, plan, kernel.order(given as never, results as never));
  pass.end();
  gpu.device.queue.submit([encoder.finish()]);
  const tensors = kernel.resultNames.map((name) =>
    Tensor.wrap(
      gpu,
      (results as Record<string, { buffer: GPUBuffer }>)[name].buffer,
      plan.results[name].shape,
      plan.results[name].dtype,
    ),
  );
  const read = await gpu.read(tensors);
  for (const buffer of buffers) gpu.release(buffer);
  return Object.fromEntries(kernel.resultNames.map((name, i) => [name, read[i]])) as never;
}
