import type { SanityResult, Similarity } from './sanity.js';

/** The names of the measures, in the order of tables. */
export const measures = ['spearman', 'signedSpearman', 'ssim', 'hog'] as const;

/** What {@link sanityVerdict} says. */
export interface SanityVerdict {
  /**
   * By measure: what the maps keep of their likeness to the trained network's while the network loses what it has learnt. Mean over the steps
   * (the area under the curve over depth), less what mirror images of the map have by chance, as a share of what is left to 1. 1 is a method
   * that ignores the weights, 0 and less one whose maps become like any other.
   */
  readonly kept: Similarity;
  /** The measure that keeps most. */
  readonly most: (typeof measures)[number];
  /** Whether no measure keeps half. */
  readonly passes: boolean;
}

/** From this share on, a method fails. */
export const keptLimit = 0.5;

/** Fewer maps than these give no verdict. */
export const fewestMaps = 4;

/**
 * Whether a method passes the cascading randomisation: none of the measures may keep half ({@link keptLimit}) of the likeness to the trained
 * network's map, on average from the first random layer to all of them, above chance.
 *
 * J. Adebayo et al. read their curves and pictures by eye; this is a reading of the same curves by rule. Neither end of them would do: with all
 * layers random every method's map is another on some networks, and with only the classifier random the magnitude of a plain gradient still
 * follows the features. Chance is taken off because maps that are mostly dark, or bright in the middle, are alike without telling the same. The
 * signed correlation counts beside that of magnitudes: a map whose signs stay does not depend on the class.
 *
 * @returns undefined for independent randomisation (most layers still know what they have learnt), and if fewer than {@link fewestMaps}
 *   trained maps show anything: one map with its heat in the middle is its own mirror image, and nothing can be said of it
 */
export function sanityVerdict({
  mode,
  steps,
  chance,
  blank,
}: Pick<SanityResult, 'mode' | 'steps' | 'chance' | 'blank'>): SanityVerdict | undefined {
  if (mode !== 'cascading' || blank.filter((none) => !none).length < fewestMaps) return undefined;
  const kept: Partial<Record<(typeof measures)[number], number>> = {};
  for (const measure of measures) {
    const values = steps.flatMap(({ mean }) => mean[measure] ?? []);
    const byChance = chance[measure];
    if (values.length === 0 || byChance === undefined) continue;
    const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
    // A map that is its own mirror image is alike by chance as it is: nothing is left to keep.
    kept[measure] = byChance < 1 - 1e-9 ? (mean - byChance) / (1 - byChance) : 0;
  }
  const most = measures.reduce((a, b) => ((kept[b] ?? -Infinity) > (kept[a] ?? -Infinity) ? b : a));
  return { kept: kept as unknown as Similarity, most, passes: (kept[most] ?? 0) < keptLimit };
}
