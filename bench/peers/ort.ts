import type { InferenceSession, Tensor } from 'onnxruntime-web';
import type * as OrtModule from 'onnxruntime-web/webgpu';
import type { PeerCase } from './cases.js';
import type { Material } from './material.js';
import { type OnnxFiles, weightsFile } from './onnx.js';
import { gradCamModel, type ScoreCamModels, scoreCamModels } from './onnx-cam.js';
import { type AttentionForm, onnxOf } from './onnx-graph.js';
import type { Peer, PeerName, Ready } from './peer.js';

/** The runtime's module, as a page or Node imports it. */
export type Ort = typeof OrtModule;

/** Masked copies of Score-CAM that are asked about at once. */
const copiesAtOnce = 16;

/** ONNX Runtime Web on one of its backends. @param load imports and sets up the module */
export function ort(
  name: PeerName,
  backend: 'wasm' | 'webgpu',
  attention: AttentionForm,
  load: () => Promise<Ort>,
): Peer {
  let module: Ort;
  const peer: Peer = {
    name,
    isOnAdapter: backend === 'webgpu',
    ...(backend === 'webgpu' && { refuses: noGradients }),
    open: async () => {
      module = await load();
      return module.env.versions.web ?? module.env.versions.common;
    },
    pack: async (c: PeerCase, material: Material) => {
      const start = (files: OnnxFiles, outputs: 'cpu' | 'gpu-buffer') =>
        module.InferenceSession.create(files.model, {
          executionProviders: [backend],
          externalData: [{ path: weightsFile, data: files.weights }],
          // Which nodes go where is its own business; it would print them.
          logSeverityLevel: 3,
          ...(backend === 'webgpu' && { preferredOutputLocation: outputs }),
        });
      if (c.cam === 'score-cam') {
        const models = scoreCamModels(c, material);
        return () => OrtScoreCam.load(module, models, start, c, material);
      }
      const files =
        c.cam === 'grad-cam' ? gradCamModel(c, material) : onnxOf(c, material, attention);
      return async () => {
        const session = await start(files, 'gpu-buffer');
        const device = backend === 'webgpu' ? await module.env.webgpu.device : undefined;
        return new OrtModel(module, session, device as GPUDevice | undefined, c, material.input);
      };
    },
  };
  if (attention === 'fused') return peer;
  return {
    ...peer,
    refuses: (c) => (c.hasAttention ? undefined : 'it has no attention'),
  };
}

/** The backward pass as nodes asks a max-pooling for the places of its maxima. */
const noGradients: Peer['refuses'] = ({ cam }) =>
  cam === 'grad-cam'
    ? 'not possible: it has no gradients, and its MaxPool gives no positions, without which the backward pass cannot be written as nodes'
    : undefined;

/** One model whose input stays where it is. */
class OrtModel implements Ready {
  readonly #buffer: GPUBuffer | undefined;
  readonly #x: Tensor;
  #y: Tensor | undefined;

  constructor(
    { Tensor }: Ort,
    private readonly session: InferenceSession,
    private readonly device: GPUDevice | undefined,
    { input }: PeerCase,
    data: Float32Array,
  ) {
    if (!device) {
      this.#x = new Tensor('float32', data, input);
      return;
    }
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    this.#buffer = device.createBuffer({ size: Math.ceil(data.byteLength / 16) * 16, usage });
    device.queue.writeBuffer(this.#buffer, 0, data as Float32Array<ArrayBuffer>);
    this.#x = Tensor.fromGpuBuffer(this.#buffer, { dataType: 'float32', dims: input });
  }

  async run(times: number): Promise<void> {
    for (let i = 0; i < times; i++) {
      this.#y?.dispose();
      this.#y = undefined;
      this.#y = (await this.session.run({ x: this.#x })).y;
    }
    await this.device?.queue.onSubmittedWorkDone();
  }

  read = async (): Promise<Float32Array> => (await this.#y!.getData()) as Float32Array;

  async dispose(): Promise<void> {
    this.#y?.dispose();
    this.#buffer?.destroy();
    await this.session.release();
  }
}

type Start = (files: OnnxFiles, outputs: 'cpu' | 'gpu-buffer') => Promise<InferenceSession>;

/** Score-CAM as a program of three models. What goes from one to the next goes through the CPU: it is small. */
class OrtScoreCam implements Ready {
  #map: Float32Array | undefined;

  private constructor(
    private readonly Tensor: Ort['Tensor'],
    private readonly sessions: readonly InferenceSession[],
    private readonly c: PeerCase,
    private readonly input: Float32Array,
  ) {}

  static async load(
    { Tensor }: Ort,
    models: ScoreCamModels,
    start: Start,
    c: PeerCase,
    { input }: Material,
  ): Promise<OrtScoreCam> {
    const sessions: InferenceSession[] = [];
    for (const files of [models.maps, models.masked, models.finish]) {
      sessions.push(await start(files, 'cpu'));
    }
    return new OrtScoreCam(Tensor, sessions, c, input);
  }

  async run(times: number): Promise<void> {
    for (let i = 0; i < times; i++) this.#map = await this.#once();
  }

  async #once(): Promise<Float32Array> {
    const [maps, masked, finish] = this.sessions;
    const count = this.c.maps!;
    const tensor = (data: Float32Array, dims: readonly number[]) =>
      new this.Tensor('float32', data, dims);
    const x = tensor(this.input, this.c.input);
    const { a, y } = await maps.run({ x });
    const logits = y.data as Float32Array;
    const best = logits.indexOf(Math.max(...logits));
    const [, , h, w] = a.dims;
    const all = (a.data as Float32Array).slice(0, count * h * w);
    const weights = new Float32Array(count);
    for (let first = 0; first < count; first += copiesAtOnce) {
      const some = Math.min(copiesAtOnce, count - first);
      const m = tensor(all.slice(first * h * w, (first + some) * h * w), [some, 1, h, w]);
      const scores = (await masked.run({ x, m })).y.data as Float32Array;
      for (let i = 0; i < some; i++) weights[first + i] = scores[i * logits.length + best];
    }
    const feeds = { a: tensor(all, [1, count, h, w]), w: tensor(weights, [1, count, 1, 1]) };
    return (await finish.run(feeds)).y.data as Float32Array;
  }

  read = async (): Promise<Float32Array> => this.#map!;

  async dispose(): Promise<void> {
    for (const session of this.sessions) await session.release();
  }
}
