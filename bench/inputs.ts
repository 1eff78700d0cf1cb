import type { Sizes } from '../src/kernels/kernel.js';
import type { KernelCase } from './cases.js';

/** Seeded uniform numbers in [-1, 1): a hash of the index. */
export function random(size: number, seed: number): Float32Array {
  const data = new Float32Array(size);
  for (let i = 0; i < size; i++) {
    let h = Math.imul(i + 1, 0x9e3779b1) ^ Math.imul(seed, 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
    h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
    data[i] = ((h ^ (h >>> 16)) >>> 0) / 2 ** 31 - 1;
  }
  return data;
}

/**
 * Seeded elements for an input of a case.
 *
 * @param sizes the plan's: where a max pooling's maxima lie depends on its windows
 */
export function inputFor(c: KernelCase, name: string, sizes: Sizes): Float32Array | Uint32Array {
  const shape = c.reads[name];
  const size = shape.reduce((a, b) => a * b, 1);
  if (c.kernel.spec.dtypes?.[name] !== 'u32') {
    return random(size, 1 + Object.keys(c.reads).indexOf(name));
  }
  if (name !== 'positions') throw new Error(`bench: no rule for the u32 input ${name} of ${c.id}`);
  return firstOfWindows(size, sizes);
}

/** The places of the maxima if each were the first element of its window. */
function firstOfWindows(size: number, { H, W, P, Q, SH, SW, PH, PW }: Sizes): Uint32Array {
  const map = new Uint32Array(P * Q);
  for (let p = 0; p < P; p++) {
    for (let q = 0; q < Q; q++) {
      const h = Math.min(Math.max(0, p * SH - PH), H - 1);
      const w = Math.min(Math.max(0, q * SW - PW), W - 1);
      map[p * Q + q] = h * W + w;
    }
  }
  return Uint32Array.from({ length: size }, (_, i) => map[i % (P * Q)]);
}
