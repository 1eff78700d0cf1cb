import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { main } from '../../src/cli/run.js';
import { platformGpu } from '../../src/gpu/platform-node.js';

export interface Outcome {
  readonly status: number;
  readonly stdout: string;
  /** Without the line that says that a software adapter is in use. */
  readonly stderr: string;
  readonly notice: string;
}

const softwareNotice = /^webgpu-cam: computing on a software adapter .*\n/m;

/** Runs the command in this process; all runs share one device, so that shaders are compiled once. */
export async function run(
  argv: readonly string[],
  options: { gpu?: GPU; signal?: AbortSignal } = {},
): Promise<Outcome> {
  let stdout = '';
  let stderr = '';
  const status = await main(argv, {
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
    gpu: options.gpu ?? (await sharedGpu()),
    signal: options.signal,
  });
  const notice = softwareNotice.exec(stderr)?.[0] ?? '';
  return { status, stdout, stderr: stderr.replace(softwareNotice, ''), notice };
}

let shared: Promise<GPU> | undefined;
let release = () => {};

/** The platform's WebGPU, with a device that is made once and that its users cannot destroy. */
function sharedGpu(): Promise<GPU> {
  shared ??= platformGpu().then((gpu) => {
    let device: Promise<GPUDevice> | undefined;
    return {
      requestAdapter: async () => {
        const adapter = (await gpu.requestAdapter())!;
        return {
          features: adapter.features,
          limits: adapter.limits,
          info: adapter.info,
          requestDevice: (descriptor: GPUDeviceDescriptor) => {
            device ??= adapter.requestDevice(descriptor).then((made) => {
              release = made.destroy.bind(made);
              made.destroy = () => undefined;
              return made;
            });
            return device;
          },
        };
      },
    } as unknown as GPU;
  });
  return shared;
}

afterAll(() => release());

/** A WebGPU without any adapter. */
export const noAdapter = { requestAdapter: async () => null } as unknown as GPU;

/** A folder of this test file's own, removed at the end. */
export const scratch = mkdtempSync(join(tmpdir(), 'webgpu-cam-test-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
