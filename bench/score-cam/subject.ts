import { explain, planExplain } from '../../src/cam/explain.js';
import type { Method, Scene } from '../../src/cam/method.js';
import { scoreCam } from '../../src/cam/score-cam.js';
import { LayerError } from '../../src/errors.js';
import type { Gpu } from '../../src/gpu/device.js';
import type { RunPlan } from '../../src/gpu/recorder.js';
import type { Tensor } from '../../src/gpu/tensor.js';
import { channelSlice } from '../../src/kernels/channel-slice.js';
import { Net } from '../../src/net/net.js';
import { embeddedNetworks, networkNamed } from '../../src/net/zoo/index.js';
import { singlePet } from '../../src/toy/toypets.js';
import { gainOf, hashWeights } from '../../test/support/hash-weights.js';
import { type StageTimes, stageTimes } from './stages.js';

/** Networks whose trained weights are in the repository. */
export const trainedNetworks: readonly string[] = embeddedNetworks;

/** Copies in a pass if `batch` are asked for: the engine evens the batches out. */
export const copiesInPass = (masks: number, batch: number): number =>
  Math.ceil(masks / Math.ceil(masks / Math.min(batch, masks)));

/** Score-CAM as it is, on the first `masks` channels of its layer: a network with hundreds would keep a software adapter for an hour. */
export const firstMasks = (masks: number): Method => ({
  ...scoreCam,
  record: (scene, options) => scoreCam.record(withFirst(scene, masks), options),
});

function withFirst(scene: Scene, channels: number): Scene {
  const { recorder, trace, layers } = scene;
  const all = trace.value(layers[0]);
  if (all.shape[1] <= channels) return scene;
  const first = recorder.k(channelSlice, { x: all }, { channels });
  const value = (name: string) => (name === layers[0] ? first : trace.value(name));
  return { ...scene, trace: Object.assign(Object.create(trace), { value }) };
}

/** A network with a picture, ready to be explained by Score-CAM with any number of copies in a pass. Destroy it after use. */
export class Subject {
  private constructor(
    private readonly gpu: Gpu,
    private readonly net: Net,
    private readonly input: Tensor,
    private readonly method: Method,
    readonly isTrained: boolean,
    /** Of the explained layer. */
    readonly channels: number,
    readonly masks: number,
  ) {}

  /**
   * @param most masks to score; fewer if the layer has fewer channels
   * @param weights of a trained network; others get seeded ones
   * @param side of the input, pixels; default the network's own
   * @throws LayerError for an unknown network.
   */
  static make(
    gpu: Gpu,
    network: string,
    most: number,
    weights: Uint8Array | undefined,
    side?: number,
  ): Subject {
    const net = weights ? Net.load(gpu, network, weights) : seeded(gpu, network);
    const size = side ?? net.inputSize[0];
    const layer = net.layers([size, size]).find(({ name }) => name === net.defaultLayer);
    if (!layer?.spatial) {
      throw new LayerError(`${network}: its layer ${net.defaultLayer} is no stack of maps`);
    }
    const channels = layer.shape[1];
    const masks = Math.min(most, channels);
    const input = gpu.tensor(picture(net, size), [1, 3, size, size], 'input');
    return new Subject(gpu, net, input, firstMasks(masks), !!weights, channels, masks);
  }

  get layer(): string {
    return this.net.defaultLayer;
  }

  /** Of the input, pixels. */
  get side(): number {
    return this.input.shape[3];
  }

  /** What a run costs by its plan. */
  plan(batch: number): RunPlan {
    return planExplain(this.net, this.input, { method: this.method, options: { batch } });
  }

  /** The raw map, before negative values are dropped. */
  async rawMap(batch: number): Promise<Float32Array> {
    using result = await this.#explain(batch);
    return (await result.raw.read()) as Float32Array;
  }

  /** Milliseconds from the call until the GPU is done, by the wall clock, and the most GPU memory it had in use, weights and input included. */
  async time(batch: number): Promise<{ ms: number; peakBytes: number }> {
    const held = this.gpu.liveBytes;
    this.gpu.resetPeak();
    const start = performance.now();
    using _ = await this.#explain(batch);
    await this.gpu.idle();
    const ms = performance.now() - start;
    const ownBytes = (this.net.params?.bytes ?? 0) + this.input.byteLength;
    return { ms, peakBytes: this.gpu.peakBytes - held + ownBytes };
  }

  /** GPU milliseconds by stage; undefined without timestamps, or with more dispatches than a set of queries holds. */
  async stageTimes(batch: number): Promise<StageTimes | undefined> {
    using result = await this.#explain(batch, true);
    return result.times && stageTimes(result.times);
  }

  #explain(batch: number, profileTimes = false) {
    return explain(this.net, this.input, { method: this.method, options: { batch }, profileTimes });
  }

  destroy(): void {
    this.input.destroy();
    this.net.destroy();
  }
}

function seeded(gpu: Gpu, network: string): Net {
  const architecture = networkNamed(network);
  const graph = architecture.build(architecture.classes);
  return Net.from(gpu, architecture, hashWeights(graph, gainOf(network)));
}

/** A drawn animal, normalised as the network wants it: [3,side,side]. */
function picture({ preprocessing: { mean, std } }: Net, side: number): Float32Array {
  const { rgb } = singlePet(0, { size: side });
  return Float32Array.from({ length: rgb.length }, (_, i) => {
    const c = Math.floor(i / (side * side));
    return (rgb[3 * (i % (side * side)) + c] / 255 - mean[c]) / std[c];
  });
}
