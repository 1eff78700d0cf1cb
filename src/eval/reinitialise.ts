import type { ParamSource } from '../net/params.js';

/**
 * What a parameter was before training: values that say nothing of what the network has learnt.
 *
 * - weights of two dimensions and more (convolutions, linear layers, attention): He's uniform distribution, K. He et al., "Delving Deep into
 *   Rectifiers", ICCV 2015, equation 10: variance 2 / fan-in, so that activations keep their size through any number of layers;
 * - biases and running means 0, a norm's weight and running variance 1;
 * - what is left (class tokens, position embeddings): uniform of standard deviation 0.02.
 *
 * Uniform where others take a normal distribution of the same variance, so that no logarithm is needed, whose last bits differ between engines.
 * Each value is a function of seed, name and index alone: a parameter gets the same values whatever else is randomised, on any device.
 *
 * @param name full name: `features.0.weight`
 * @param seed any text
 */
export function reinitialised(name: string, shape: readonly number[], seed: string): ParamSource {
  return { shape, read: () => initialValues(name, shape, seed) };
}

function initialValues(name: string, shape: readonly number[], seed: string): Float32Array {
  const size = shape.reduce((a, b) => a * b, 1);
  const values = new Float32Array(size);
  const leaf = name.slice(name.lastIndexOf('.') + 1);
  if (leaf.endsWith('bias') || leaf === 'running_mean') return values;
  const isWeight = leaf.endsWith('weight');
  if (leaf === 'running_var' || (isWeight && shape.length < 2)) return values.fill(1);
  // A uniform distribution on -r .. r has the variance r^2 / 3.
  const reach = isWeight ? Math.sqrt(6 / (size / shape[0])) : 0.02 * Math.sqrt(3);
  const key = hashText(`${seed}:${name}`);
  for (let i = 0; i < size; i++) values[i] = reach * (2 * unit(i, key) - 1);
  return values;
}

/** Number `i` of a stream, in 0..1 (both excluded): the counter, keyed and mixed twice. */
const unit = (i: number, key: number): number => (mix(mix(i ^ key) + key) + 0.5) / 4294967296;

/** A bijection of 32 bits in which each bit of the result depends on each of `value`. */
function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return (h ^ (h >>> 16)) >>> 0;
}

/** FNV-1a, mixed. */
function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return mix(hash);
}
