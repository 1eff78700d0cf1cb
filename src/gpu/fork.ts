import type { Caps } from './caps.js';
import type { Recorder } from './recorder.js';
import { shapeClass } from './shape-class.js';
import type { Tensor } from './tensor.js';
import type { Value } from './value.js';

/**
 * What a route may read (f32). It is made, without recording anything, when a route asks for it: one that is not taken needs none of its own,
 * transformed filters say.
 */
export interface Operand {
  readonly shape: readonly number[];
  readonly make: () => Value | Tensor;
}

/** One way to compute a value: a few dispatches. */
export interface Route<Reads extends string = string> {
  readonly name: string;
  /** Whether it would take long for sure on such a device: it is then not timed, and taken only where a table names it. */
  readonly isLong?: boolean;
  /**
   * Records it on any recorder, always the same dispatches for the same caps.
   *
   * @param read an operand's value; while routes are timed it stands for any numbers
   * @param into what it fills; without, a new value
   */
  record(recorder: Recorder, read: (name: Reads) => Value, into: Value | undefined): Value;
}

/** A value that can be computed by several routes. Which is taken is remembered as a kernel's variant is. */
export interface Fork<Reads extends string = string> {
  /** Its name in a table of choices, as a kernel has one. */
  readonly name: string;
  /** What its class of shapes is made of. */
  readonly sizes: Readonly<Record<string, number>>;
  readonly reads: Readonly<Partial<Record<Reads, Operand>>>;
  /** All that are right, and accurate enough to be taken by themselves; first the one that is taken without measurement. */
  readonly routes: readonly Route<Reads>[];
}

/** The route that the caps' table names; else, or if there is none of that name, the first. */
export function routeFor({ name, sizes, routes }: Fork, { choices }: Caps): Route {
  const named = choices?.[name];
  const chosen = named && routes.length > 1 ? named[shapeClass(sizes)] : undefined;
  return routes.find((route) => route.name === chosen) ?? routes[0];
}
