import type { Gpu } from '../src/gpu/device.js';
import type { KernelPlan, Slot } from '../src/gpu/dispatch.js';
import { Recorder } from '../src/gpu/recorder.js';
import type { Tensor } from '../src/gpu/tensor.js';
import { type KernelCase, shapesOf } from './cases.js';
import { inputFor } from './inputs.js';

/** A case with its seeded inputs and its results in GPU memory, which all its variants share. */
export class Prepared {
  private constructor(
    readonly gpu: Gpu,
    readonly source: KernelCase,
    /** Names of the variants that can run it; the last is naive. */
    readonly variants: readonly string[],
    private readonly inputs: Readonly<Record<string, Tensor>>,
    private readonly results: Readonly<Record<string, Tensor>>,
  ) {}

  /** Uploads the inputs. Destroy it after use. */
  static make(gpu: Gpu, source: KernelCase): Prepared {
    const { kernel, reads, options } = source;
    const { caps } = gpu;
    const shapes = shapesOf(source);
    const plan = kernel.plan(shapes, options, { caps });
    const inputs: Record<string, Tensor> = {};
    const results: Record<string, Tensor> = {};
    const prepared = new Prepared(
      gpu,
      source,
      kernel.variantsFor(shapes, options, caps),
      inputs,
      results,
    );
    try {
      for (const name in reads) {
        inputs[name] = gpu.tensor(inputFor(source, name, plan.sizes), reads[name], name);
      }
      for (const name of kernel.resultNames) {
        const { shape, dtype } = plan.results[name];
        results[name] = gpu.empty(shape, dtype, name);
      }
    } catch (error) {
      prepared.destroy();
      throw error;
    }
    return prepared;
  }

  /** The one a plan picks by itself. */
  get picked(): string {
    const { kernel, options } = this.source;
    return kernel.plan(this.inputs, options, { caps: this.gpu.caps }).variant;
  }

  /** Lets a device that is tuned choose the variant; another does nothing. */
  async settle(): Promise<void> {
    const { kernel, options } = this.source;
    const recorder = Recorder.on(this.gpu);
    const tensors = kernel.order<Tensor>(this.inputs, this.results);
    await this.gpu.tuner?.settle([
      {
        plan: kernel.plan(this.inputs, options, { caps: this.gpu.caps }),
        tensors: tensors.map((tensor) => recorder.value(tensor)),
        candidates: (caps) => kernel.candidates?.(this.inputs, options, { caps }) ?? [],
      },
    ]);
  }

  get naive(): string {
    return this.variants[this.variants.length - 1];
  }

  plan(variant: string): KernelPlan {
    const { kernel, options } = this.source;
    return kernel.plan(this.inputs, options, { caps: this.gpu.caps, variant });
  }

  /** Buffers in the order of the bindings. */
  get slots(): Slot[] {
    return this.source.kernel
      .order<Tensor>(this.inputs, this.results)
      .map(({ buffer, offset, byteLength }) => ({ buffer, offset, size: byteLength }));
  }

  /** Runs a variant once, on results that start as zeros, and reads them. */
  async run(variant: string): Promise<(Float32Array | Uint32Array)[]> {
    const { gpu } = this;
    const plan = this.plan(variant);
    const results = this.source.kernel.resultNames.map((name) => this.results[name]);
    await gpu.prepare([plan]);
    await gpu.scoped(this.source.id, () => {
      const encoder = gpu.device.createCommandEncoder();
      for (const { buffer } of results) encoder.clearBuffer(buffer);
      const pass = encoder.beginComputePass({ label: plan.kernel });
      gpu.pipelines.record(pass, plan, this.slots);
      pass.end();
      gpu.device.queue.submit([encoder.finish()]);
    });
    return gpu.read(results);
  }

  destroy(): void {
    for (const t of [...Object.values(this.inputs), ...Object.values(this.results)]) t.destroy();
  }
}
