import { explain, planExplain } from '../src/cam/explain.js';
import type { Gpu } from '../src/gpu/device.js';
import { Recorder, type RunPlan } from '../src/gpu/recorder.js';
import type { Tensor } from '../src/gpu/tensor.js';
import type { PassTimes } from '../src/gpu/timing.js';
import type { Value } from '../src/gpu/value.js';
import { Net } from '../src/net/net.js';
import { networkNamed } from '../src/net/zoo/index.js';
import { hashWeights } from '../test/support/hash-weights.js';
import type { NetworkCase } from './cases.js';
import { random } from './inputs.js';

/** Variance that keeps activations in range from layer to layer: uniform weights of sqrt(6 / fan-in) (He et al., 2015). */
const gain = 6;

/** A network with seeded weights and a seeded input on the GPU. */
export class PreparedNet {
  private constructor(
    readonly gpu: Gpu,
    readonly source: NetworkCase,
    private readonly net: Net,
    private readonly input: Tensor,
  ) {}

  /** Most GPU memory that a call had in use, weights and input included. */
  peakBytes = 0;

  static make(gpu: Gpu, source: NetworkCase): PreparedNet {
    const architecture = networkNamed(source.network);
    const weights = hashWeights(architecture.build(architecture.classes), gain);
    const net = Net.from(gpu, architecture, weights, { storage: source.storage });
    const shape = [source.batch, 3, ...net.inputSize];
    const data = random(
      shape.reduce((a, b) => a * b),
      1,
    );
    return new PreparedNet(gpu, source, net, gpu.tensor(data, shape, 'input'));
  }

  /** Runs once, which uploads the weights and makes the pipelines, and tells what a run costs. */
  async warmUp(): Promise<RunPlan> {
    await this.time();
    if (this.source.pass === 'grad-cam') return planExplain(this.net, this.input);
    const { recorder, output } = this.#forward();
    return recorder.plan([output]);
  }

  /** Milliseconds from the call until the GPU is done, by the wall clock. */
  async time(): Promise<number> {
    const held = this.gpu.liveBytes;
    this.gpu.resetPeak();
    const start = performance.now();
    const { destroy } = await this.#call();
    await this.gpu.idle();
    const ms = performance.now() - start;
    this.peakBytes = Math.max(this.peakBytes, this.gpu.peakBytes - held + this.#ownBytes);
    destroy();
    return ms;
  }

  get #ownBytes(): number {
    return (this.net.params?.bytes ?? 0) + this.input.byteLength;
  }

  /** GPU time of each dispatch; none where the device has no timestamps. */
  async profile(): Promise<PassTimes> {
    const { times, destroy } = await this.#call(true);
    destroy();
    return times ?? [];
  }

  /** Logits, and the map of a grad-cam. */
  async outputs(): Promise<readonly Float32Array[]> {
    const { tensors, destroy } = await this.#call();
    try {
      return (await this.gpu.read(tensors)) as Float32Array[];
    } finally {
      destroy();
    }
  }

  #forward(): { recorder: Recorder; output: Value } {
    const recorder = Recorder.on(this.gpu);
    return { recorder, output: this.net.trace(recorder, recorder.value(this.input)).output };
  }

  async #call(profiled = false): Promise<{
    tensors: readonly Tensor[];
    times?: PassTimes | undefined;
    destroy: () => void;
  }> {
    if (this.source.pass === 'forward') {
      const { recorder, output } = this.#forward();
      const { tensors, times } = profiled
        ? await recorder.profile([output])
        : { tensors: await recorder.run([output]), times: undefined };
      return { tensors, times, destroy: () => tensors.forEach((t) => void t.destroy()) };
    }
    const result = await explain(this.net, this.input, { profileTimes: profiled });
    const { logits, map, times } = result;
    return { tensors: [logits, map], times, destroy: () => result.destroy() };
  }

  destroy(): void {
    this.input.destroy();
    this.net.destroy();
  }
}
