import type { RunPlan } from './recorder.js';
import { bytesOf, sizeOf } from './tensor.js';

/**
 * A plan as rows of text, the first of them heads: for each dispatch what it is for, kernel and variant, what it writes, millions of
 * floating-point operations and MiB read and written. The last row is the sum.
 */
export function planTable(plan: RunPlan): string[][] {
  const rows = plan.steps.map(({ part = '', kernel, variant, bindings, flops, bytes }) => {
    const written = bindings.filter(({ access }) => access === 'write');
    const shapes = written.map(({ shape }) => `[${shape.join(',')}]`).join(' ');
    return [part, kernel, variant, shapes, millions(flops), mebi(bytes)];
  });
  return [
    ['for', 'kernel', 'variant', 'writes', 'MFLOP', 'MiB'],
    ...rows,
    [`${plan.dispatches} dispatches`, '', '', '', millions(plan.flops), mebi(plan.bytes)],
  ];
}

/** What a plan holds in memory, as rows of text: its largest intermediate values, and the sums. */
export function memoryTable(plan: RunPlan): string[][] {
  let largest = 0;
  for (const { bindings } of plan.steps) {
    for (const { access, shape, dtype } of bindings) {
      if (access === 'write') largest = Math.max(largest, sizeOf(shape) * bytesOf(dtype));
    }
  }
  return [
    ['intermediate values', `${mebi(plan.arenaBytes)} MiB`],
    ['largest of them', `${mebi(largest)} MiB`],
    ['weights and input', `${mebi(plan.inputBytes)} MiB`],
    ['outputs', `${mebi(plan.outputBytes)} MiB`],
    ['at most, together', `${mebi(plan.peakBytes)} MiB`],
  ];
}

const millions = (flops: number): string => (flops / 1e6).toFixed(flops < 1e7 ? 2 : 0);
const mebi = (bytes: number): string => (bytes / 2 ** 20).toFixed(bytes < 10 * 2 ** 20 ? 2 : 0);
