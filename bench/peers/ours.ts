import { explain } from '../../src/cam/explain.js';
import { Gpu } from '../../src/gpu/device.js';
import { Recorder } from '../../src/gpu/recorder.js';
import type { Tensor } from '../../src/gpu/tensor.js';
import type { Value } from '../../src/gpu/value.js';
import { resizeBilinear } from '../../src/kernels/resize-bilinear.js';
import { softmax } from '../../src/kernels/softmax.js';
import { Net } from '../../src/net/net.js';
import { firstMasks } from '../score-cam/subject.js';
import type { PeerCase } from './cases.js';
import type { Peer, Ready } from './peer.js';
import { stepsOf } from './steps.js';

/** This library. @param version of the package */
export const ours = (version: string): Peer => ({
  name: 'ours',
  open: async () => version,
  pack: async (c, material) => {
    const { input, weights } = material;
    return async () => {
      const gpu = await Gpu.request();
      const net = c.special ? undefined : Net.from(gpu, stepsOf(c).architecture, weights);
      const x = gpu.tensor(input, c.input, 'input');
      return new Ours(gpu, net, x, callOf(c, gpu, net, x));
    };
  },
});

/** Computes a case once. */
type Call = () => Promise<{ result: Tensor; destroy(): void }>;

function callOf(c: PeerCase, gpu: Gpu, net: Net | undefined, x: Tensor): Call {
  if (c.cam) {
    const method = c.cam === 'grad-cam' ? c.cam : firstMasks(c.maps!);
    const options = c.cam === 'grad-cam' ? {} : { weights: 'score' };
    return async () => {
      const made = await explain(net!, x, { method, options });
      return { result: made.map, destroy: () => made.destroy() };
    };
  }
  return async () => {
    const recorder = Recorder.on(gpu);
    const [result] = await recorder.run([forward(c, recorder, net, recorder.value(x))]);
    return { result, destroy: () => result.destroy() };
  };
}

function forward(c: PeerCase, recorder: Recorder, net: Net | undefined, x: Value): Value {
  if (c.special?.kind === 'softmax') return recorder.k(softmax, { x });
  if (c.special?.kind === 'resize') {
    return recorder.k(resizeBilinear, { x }, { outputSize: c.special.outputSize });
  }
  return net!.traceFrom(recorder, { [c.network ? 'input' : 'x']: x }).output;
}

class Ours implements Ready {
  #last: Awaited<ReturnType<Call>> | undefined;

  constructor(
    private readonly gpu: Gpu,
    private readonly net: Net | undefined,
    private readonly input: Tensor,
    private readonly call: Call,
  ) {}

  async run(times: number): Promise<void> {
    for (let i = 0; i < times; i++) {
      this.#last?.destroy();
      this.#last = undefined;
      this.#last = await this.call();
    }
    await this.gpu.idle();
  }

  async read(): Promise<Float32Array> {
    const [values] = await this.gpu.read([this.#last!.result]);
    return values as Float32Array;
  }

  dispose(): void {
    this.#last?.destroy();
    this.input.destroy();
    this.net?.destroy();
    this.gpu.destroy();
  }
}
