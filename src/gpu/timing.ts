import type { Gpu } from './device.js';
import type { DispatchPlan } from './dispatch.js';
import { mapModeRead, usage } from './usage.js';

/** GPU milliseconds of each dispatch of a run. */
export type PassTimes = readonly {
  readonly kernel: string;
  readonly variant: string;
  readonly timeMs: number;
  readonly flops: number;
  readonly bytes: number;
}[];

/** WebGPU allows 4096 queries a set: two for each pass. */
const maxPasses = 2048;

/** Timestamps around each pass of a run. */
export class PassTimer {
  private constructor(
    private readonly gpu: Gpu,
    private readonly passes: number,
    private readonly queries: GPUQuerySet,
    private readonly resolved: GPUBuffer,
    private readonly staging: GPUBuffer,
  ) {}

  /** Undefined where the device has no `timestamp-query`, or the run has too many passes. */
  static on(gpu: Gpu, passes: number): PassTimer | undefined {
    if (!gpu.caps.features.has('timestamp-query') || passes > maxPasses || passes === 0)
      return undefined;
    const count = 2 * passes;
    const make = () =>
      new PassTimer(
        gpu,
        passes,
        gpu.device.createQuerySet({ type: 'timestamp', count }),
        gpu.createBuffer(8 * count, usage.queryResolve | usage.copySrc, 'timestamps'),
        gpu.createBuffer(8 * count, usage.copyDst | usage.mapRead, 'timestamps read'),
      );
    return gpu.deferred('timestamps', make);
  }

  writes(pass: number): { timestampWrites: GPUComputePassTimestampWrites } {
    return {
      timestampWrites: {
        querySet: this.queries,
        beginningOfPassWriteIndex: 2 * pass,
        endOfPassWriteIndex: 2 * pass + 1,
      },
    };
  }

  resolve(encoder: GPUCommandEncoder): void {
    encoder.resolveQuerySet(this.queries, 0, 2 * this.passes, this.resolved, 0);
    encoder.copyBufferToBuffer(this.resolved, 0, this.staging, 0, 16 * this.passes);
  }

  async read(plans: readonly DispatchPlan[]): Promise<PassTimes> {
    await this.gpu.guard(this.staging.mapAsync(mapModeRead));
    const ticks = new BigUint64Array(this.staging.getMappedRange().slice(0, 16 * this.passes));
    return plans.map(({ kernel, variant, flops, bytes }, i) => ({
      kernel,
      variant,
      flops,
      bytes,
      timeMs: Number(ticks[2 * i + 1] - ticks[2 * i]) / 1e6,
    }));
  }

  destroy(): void {
    this.queries.destroy();
    this.gpu.release(this.resolved);
    this.gpu.release(this.staging);
  }
}
