import { Gpu } from '../src/gpu/device.js';
import { type BenchResult, type Host, runBench } from './bench.js';
import type { Selection } from './cases.js';

declare global {
  /** Given by the program that opened the page. */
  var benchHost: Host;
  /** Called by it. */
  var benchRun: (selection: Selection) => Promise<BenchResult>;
}

globalThis.benchRun = async (selection) => {
  const gpu = await Gpu.request();
  try {
    return await runBench(gpu, selection, globalThis.benchHost);
  } finally {
    gpu.destroy();
  }
};
