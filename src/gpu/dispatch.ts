import type { Caps } from './caps.js';
import type { Dtype, Storage } from './tensor.js';

/** One tensor a dispatch binds: its place in the bind group is its place in the list. */
export interface Binding {
  readonly name: string;
  readonly access: 'read' | 'write';
  readonly shape: readonly number[];
  readonly dtype: Dtype;
}

/**
 * Everything about one dispatch that does not depend on a device's objects: what `plan()` returns and `record()` encodes.
 */
export interface DispatchPlan {
  readonly kernel: string;
  readonly variant: string;
  readonly code: string;
  /** Values of the shader's `override` constants. */
  readonly constants: Readonly<Record<string, number>>;
  readonly bindings: readonly Binding[];
  /** Workgroups, already folded into the device's limit a dimension. */
  readonly workgroups: readonly [number, number];
  readonly flops: number;
  /** Bytes read and written, each tensor counted once. */
  readonly bytes: number;
}

/** Where a binding's elements lie. */
export interface Slot {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly size: number;
}

/** Folds a workgroup count into two dimensions: shaders read `wid.y * nwg.x + wid.x`. */
export function fold(count: number, limit: number): [number, number] {
  if (count <= limit) return [count, 1];
  const y = Math.ceil(count / limit);
  return [Math.ceil(count / y), y];
}

/** Anything with a shape: a tensor, a recorded value, a caller's buffer. */
export interface Shaped {
  readonly shape: readonly number[];
}

type Needed<R extends string> = R extends `${string}?` ? never : R;
type Optional<R extends string> = R extends `${infer N}?` ? N : never;

/** The tensors a kernel reads, by name; names declared with `?` may be left out. */
export type ReadsOf<R extends string, T> = { readonly [K in Needed<R>]: T } & {
  readonly [K in Optional<R>]?: T | undefined;
};

export interface KernelPlan<Results extends string = string> extends DispatchPlan {
  /** Sizes by letter, derived ones included. */
  readonly sizes: Readonly<Record<string, number>>;
  readonly results: Readonly<Record<Results, { shape: readonly number[]; dtype: Dtype }>>;
}

export interface PlanSettings {
  /** Default f32. */
  readonly storage?: Storage | undefined;
  readonly caps?: Caps | undefined;
  /** Variant by name; default is the first that suits the device and the sizes. */
  readonly variant?: string | undefined;
}

/** What can be planned and recorded: a kernel. */
export interface Recordable<Reads extends string, Results extends string, Options> {
  readonly name: string;
  /** Names of the results in order. */
  readonly resultNames: readonly Results[];
  /** Pure: shapes and options in, everything the dispatch needs out. */
  plan(
    reads: ReadsOf<Reads, Shaped>,
    options?: Options,
    settings?: PlanSettings,
  ): KernelPlan<Results>;
  /**
   * Plans that are worth timing against one another: first what {@link plan} gives, then every other variant made for such a device that can
   * compute the sizes. Those that would take long for sure are left out. One plan alone if there is nothing to choose.
   */
  candidates?(
    reads: ReadsOf<Reads, Shaped>,
    options?: Options,
    settings?: PlanSettings,
  ): readonly KernelPlan<Results>[];
  /** Tensors in binding order: the reads (an absent one is stood in for by the first that is there), then the results. */
  order<T>(reads: ReadsOf<Reads, T>, results: Readonly<Record<Results, T>>): T[];
}
