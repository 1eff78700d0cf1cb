import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DeviceError } from '../errors.js';
import { hasLibrary, loadSoftwareVulkan } from './software-vulkan.js';
import { userCacheFolder } from './user-cache.js';

let made: Promise<GPU> | undefined;
/** Every instance of Dawn there is, for Dawn crashes when one is collected. */
const instances: GPU[] = [];

/**
 * Dawn's WebGPU entry point for Node, kept for the life of the process.
 *
 * On Linux without a Vulkan loader or driver the software adapter of `@sparticuz/chromium` is used, if that package is installed.
 */
export function platformGpu(): Promise<GPU> {
  const present = (globalThis as { navigator?: { gpu?: GPU } }).navigator?.gpu;
  if (present) return Promise.resolve(present);
  made ??= createGpu().catch((error) => {
    made = undefined;
    throw error;
  });
  return made;
}

async function createGpu(): Promise<GPU> {
  const { create } = await import('webgpu').catch((cause) => {
    throw new DeviceError(
      "Gpu.request: the package 'webgpu' (Dawn for Node) cannot be loaded: run `npm install webgpu`, or pass { gpu }",
      { cause },
    );
  });
  const instance = () => {
    const gpu = create([]);
    instances.push(gpu);
    return gpu;
  };
  if (process.platform === 'linux') {
    // Dawn reads the loader and driver when its instance is made, and complains on stderr if there is none: look first.
    const hasLoader = hasLibrary('libvulkan.so.1');
    const wantsSoftware = process.env.WEBGPU_CAM_ADAPTER === 'software';
    if (hasLoader && !wantsSoftware) {
      const gpu = instance();
      if (await gpu.requestAdapter()) return gpu;
    }
    await loadSoftwareVulkan(!hasLoader);
  }
  return instance();
}

/** Sleeps between two looks at the work, ms. */
const shortestRest = 0.05;
const longestRest = 1;

let waiting = 0;
let rest = shortestRest;
let isTicking = false;
/** Nobody ever wakes it: waiting for it is sleeping. */
const bell = new Int32Array(new SharedArrayBuffer(4));

/**
 * Lets this thread sleep while a software adapter computes, until the returned function is called.
 *
 * Dawn looks for results in every turn of the event loop, without pause: a core that the adapter's own threads are in need of. Sleeps grow up to 1 ms,
 * so that short work stays short; timers and signals wait no longer than that.
 */
export function restUntil(): () => void {
  waiting++;
  rest = shortestRest;
  if (!isTicking) setImmediate(tick);
  isTicking = true;
  return () => {
    waiting--;
  };
}

function tick(): void {
  if (waiting === 0) {
    isTicking = false;
    return;
  }
  Atomics.wait(bell, 0, 0, rest);
  rest = Math.min(longestRest, 1.2 * rest);
  setImmediate(tick);
}

const tunedFolder = () => join(userCacheFolder(), 'tuned');

/** Text kept under a key by {@link writeTuned}; undefined if there is none. */
export async function readTuned(key: string): Promise<string | undefined> {
  return readFile(join(tunedFolder(), `${key}.json`), 'utf8').catch(() => undefined);
}

/** Keeps text as a file in the user's cache folder, which appears whole or not at all. */
export async function writeTuned(key: string, text: string): Promise<void> {
  const folder = tunedFolder();
  const aside = join(folder, `${key}.${process.pid}-${Math.random().toString(36).slice(2)}.part`);
  await mkdir(folder, { recursive: true });
  try {
    await writeFile(aside, text);
    await rename(aside, join(folder, `${key}.json`));
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
}
