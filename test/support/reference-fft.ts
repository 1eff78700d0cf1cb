/** Discrete Fourier transforms by their definition, in float64. */

/** Complex numbers as two arrays. */
export interface Complex {
  readonly re: Float64Array;
  readonly im: Float64Array;
}

/** X[k] = sum over j of x[j] exp(-sign 2 pi i j k / n) along an axis of [outer, n, inner]; not scaled. */
export function dft(x: Complex, [outer, n, inner]: readonly number[], sign = 1): Complex {
  const y = { re: new Float64Array(outer * n * inner), im: new Float64Array(outer * n * inner) };
  const cos = Float64Array.from({ length: n }, (_, k) => Math.cos((2 * Math.PI * k) / n));
  const sin = Float64Array.from({ length: n }, (_, k) => -sign * Math.sin((2 * Math.PI * k) / n));
  for (let o = 0; o < outer; o++)
    for (let k = 0; k < n; k++)
      for (let i = 0; i < inner; i++) {
        const to = (o * n + k) * inner + i;
        for (let j = 0; j < n; j++) {
          const at = (o * n + j) * inner + i;
          const angle = (j * k) % n;
          y.re[to] += x.re[at] * cos[angle] - x.im[at] * sin[angle];
          y.im[to] += x.re[at] * sin[angle] + x.im[at] * cos[angle];
        }
      }
  return y;
}

/** Rows, then columns, of [N, H, W]; not scaled. */
export const dft2 = (x: Complex, [N, H, W]: readonly number[], sign = 1): Complex =>
  dft(dft(x, [N * H, W, 1], sign), [N, H, W], sign);

/** Real numbers as complex ones. */
export const real = (x: ArrayLike<number>): Complex => ({
  re: Float64Array.from(x),
  im: new Float64Array(x.length),
});

/** Pairs (re, im) as complex numbers. */
export const unpaired = (x: ArrayLike<number>): Complex => {
  const half = (first: number) =>
    Float64Array.from({ length: x.length / 2 }, (_, i) => x[2 * i + first]);
  return { re: half(0), im: half(1) };
};

/** Complex numbers as pairs (re, im). */
export const paired = ({ re, im }: Complex): Float64Array =>
  Float64Array.from({ length: 2 * re.length }, (_, i) => (i % 2 ? im : re)[Math.floor(i / 2)]);

/** The ideal low-pass filter by its definition: shift 0 to the centre, keep what lies within the cutoff, shift back, invert. */
export function idealLowPass(
  x: ArrayLike<number>,
  [N, H, W]: readonly number[],
  cutoff: number,
): Float64Array {
  const spectrum = dft2(real(x), [N, H, W]);
  const [top, left] = [Math.floor(H / 2), Math.floor(W / 2)];
  for (let n = 0; n < N; n++)
    for (let a = 0; a < H; a++)
      for (let b = 0; b < W; b++) {
        // (a, b) of the shifted spectrum is (u, v) of the spectrum itself.
        const [u, v] = [(a + H - top) % H, (b + W - left) % W];
        if (Math.hypot(a - top, b - left) <= cutoff) continue;
        spectrum.re[(n * H + u) * W + v] = 0;
        spectrum.im[(n * H + u) * W + v] = 0;
      }
  return dft2(spectrum, [N, H, W], -1).re.map((v) => v / (H * W));
}
