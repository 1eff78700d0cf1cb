import { ShapeError } from '../errors.js';
import { type Layout, layOut } from './arena.js';
import type { Caps } from './caps.js';
import type { KernelPlan } from './dispatch.js';
import type { Fork, Route } from './fork.js';
import type { Tunable } from './tuner.js';
import type { Value, ValueRoot } from './value.js';

/** One dispatch of a recording. */
export interface PlannedStep extends KernelPlan {
  /** What it was recorded for: see {@link Recorder.during}. */
  readonly part: string | undefined;
}

/** What a recording will cost, before it runs. */
export interface RunPlan {
  readonly steps: readonly PlannedStep[];
  readonly dispatches: number;
  readonly flops: number;
  /** Bytes read and written by all dispatches, each tensor once a dispatch. */
  readonly bytes: number;
  /** Command buffers it goes into, one after the other. */
  readonly submissions: number;
  /** Bytes of intermediate values (the arena's lanes together). */
  readonly arenaBytes: number;
  /** Bytes of the outputs that stay. */
  readonly outputBytes: number;
  /** Bytes of the recorded constants and tensors read from outside (weights, input). */
  readonly inputBytes: number;
  /** arena + outputs + inputs. */
  readonly peakBytes: number;
}

/** What runs for some outputs, in order, and where each value lies. */
export interface Schedule {
  readonly steps: readonly Step[];
  /** Intermediate values, and in the same order their places. */
  readonly arena: readonly ValueRoot[];
  readonly layout: Layout;
  readonly kept: readonly Value[];
  readonly cost: RunPlan;
}

/** A recorded dispatch. */
export interface Step extends Tunable {
  /** Plans the same for other caps; undefined where the caller named variant or caps. */
  readonly replan: ((caps: Caps) => KernelPlan) | undefined;
  /** What {@link plan} was made for. */
  readonly caps: Caps;
  /** What it was recorded for. */
  readonly part: string | undefined;
  /** The submission which begins with it; undefined if none begins here. */
  readonly begins: Cut | undefined;
  /** The fork that it is a step of; undefined where there is one route, or the caller named caps. */
  readonly taken?: Taken;
}

/** The route that a recording takes at a fork. */
export interface Taken {
  readonly fork: Fork;
  readonly route: Route;
  /** What the fork gives, whichever route is taken. */
  readonly value: Value;
}

/** When a submission is needed: what the GPU has counted decides while the recording runs. */
export interface Needed {
  /** u32, written by an earlier submission. */
  readonly counts: Value;
  /** The submission runs if `counts[at]` is larger than `above`. */
  readonly at: number;
  readonly above: number;
}

/** How a submission begins. */
export interface Cut {
  readonly work: number;
  readonly needed?: Needed | undefined;
}

/** What running recorded steps for some outputs will do, in which memory: steps whose results nobody needs are left out. */
export function scheduleOf(
  recorded: readonly Step[],
  outputs: readonly Value[],
  { limits }: Caps,
): Schedule {
  const wanted = new Set(outputs.map((v) => v.root));
  const needed = new Set<Step>();
  let hasWork = false; // whether the submission that is gone through, from its end, keeps a step
  for (let i = recorded.length - 1; i >= 0; i--) {
    const step = recorded[i];
    const isWritten = (j: number) => step.plan.bindings[j].access === 'write';
    if (step.tensors.some((t, j) => isWritten(j) && wanted.has(t.root))) {
      for (const t of step.tensors) wanted.add(t.root);
      needed.add(step);
      hasWork = true;
    }
    if (!step.begins) continue;
    if (hasWork && step.begins.needed) wanted.add(step.begins.needed.counts.root);
    hasWork = false;
  }
  const steps = only(recorded, needed);
  const counts = steps.flatMap(({ begins }) => begins?.needed?.counts ?? []);
  checkWritten(steps, outputs);

  const kept: Value[] = [];
  for (const value of [...outputs, ...counts]) {
    const outer = value.root.kind === 'tensor' || value.root.kind === 'placeholder';
    if (!outer && !kept.some((k) => k.root === value.root)) kept.push(value);
  }
  const keptRoots = new Set(kept.map((v) => v.root));
  const spans = new Map<ValueRoot, { bytes: number; birth: number; death: number }>();
  let inputBytes = 0;
  const outside = new Set<ValueRoot>();
  steps.forEach(({ tensors }, i) => {
    for (const { root } of tensors) {
      if (root.kind === 'tensor' || root.kind === 'placeholder') {
        if (!outside.has(root)) inputBytes += root.bytes;
        outside.add(root);
      } else if (!keptRoots.has(root)) {
        const span = spans.get(root);
        // Constants are written before the first step.
        if (!span)
          spans.set(root, {
            bytes: root.bytes,
            birth: root.kind === 'constant' ? -1 : i,
            death: i,
          });
        else span.death = i;
      }
    }
  });
  const arena = [...spans.keys()];
  const index = new Map(arena.map((root, i) => [root, i]));
  const conflicts: [number, number][] = [];
  for (const { plan, tensors } of steps) {
    for (let a = 0; a < tensors.length; a++) {
      if (plan.bindings[a].access !== 'write') continue;
      const ia = index.get(tensors[a].root);
      if (ia === undefined) continue;
      for (let b = 0; b < tensors.length; b++) {
        const ib = index.get(tensors[b].root);
        if (ib !== undefined && plan.bindings[b].access === 'read') conflicts.push([ia, ib]);
      }
    }
  }
  const layout = layOut([...spans.values()], conflicts, {
    alignment: limits.minStorageBufferOffsetAlignment,
    maxLane: limits.maxBufferSize,
  });
  const arenaBytes = sum(layout.lanes);
  const outputBytes = sum(kept.map((v) => v.root.bytes));
  const cost: RunPlan = {
    steps: steps.map(({ plan, part }) => ({ ...plan, part })),
    dispatches: steps.length,
    submissions: slicesOf(steps).length,
    flops: sum(steps.map((s) => s.plan.flops)),
    bytes: sum(steps.map((s) => s.plan.bytes)),
    arenaBytes,
    outputBytes,
    inputBytes,
    peakBytes: arenaBytes + outputBytes + inputBytes,
  };
  return { steps, arena, layout, kept, cost };
}

/** The needed steps in order. A submission that begins with a step that is not, begins with the next. */
function only(recorded: readonly Step[], needed: ReadonlySet<Step>): Step[] {
  let begins: Cut | undefined;
  return recorded.flatMap((step) => {
    begins = step.begins ?? begins;
    if (!needed.has(step)) return [];
    const kept = step.begins === begins ? step : { ...step, begins };
    begins = undefined;
    return [kept];
  });
}

/** Throws where a blank value is read, or asked for, that no step has filled. */
function checkWritten(steps: readonly Step[], outputs: readonly Value[]): void {
  const written = new Set<ValueRoot>();
  const check = ({ root, shape }: Value, who: string) => {
    if (root.kind === 'computed' && !written.has(root)) {
      throw new ShapeError(
        `${who}: a value [${shape}] should be written by an earlier kernel, none was recorded`,
      );
    }
  };
  for (const { plan, tensors } of steps) {
    const isRead = (_: Value, i: number) => plan.bindings[i].access === 'read';
    for (const value of tensors.filter(isRead)) check(value, plan.kernel);
    tensors.forEach(({ root }, i) => {
      if (plan.bindings[i].access === 'write') written.add(root);
    });
  }
  for (const value of outputs) check(value, 'Recorder: an output');
}

/** Of numbers. */
export const sum = (list: readonly number[]) => list.reduce((a, b) => a + b, 0);

/** A run of steps that goes into one submission. */
export interface Slice extends Cut {
  readonly first: number;
  readonly end: number;
}

/** The runs of steps that go into one submission each, with the work each does. */
export function slicesOf(steps: readonly Step[]): Slice[] {
  const starts = [
    0,
    ...steps.flatMap(({ begins }, i) => (begins !== undefined && i > 0 ? [i] : [])),
  ];
  const slices = starts.map((first, n) => ({
    first,
    end: starts[n + 1] ?? steps.length,
    work: steps[first]?.begins?.work ?? 0,
    needed: steps[first]?.begins?.needed,
  }));
  // Where nobody says what the work is, submissions are counted.
  return slices.some((s) => s.work > 0) ? slices : slices.map((s) => ({ ...s, work: 1 }));
}
