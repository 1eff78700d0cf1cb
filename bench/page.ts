import { Gpu } from '../src/gpu/device.js';
import type { TuneMode } from '../src/gpu/tuner.js';
import { type BenchResult, type Host, runBench } from './bench.js';
import type { Selection } from './cases.js';
import { runScoreCam, type ScoreCamResult, type ScoreCamSettings } from './score-cam/profile.js';

declare global {
  /** Given by the program that opened the page. */
  var benchHost: Host;
  /** Called by it. */
  var benchRun: (selection: Selection) => Promise<BenchResult>;
  /** Called by it. */
  var benchScoreCam: (settings: ScoreCamSettings) => Promise<ScoreCamResult>;
}

globalThis.benchRun = (selection) =>
  onDevice((gpu) => runBench(gpu, selection, globalThis.benchHost), selection.tune);

globalThis.benchScoreCam = (settings) =>
  onDevice((gpu) => runScoreCam(gpu, settings, globalThis.benchHost, weights));

async function onDevice<Result>(
  work: (gpu: Gpu) => Promise<Result>,
  tune?: TuneMode,
): Promise<Result> {
  const gpu = await Gpu.request({ tune });
  try {
    return await work(gpu);
  } finally {
    gpu.destroy();
  }
}

async function weights(network: string): Promise<Uint8Array> {
  const response = await fetch(`/models/${network}.safetensors`);
  if (!response.ok) throw new Error(`bench: no weights of ${network}: ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}
