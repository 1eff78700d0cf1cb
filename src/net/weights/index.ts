/**
 * Weights from files: what they hold, checked before anything is allocated, whoever made them.
 */
import { dropPrefixes } from './names.js';
import { parsePytorch } from './pytorch.js';
import { recognise } from './recognise.js';
import { parseSafetensors } from './safetensors.js';
import { quote } from './text.js';
import type { Weights } from './types.js';

export type { Dtype as WeightDtype } from './dtype.js';
export {
  browserCache,
  type FetchWeightsOptions,
  fetchWeights,
  sha256,
  type WeightsCache,
} from './fetch.js';
export { type MatchOptions, matchWeights } from './match.js';
export { encodeSafetensors, type TensorToEncode } from './safetensors.js';
export type { WeightEntry, Weights } from './types.js';

/**
 * The tensors in `bytes`, a `.safetensors` file or what `torch.save` writes since PyTorch 1.6; told apart by
 * content. `name` stands for the file in messages. Keep `bytes` unchanged as long as entries are read: they are
 * views. A prefix that a wrapper put before every name (`module.`, `_orig_mod.`) is dropped and noted. Throws
 * `WeightsError` for anything damaged, hostile or of another format.
 */
export function parseWeights(bytes: Uint8Array, options: { readonly name?: string } = {}): Weights {
  const name = options.name ?? 'weights';
  // A Node Buffer overrides slice; from here on it is a plain array over the same memory.
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const zip = recognise(plain, name) === 'zip';
  const parsed = zip ? parsePytorch(plain, name) : { ...parseSafetensors(plain, name), notes: [] };
  const { entries, dropped } = dropPrefixes(parsed.entries);
  return {
    name,
    format: zip ? 'pytorch' : 'safetensors',
    entries,
    metadata: parsed.metadata,
    notes: [
      ...parsed.notes,
      ...dropped.map((prefix) => `Dropped the prefix ${quote(prefix)} of every name.`),
    ],
  };
}
