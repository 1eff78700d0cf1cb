import { WeightsError } from '../../errors.js';
import { withoutPrefix } from './names.js';
import { listed, quote } from './text.js';
import type { WeightEntry, Weights } from './types.js';

/** How `matchWeights` may bend. */
export interface MatchOptions {
  /** The network's name, for messages. */
  readonly network?: string;
  /** True for a tensor of the file that the network may leave unused; counters of batch norms always may. */
  readonly ignore?: (name: string) => boolean;
}

/**
 * The file's tensor for every name in `expected` (name to shape). A prefix that all the file's names share
 * (`model.`) is dropped when the rest then fits. Throws one `WeightsError` that lists every missing, extra
 * and misshapen tensor, long lists shortened with their counts, and says when only the number of classes differs.
 */
export function matchWeights(
  weights: Weights,
  expected: ReadonlyMap<string, readonly number[]>,
  options: MatchOptions = {},
): Map<string, WeightEntry> {
  const entries = alignPrefix(weights.entries, (name) => expected.has(name));
  const matched = new Map<string, WeightEntry>();
  const missing: string[] = [];
  const misshapen: Misshapen[] = [];
  for (const [name, shape] of expected) {
    const entry = entries.get(name);
    if (!entry) missing.push(name);
    else if (sameShape(entry.shape, shape)) matched.set(name, entry);
    else misshapen.push({ name, got: entry.shape, expected: shape });
  }
  const unused = (name: string) =>
    !expected.has(name) && !/(?:^|\.)num_batches_tracked$/.test(name) && !options.ignore?.(name);
  const extra = [...entries.keys()].filter(unused);
  if (missing.length + extra.length + misshapen.length === 0) return matched;

  const network = options.network ?? 'the network';
  const faults: string[] = [];
  if (missing.length > 0) faults.push(`${missing.length} missing (${names(missing)})`);
  if (extra.length > 0) faults.push(`${extra.length} extra (${names(extra)})`);
  if (misshapen.length > 0) {
    const shown = misshapen.map(
      ({ name, got, expected }) => `${quote(name)} is [${got}], expected [${expected}]`,
    );
    faults.push(`${misshapen.length} misshapen (${listed(shown)})`);
  }
  const hint = hintFor({ missing, extra, misshapen, matched, network });
  throw new WeightsError(
    `${weights.name} does not fit ${network}: ${faults.join('; ')}${hint ? `. ${hint}` : ''}`,
  );
}

interface Misshapen {
  readonly name: string;
  readonly got: readonly number[];
  readonly expected: readonly number[];
}

const names = (list: readonly string[]) => listed(list.map(quote));

const sameShape = (a: readonly number[], b: readonly number[]) =>
  a.length === b.length && a.every((size, i) => size === b[i]);

/** Entries without the prefix that all share, if the rest is then known: Lightning and others keep the network as an attribute, `model.conv1.weight`. */
export function alignPrefix(
  entries: ReadonlyMap<string, WeightEntry>,
  isKnown: (name: string) => boolean,
): ReadonlyMap<string, WeightEntry> {
  const [first] = entries.keys();
  const prefix = first?.slice(0, first.indexOf('.') + 1);
  if (!prefix) return entries;
  const found = [...entries.keys()];
  if (found.some((name) => !name.startsWith(prefix) || isKnown(name))) return entries;
  const renamed = withoutPrefix(entries, prefix);
  return [...renamed.keys()].some(isKnown) ? renamed : entries;
}

function hintFor(difference: {
  missing: readonly string[];
  extra: readonly string[];
  misshapen: readonly Misshapen[];
  matched: ReadonlyMap<string, WeightEntry>;
  network: string;
}): string | undefined {
  const { missing, extra, misshapen, matched, network } = difference;
  if (missing.length === 0 && misshapen.length > 0) {
    // A classifier's weight and bias count the classes first.
    const [{ got, expected }] = misshapen;
    const classes = misshapen.every(
      (m) =>
        m.got[0] === got[0] &&
        m.expected[0] === expected[0] &&
        sameShape(m.got.slice(1), m.expected.slice(1)),
    );
    // Where another tensor has as many rows as are asked for, two heads of one file disagree.
    const agree = [...matched.values()].every(({ shape }) => shape[0] !== expected[0]);
    if (classes && agree && misshapen.length <= 4 && got.length > 0) {
      return `These weights are for ${got[0]} classes: build ${network} for as many, with \`classes\` of Net.from or Net.describe`;
    }
  }
  if (matched.size + misshapen.length === 0 && missing.length > 0 && extra.length > 0) {
    return "No name agrees: the weights of another network, or of another library's version of it";
  }
  return undefined;
}
