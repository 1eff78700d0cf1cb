/** Standard normal distribution up to v in float64: a series near 0, a continued fraction in the tails. */
export function distribution(v: number): number {
  const a = Math.abs(v);
  if (a < 3) {
    let [term, sum] = [a, a];
    for (let k = 1; k < 80; k++) {
      term *= (a * a) / (2 * k + 1);
      sum += term;
    }
    return 0.5 + Math.sign(v) * density(v) * sum;
  }
  let fraction = a;
  for (let k = 120; k > 0; k--) fraction = a + k / fraction;
  const tail = density(v) / fraction;
  return v > 0 ? 1 - tail : tail;
}

/** Its density. */
export const density = (v: number) => Math.exp((-v * v) / 2) / Math.sqrt(2 * Math.PI);

/** Gaussian error linear unit. */
export const gelu = (v: number): number => v * distribution(v);
