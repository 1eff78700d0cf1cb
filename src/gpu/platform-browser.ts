import { DeviceError } from '../errors.js';

/** The page's WebGPU entry point. */
export async function platformGpu(): Promise<GPU> {
  if (!globalThis.navigator?.gpu) {
    throw new DeviceError(
      'Gpu.request: this browser has no WebGPU (navigator.gpu is missing): use Chrome or Edge 113+, Safari 26+ or Firefox 141+, over https or localhost',
    );
  }
  return navigator.gpu;
}

/** A page's event loop sleeps by itself. */
export const restUntil = (): (() => void) => () => {};
