import type { Gpu } from '../src/gpu/device.js';
import type { KernelPlan, Slot } from '../src/gpu/dispatch.js';
import { PassTimer } from '../src/gpu/timing.js';
import { ceilingCases } from './ceilings.js';
import { Prepared } from './prepared.js';

/** How times are taken. */
export interface Clock {
  readonly kind: 'timestamps' | 'wall';
  /** One line for people: which, and why. */
  readonly description: string;
  /** Dispatches are repeated within a pass until it takes this long. */
  readonly leastMs: number;
}

/** A plan on its buffers. */
export interface Subject {
  readonly plan: KernelPlan;
  readonly slots: readonly Slot[];
}

/** Browsers round timestamps to 0.1 ms: 1 % of this. */
const timestamps = { kind: 'timestamps', leastMs: 10 } as const;

/** A submission and a wait for it cost 0.1 to 1 ms, which is in every wall-clock time. */
const wall = { kind: 'wall', leastMs: 20 } as const;

const mostRepeats = 4096;

/**
 * Timestamps where the device has them and they agree with the wall clock (some adapters stamp a pass when they read the command, not when
 * they have run it); else the wall clock.
 */
export async function chooseClock(gpu: Gpu): Promise<Clock> {
  if (!gpu.caps.features.has('timestamp-query')) {
    return { ...wall, description: 'wall clock (the device has no timestamp queries)' };
  }
  const prepared = Prepared.make(gpu, ceilingCases(gpu.caps).fma);
  try {
    const subject = { plan: prepared.plan(prepared.picked), slots: prepared.slots };
    const repeats = await warmUp(gpu, { ...wall, description: '' }, subject);
    const ratios: number[] = [];
    for (let i = 0; i < 3; i++) {
      const { gpuMs, wallMs } = await timePass(gpu, subject, repeats, true);
      ratios.push(gpuMs! / wallMs);
    }
    const ratio = Math.max(...ratios);
    if (ratio < 0.5 || ratio > 1.1) {
      const off = `timestamp queries say ${ratio.toFixed(2)} of it`;
      return { ...wall, description: `wall clock (${off}: not trusted)` };
    }
    return { ...timestamps, description: 'timestamp queries' };
  } finally {
    prepared.destroy();
  }
}

/**
 * Makes the pipeline, runs it warm, and finds how often to repeat it in a pass.
 *
 * @throws DeviceError if the shader or the dispatch is refused.
 */
export async function warmUp(gpu: Gpu, clock: Clock, subject: Subject): Promise<number> {
  await gpu.prepare([subject.plan]);
  await gpu.scoped(subject.plan.kernel, () => gpu.device.queue.submit([encode(gpu, subject, 1)]));
  await gpu.idle();
  let repeats = 1;
  for (;;) {
    const ms = (await timeOnce(gpu, clock, subject, repeats)) * repeats;
    if (ms >= clock.leastMs || repeats === mostRepeats) return repeats;
    const factor = Math.min(16, Math.max(2, (1.2 * clock.leastMs) / Math.max(ms, 1e-3)));
    repeats = Math.min(mostRepeats, Math.ceil(repeats * factor));
  }
}

/** Milliseconds of one dispatch, the mean of `repeats` in one pass. */
export async function timeOnce(
  gpu: Gpu,
  clock: Clock,
  subject: Subject,
  repeats: number,
): Promise<number> {
  const { gpuMs, wallMs } = await timePass(gpu, subject, repeats, clock.kind === 'timestamps');
  return (gpuMs ?? wallMs) / repeats;
}

async function timePass(gpu: Gpu, subject: Subject, repeats: number, stamped: boolean) {
  const timer = stamped ? PassTimer.on(gpu, 1) : undefined;
  try {
    const commands = encode(gpu, subject, repeats, timer);
    const start = performance.now();
    gpu.device.queue.submit([commands]);
    await gpu.idle();
    const wallMs = performance.now() - start;
    const times = await timer?.read([subject.plan]);
    return { wallMs, gpuMs: times?.[0].timeMs };
  } finally {
    timer?.destroy();
  }
}

function encode(gpu: Gpu, { plan, slots }: Subject, repeats: number, timer?: PassTimer) {
  const encoder = gpu.device.createCommandEncoder({ label: plan.kernel });
  const pass = encoder.beginComputePass({ label: plan.kernel, ...timer?.writes(0) });
  for (let i = 0; i < repeats; i++) gpu.pipelines.record(pass, plan, slots);
  pass.end();
  timer?.resolve(encoder);
  return encoder.finish();
}
