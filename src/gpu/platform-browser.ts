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

/**
 * Text kept under a key by {@link writeTuned}. Rejects where the page has no cache storage: a page that may use WebGPU has (both want a secure
 * context), but some private windows refuse it.
 */
export async function readTuned(key: string): Promise<string | undefined> {
  const cache = await caches.open(cacheName);
  return (await cache.match(address(key)))?.text();
}

/** Keeps text in the page's cache storage. */
export async function writeTuned(key: string, text: string): Promise<void> {
  const cache = await caches.open(cacheName);
  await cache.put(address(key), new Response(text));
}

const cacheName = 'webgpu-cam-tuned';
/** Only a key: the Cache API wants a URL, and this one can never be fetched. */
const address = (key: string): string => `https://tuned.invalid/${encodeURIComponent(key)}`;
