import type { ParamSource } from '../../src/net/params.js';
import { gainOf, hashWeights } from '../../test/support/hash-weights.js';
import { random } from '../inputs.js';
import type { PeerCase } from './cases.js';
import { stepsOf } from './steps.js';

/** The numbers that all peers compute a case with. */
export interface Material {
  /** The case's input. */
  readonly input: Float32Array;
  /** Weights by name; each is made when first read, then kept. */
  readonly weights: ReadonlyMap<string, ParamSource>;
}

/** Seeded numbers for a case: the same everywhere, without a download. */
export function materialOf(c: PeerCase): Material {
  const input = random(
    c.input.reduce((a, b) => a * b),
    1,
  );
  if (c.special) return { input, weights: new Map() };
  const { graph } = stepsOf(c);
  const sources = hashWeights(graph, gainOf(c.network?.name ?? ''));
  return { input, weights: new Map([...sources].map(([name, source]) => [name, kept(source)])) };
}

function kept({ shape, read }: ParamSource): ParamSource {
  let values: ReturnType<typeof read> | undefined;
  return {
    shape,
    read: () => {
      values ??= read();
      return values;
    },
  };
}

/** A matrix with its rows as columns. */
export function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) out[c * rows + r] = values[r * columns + c];
  }
  return out;
}
