import type * as tfc from '@tensorflow/tfjs-core';
import type { PeerCase } from './cases.js';
import { shapeOfSpecial } from './onnx-graph.js';
import type { Peer, Ready } from './peer.js';
import { type Steps, stepsOf } from './steps.js';
import {
  channelsFirst,
  channelsLast,
  programOf,
  type Tf,
  type TfProgram,
  type Values,
  weightsOf,
} from './tfjs-graph.js';

/** Masked copies of Score-CAM that are asked about at once. */
const copiesAtOnce = 16;

/** What there is of the library's WebGPU backend. */
interface Backend {
  /** Commands that are not submitted yet. */
  readonly commandEncoder?: unknown;
  endComputePassEncoder?(): void;
  submitQueue?(): void;
  readonly queue?: { onSubmittedWorkDone(): Promise<unknown> };
}

/** TensorFlow.js on a backend that is registered under `backend`. @param load imports the library with it */
export const tfjs = (backend: string, load: () => Promise<Tf>): Peer => {
  let tf: Tf;
  return {
    name: `tfjs-${backend}`,
    open: async () => {
      tf = await load();
      return tf.version_core;
    },
    pack: async (c, material) => {
      const isMaps = c.input.length === 4;
      const input = isMaps ? channelsLast(material.input, c.input) : material.input;
      const [N, C, ...size] = c.input;
      const shape = isMaps ? [N, ...size, C] : [...c.input];
      const steps = c.special ? undefined : stepsOf(c);
      const weights = steps && weightsOf(steps, material);
      return async () => {
        await tf.setBackend(backend);
        await tf.ready();
        const x = tf.tensor(input, shape);
        const program = steps && programOf(tf, steps, weights!);
        return new TfReady(tf, x, program, callOf(tf, c, steps, program), shapeOf(c, steps));
      };
    },
  };
};

/** Shape of the result, as PyTorch has it. */
function shapeOf(c: PeerCase, steps: Steps | undefined): readonly number[] {
  if (c.cam) return [1, ...c.input.slice(2)];
  return steps ? steps.shapes.get(steps.graph.output)! : shapeOfSpecial(c);
}

type Call = (x: tfc.Tensor) => tfc.Tensor;

function callOf(tf: Tf, c: PeerCase, steps?: Steps, program?: TfProgram): Call {
  if (c.special) {
    const { special } = c;
    if (special.kind === 'softmax') return (x) => tf.softmax(x);
    return (x) => enlarged(tf, x as tfc.Tensor4D, special.outputSize);
  }
  const start = (x: tfc.Tensor): Values => new Map([[steps!.input, x]]);
  if (c.cam === 'grad-cam') return (x) => gradCam(tf, c, program!, start(x));
  if (c.cam === 'score-cam') return (x) => scoreCam(tf, c, program!, start, x as tfc.Tensor4D);
  return (x) => program!.run(start(x));
}

const enlarged = (tf: Tf, x: tfc.Tensor4D, size: readonly number[]) =>
  tf.image.resizeBilinear(x, [size[0], size[1]], false, true);

/** Each map [N,H,W,1] stretched to 0..1; a constant one to 0. */
function stretched(tf: Tf, x: tfc.Tensor): tfc.Tensor {
  const low = tf.min(x, [1, 2, 3], true);
  const range = tf.maximum(tf.sub(tf.max(x, [1, 2, 3], true), low), 1e-30);
  return tf.div(tf.sub(x, low), range);
}

/** The sum over the channels of A [1,h,w,K] without its negative values, enlarged and stretched. */
function finished(tf: Tf, A: tfc.Tensor, weights: tfc.Tensor, c: PeerCase): tfc.Tensor {
  const raw = tf.relu(tf.sum(tf.mul(A, weights), 3, true)) as tfc.Tensor4D;
  const size = c.input.slice(2);
  return tf.reshape(stretched(tf, enlarged(tf, raw, size)), [1, ...size]);
}

/** The library's own gradients of the layers behind the one that is explained. The largest logit's gradient is the predicted class's. */
function gradCam(tf: Tf, c: PeerCase, program: TfProgram, values: Values): tfc.Tensor {
  const layer = c.network!.defaultLayer;
  const A = program.run(values, undefined, layer);
  const score = (a: tfc.Tensor) => tf.max(program.run(new Map([[layer, a]]), layer));
  const G = tf.grad(score)(A);
  return finished(tf, A, tf.mean(G, [1, 2], true), c);
}

function scoreCam(
  tf: Tf,
  c: PeerCase,
  program: TfProgram,
  start: (x: tfc.Tensor) => Values,
  x: tfc.Tensor4D,
): tfc.Tensor {
  const values = start(x);
  const logits = program.run(values);
  const all = values.get(c.network!.defaultLayer)!;
  const [, h, w] = all.shape;
  const count = c.maps!;
  const A = tf.slice(all, [0, 0, 0, 0], [1, h, w, count]);
  const masks = tf.transpose(A, [3, 1, 2, 0]) as tfc.Tensor4D;
  const choice = tf.oneHot(tf.argMax(logits, 1), logits.shape[1]!);
  const scores: tfc.Tensor[] = [];
  for (let first = 0; first < count; first += copiesAtOnce) {
    const some = Math.min(copiesAtOnce, count - first);
    scores.push(
      tf.tidy(() => {
        const few = tf.slice(masks, [first, 0, 0, 0], [some, h, w, 1]);
        const copies = tf.mul(x, stretched(tf, enlarged(tf, few, c.input.slice(2))));
        return tf.sum(tf.mul(tf.softmax(program.run(start(copies))), choice), 1);
      }),
    );
  }
  return finished(tf, A, tf.reshape(tf.concat(scores), [1, 1, 1, count]), c);
}

class TfReady implements Ready {
  #last: tfc.Tensor | undefined;

  constructor(
    private readonly tf: Tf,
    private readonly x: tfc.Tensor,
    private readonly program: TfProgram | undefined,
    private readonly call: Call,
    private readonly shape: readonly number[],
  ) {}

  async run(times: number): Promise<void> {
    for (let i = 0; i < times; i++) {
      this.#last?.dispose();
      this.#last = this.tf.tidy(() => this.call(this.x));
    }
    const backend = this.tf.backend() as unknown as Backend;
    if (backend.commandEncoder) {
      backend.endComputePassEncoder?.();
      backend.submitQueue?.();
    }
    await backend.queue?.onSubmittedWorkDone();
  }

  async read(): Promise<Float32Array> {
    const values = (await this.#last!.data()) as Float32Array;
    const isMaps = this.shape.length === 4 && this.#last!.shape.length === 4;
    return isMaps ? channelsFirst(values, this.shape) : values;
  }

  dispose(): void {
    this.#last?.dispose();
    this.x.dispose();
    this.program?.dispose();
  }
}
