import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { Gpu, type GpuRequestOptions } from '../../src/gpu/device.js';
import { platformGpu } from '../../src/gpu/platform-node.js';

/** Gives each test of the file a user's cache folder of its own, empty. @returns its path, while a test runs. */
export function useOwnCache(): () => string {
  let folder: string;
  let before: string | undefined;
  beforeAll(async () => {
    await platformGpu(); // a software adapter may be unpacked into the usual folder: not into one that goes away
    before = process.env.XDG_CACHE_HOME;
  });
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'webgpu-cam-cache-'));
    process.env.XDG_CACHE_HOME = folder;
    return () => rm(folder, { recursive: true, force: true });
  });
  afterAll(() => {
    if (before === undefined) delete process.env.XDG_CACHE_HOME;
    else process.env.XDG_CACHE_HOME = before;
  });
  return () => folder;
}

/** A device that times variants when they are first needed. */
export const tuned = (options: GpuRequestOptions = {}): Promise<Gpu> =>
  Gpu.request({ tune: 'first-use', ...options });
