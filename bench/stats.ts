/** The middle of the values, or the mean of the two middle ones. NaN of none. */
export function median(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** (largest - smallest) / median. */
export function spread(values: readonly number[]): number {
  return (Math.max(...values) - Math.min(...values)) / median(values);
}

/** ||y - ref|| / ||ref||; infinite where the lengths differ or either has a number that is not finite. */
export function relativeL2(y: ArrayLike<number>, reference: ArrayLike<number>): number {
  if (y.length !== reference.length) return Number.POSITIVE_INFINITY;
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < y.length; i++) {
    difference += (y[i] - reference[i]) ** 2;
    norm += reference[i] ** 2;
  }
  const ratio = norm === 0 ? Math.sqrt(difference) : Math.sqrt(difference / norm);
  return Number.isFinite(ratio) ? ratio : Number.POSITIVE_INFINITY;
}
