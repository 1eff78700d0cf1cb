import { DeviceError } from '../errors.js';
import type { DispatchPlan, Slot } from './dispatch.js';
import { shaderStageCompute } from './usage.js';

const caches = new WeakMap<GPUDevice, Pipelines>();

/** Compute pipelines of one device, keyed by shader text and constants; made in parallel, each once. */
export class Pipelines {
  #modules = new Map<string, GPUShaderModule>();
  #layouts = new Map<string, { group: GPUBindGroupLayout; pipeline: GPUPipelineLayout }>();
  #ready = new Map<string, GPUComputePipeline>();
  /** Made on the spot, so that nobody knows whether they are valid: {@link prepare} makes them once more. */
  #unproven = new Map<string, GPUComputePipeline>();
  #pending = new Map<string, Promise<void>>();
  #ids = new Map<string, number>();

  private constructor(readonly device: GPUDevice) {}

  /** The device's cache; the same object for every caller that uses that device. */
  static of(device: GPUDevice): Pipelines {
    let cache = caches.get(device);
    if (!cache) {
      cache = new Pipelines(device);
      caches.set(device, cache);
    }
    return cache;
  }

  /** Number of pipelines made. */
  get size(): number {
    return this.#ready.size + this.#unproven.size;
  }

  /**
   * Makes the pipelines that these plans need and that are not there yet, all at once.
   *
   * @throws DeviceError with shader, variant, constants and the compiler's words.
   */
  async prepare(plans: Iterable<DispatchPlan>): Promise<void> {
    const waits: Promise<void>[] = [];
    for (const plan of plans) {
      const key = this.#key(plan);
      if (this.#ready.has(key)) continue;
      let wait = this.#pending.get(key);
      if (!wait) {
        wait = this.#make(key, plan);
        this.#pending.set(key, wait);
      }
      waits.push(wait);
    }
    const results = await Promise.allSettled(waits);
    const failed = results.find((r) => r.status === 'rejected');
    if (failed) throw failed.reason;
  }

  async #make(key: string, plan: DispatchPlan): Promise<void> {
    // A module that does not compile is an error of the device: the scope keeps it from the host's handlers.
    this.device.pushErrorScope('validation');
    let made: Promise<GPUComputePipeline>;
    let scope: Promise<GPUError | null>;
    try {
      made = this.device.createComputePipelineAsync(this.#descriptor(plan));
    } finally {
      scope = this.device.popErrorScope();
      scope.catch(() => {});
    }
    try {
      this.#ready.set(key, await made);
      this.#unproven.delete(key);
    } catch (cause) {
      const compiler = await scope.catch(() => null);
      const words = String((compiler ?? (cause as Error)).message)
        .split('\n')
        .slice(0, 3)
        .join(' ');
      throw new DeviceError(
        `${plan.kernel} (${plan.variant}): pipeline refused with ${JSON.stringify(plan.constants)}: ${words}`,
        { cause },
      );
    } finally {
      this.#pending.delete(key);
    }
  }

  /** Encodes one dispatch. A pipeline that was not prepared is made on the spot, which stalls. */
  record(pass: GPUComputePassEncoder, plan: DispatchPlan, slots: readonly Slot[]): void {
    const key = this.#key(plan);
    let pipeline = this.#ready.get(key) ?? this.#unproven.get(key);
    if (!pipeline) {
      pipeline = this.device.createComputePipeline(this.#descriptor(plan));
      this.#unproven.set(key, pipeline);
    }
    pass.setPipeline(pipeline);
    pass.setBindGroup(
      0,
      this.device.createBindGroup({
        layout: this.#layout(plan).group,
        entries: slots.map((resource, binding) => ({ binding, resource: { ...resource } })),
      }),
    );
    pass.dispatchWorkgroups(plan.workgroups[0], plan.workgroups[1]);
  }

  #descriptor(plan: DispatchPlan): GPUComputePipelineDescriptor {
    const label = `${plan.kernel} (${plan.variant})`;
    let module = this.#modules.get(plan.code);
    if (!module) {
      module = this.device.createShaderModule({ code: plan.code, label });
      this.#modules.set(plan.code, module);
    }
    return {
      label,
      layout: this.#layout(plan).pipeline,
      compute: { module, entryPoint: 'main', constants: plan.constants },
    };
  }

  #layout(plan: DispatchPlan) {
    const key = plan.bindings.map((b) => b.access).join();
    let layout = this.#layouts.get(key);
    if (!layout) {
      const group = this.device.createBindGroupLayout({
        entries: plan.bindings.map((b, binding) => ({
          binding,
          visibility: shaderStageCompute,
          buffer: { type: b.access === 'read' ? 'read-only-storage' : 'storage' },
        })),
      });
      layout = { group, pipeline: this.device.createPipelineLayout({ bindGroupLayouts: [group] }) };
      this.#layouts.set(key, layout);
    }
    return layout;
  }

  #key(plan: DispatchPlan): string {
    let id = this.#ids.get(plan.code);
    if (id === undefined) {
      id = this.#ids.size;
      this.#ids.set(plan.code, id);
    }
    let key = `${id}`;
    for (const name in plan.constants) key += `,${name}${plan.constants[name]}`;
    return key;
  }
}
