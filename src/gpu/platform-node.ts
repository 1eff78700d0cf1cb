import { DeviceError } from '../errors.js';
import { hasLibrary, loadSoftwareVulkan } from './software-vulkan.js';

let made: Promise<GPU> | undefined;

/**
 * Dawn's WebGPU entry point for Node, kept for the life of the process (Dawn crashes when it is collected).
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
  if (process.platform === 'linux') {
    // Dawn reads the loader and driver when its instance is made, and complains on stderr if there is none: look first.
    const hasLoader = hasLibrary('libvulkan.so.1');
    const wantsSoftware = process.env.WEBGPU_CAM_ADAPTER === 'software';
    if (hasLoader && !wantsSoftware) {
      const gpu = create([]);
      if (await gpu.requestAdapter()) return gpu;
    }
    await loadSoftwareVulkan(!hasLoader);
  }
  return create([]);
}
