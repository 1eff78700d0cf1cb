import type { Dtype } from './dtype.js';

/** One tensor of a weights file: its description, and its numbers on demand. */
export interface WeightEntry {
  readonly name: string;
  /** Row-major, outermost first; `[]` is a scalar. */
  readonly shape: readonly number[];
  readonly dtype: Dtype;
  /**
   * The values as float32 in row-major order, decoded at each call into a fresh array. Integers above
   * 2^24 and float64 are rounded. Throws `WeightsError` when the stored bytes are damaged.
   */
  read(): Float32Array<ArrayBuffer>;
}

/** A weights file after its structure was checked; the numbers stay where they are until read. */
export interface Weights {
  /** What the file was called by the caller, for messages. */
  readonly name: string;
  readonly format: 'safetensors' | 'pytorch';
  readonly entries: ReadonlyMap<string, WeightEntry>;
  /** Text that came with the tensors: safetensors' metadata, or the scalars beside a state_dict. */
  readonly metadata: Readonly<Record<string, string>>;
  /** What was done to read it that a user may want to know, one sentence each. */
  readonly notes: readonly string[];
}
