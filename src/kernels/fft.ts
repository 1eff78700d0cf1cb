import { ShapeError } from '../errors.js';
import type { Sizes, Variant } from './kernel.js';

/** Longest side that the transforms take: 2048 complex numbers of 8 bytes are the 16 KiB of workgroup memory that every device has. */
export const maxFftSide = 2048;

/** How a side is transformed. */
interface FftPlan {
  /** Points that the stages work on: the side itself, or those of Bluestein's convolution. */
  readonly points: number;
  readonly radices: readonly number[];
  /** Passes of `points` that Bluestein's convolution takes; 0 where the side is a product of 2, 3, 5 and 7. */
  readonly halves: number;
}

/** The plan of a side from 1 to 2048. Throws ShapeError for another. */
export function fftPlan(side: number): FftPlan {
  if (!Number.isInteger(side) || side < 1 || side > maxFftSide) {
    throw new ShapeError(
      `fft: a side is ${side}, should be a whole number from 1 to ${maxFftSide}: resize the map`,
    );
  }
  const radices: number[] = [];
  let rest = side;
  // Fours before twos: a stage is a barrier, and one of radix 4 does the work of two.
  for (const radix of [7, 5, 4, 3, 2]) {
    for (; rest % radix === 0; rest /= radix) radices.push(radix);
  }
  if (rest === 1) return { points: side, radices, halves: 0 };
  // A power of two that holds the convolution; one that workgroup memory cannot hold is done as two halves.
  const whole = 2 ** Math.ceil(Math.log2(2 * side - 1));
  const points = Math.min(whole, maxFftSide);
  return { points, radices: fftPlan(points).radices, halves: whole / points };
}

/** Number of complex numbers in {@link twiddles} of a side. Throws ShapeError for a side outside 1 to 2048. */
export function twiddleCount(side: number): number {
  const { points, halves } = fftPlan(side);
  return halves === 0 ? 2 * points : points + halves * (2 * side + points);
}

/**
 * What the transforms of a side read: pairs of float32, computed in float64, shape [TW,2] with TW of {@link twiddleCount}.
 *
 * First exp(-2 pi i j / P) for j < P, the points of the stages. For a side that is a product of 2, 3, 5 and 7 there follow, for each
 * index, the place of that frequency behind the stages and the frequency at that place. For other sides there follow, for each half of
 * Bluestein's convolution, the factors on the way in, those on the way out, and the spectrum it multiplies with.
 *
 * @throws ShapeError for a side outside 1 to 2048.
 */
export function twiddles(side: number): Float32Array {
  const { points, radices, halves } = fftPlan(side);
  const table = new Float32Array(2 * twiddleCount(side));
  let at = 0;
  const add = (re: number, im: number) => {
    table[at++] = re;
    table[at++] = im;
  };
  for (let j = 0; j < points; j++) add(...turn(-j, points));
  const frequencies = frequencyOrder(points, radices);
  if (halves === 0) {
    const places = new Array<number>(points);
    frequencies.forEach((frequency, place) => {
      places[frequency] = place;
    });
    for (let i = 0; i < points; i++) add(places[i], frequencies[i]);
    return table;
  }

  const whole = halves * points;
  // exp(-i pi j j / side); j j is reduced while it is a whole number, so that no digit is lost.
  const chirp = (j: number) => turn(-((j * j) % (2 * side)), 2 * side);
  const spectrum = chirpSpectrum(side, whole);
  for (let half = 0; half < halves; half++) {
    for (const direction of [1, -1]) {
      for (let j = 0; j < side; j++) {
        const [re, im] = chirp(j);
        const [c, s] = turn(-direction * half * j, whole);
        add(re * c - im * s, re * s + im * c);
      }
    }
    for (const frequency of frequencies) {
      const k = halves * frequency + half;
      add(spectrum.re[k] / whole, spectrum.im[k] / whole);
    }
  }
  return table;
}

/** exp(2 pi i j / n), exact where it is 0, 1 or -1. */
function turn(j: number, n: number): [number, number] {
  const eighths = (8 * j) / n;
  if (Number.isInteger(eighths / 2)) {
    const quarter = (((eighths / 2) % 4) + 4) % 4;
    return [
      [1, 0],
      [0, 1],
      [-1, 0],
      [0, -1],
    ][quarter] as [number, number];
  }
  const angle = (2 * Math.PI * j) / n;
  return [Math.cos(angle), Math.sin(angle)];
}

/** The frequency at each place behind the stages: within the k-th of `radix` parts are those that leave k over. */
function frequencyOrder(points: number, radices: readonly number[]): number[] {
  return Array.from({ length: points }, (_, place) => {
    let [frequency, weight, span, rest] = [0, 1, points, place];
    for (const radix of radices) {
      span /= radix;
      frequency += Math.floor(rest / span) * weight;
      rest %= span;
      weight *= radix;
    }
    return frequency;
  });
}

/** Spectrum of exp(i pi j j / side), |j| < side, around a circle of `whole` (a power of two) points. */
function chirpSpectrum(side: number, whole: number) {
  const re = new Float64Array(whole);
  const im = new Float64Array(whole);
  for (let j = 0; j < side; j++) {
    const [c, s] = turn((j * j) % (2 * side), 2 * side);
    for (const i of [j, (whole - j) % whole]) {
      re[i] = c;
      im[i] = s;
    }
  }
  return transform(re, im);
}

/** The spectrum of a power of two points, by halving. */
function transform(re: Float64Array, im: Float64Array): { re: Float64Array; im: Float64Array } {
  const n = re.length;
  if (n === 1) return { re, im };
  const m = n / 2;
  const every = (a: Float64Array, first: number) =>
    Float64Array.from({ length: m }, (_, j) => a[2 * j + first]);
  const even = transform(every(re, 0), every(im, 0));
  const odd = transform(every(re, 1), every(im, 1));
  const out = { re: new Float64Array(n), im: new Float64Array(n) };
  for (let k = 0; k < m; k++) {
    const [c, s] = turn(-k, n);
    const a = odd.re[k] * c - odd.im[k] * s;
    const b = odd.re[k] * s + odd.im[k] * c;
    out.re[k] = even.re[k] + a;
    out.im[k] = even.im[k] + b;
    out.re[k + m] = even.re[k] - a;
    out.im[k + m] = even.im[k] - b;
  }
  return out;
}

/** Constants of the stages for a side; `table` is the number of complex numbers given as `t`. Throws ShapeError if it is another side's. */
export function fftConstants(kernelName: string, side: number, table: number) {
  const { points, radices, halves } = fftPlan(side);
  if (table !== twiddleCount(side)) {
    throw new ShapeError(
      `${kernelName}: t [${table},2] should be [${twiddleCount(side)},2]: twiddles(${side})`,
    );
  }
  return {
    P: points,
    FACTORS: radices.reduce((code, radix, k) => code + radix * 16 ** k, 0),
    STAGES: radices.length,
    CHIRP: halves > 0 ? 1 : 0,
    HALVES: halves,
  };
}

/** Operations of a line's transform. */
export const fftFlops = ({ P, HALVES }: Sizes): number =>
  Math.round((HALVES > 0 ? 2 * HALVES : 1) * 5 * P * Math.log2(P));

/**
 * Variants of a kernel that transforms `count(sizes)` lines, each group of them in the memory of one workgroup. On a CPU barriers are dear, and
 * what a pipeline takes to compile grows with its workgroup's memory: four invocations, one line.
 */
export function fftVariants(code: string, count: (sizes: Sizes) => number): readonly Variant[] {
  const groups = (sizes: Sizes) => Math.ceil(count(sizes) / sizes.LINES);
  return [
    {
      name: 'narrow',
      code,
      on: 'software',
      tuning: ({ P, CHIRP }) => ({
        LINES: 1,
        GX: CHIRP === 1 ? Math.max(4, P / chirpShare) : 4,
      }),
      groups,
    },
    {
      name: 'stages',
      code,
      tuning: ({ P, CHIRP }) => {
        // Four neighbouring columns are 32 bytes: what memory hands out at once.
        const LINES = Math.max(1, Math.min(4, 2 ** Math.floor(Math.log2(maxFftSide / P))));
        const elements = P * LINES;
        return { LINES, GX: CHIRP === 1 || elements >= 1024 ? maxFftSide / chirpShare : 64 };
      },
      groups,
    },
  ];
}

/** Numbers that an invocation keeps in registers during Bluestein's convolution: 256 invocations hold the longest. */
const chirpShare = 8;
