/** Representative shapes for any kernel, from the letters of its spec: a new kernel needs no entry of its own. */
import { coreCaps } from '../../src/gpu/caps.js';
import { twiddleCount, twiddles } from '../../src/kernels/fft.js';
import type { AnyKernel } from '../../src/kernels/kernel.js';
import type { Ndarray } from './gpu.js';
import { random } from './numbers.js';

export interface KernelCase {
  readonly name: string;
  readonly kernel: AnyKernel;
  readonly reads: Readonly<Record<string, { readonly shape: readonly number[] }>>;
  readonly options: object;
}

type Sizes = Readonly<Record<string, number>>;

/** Size sets that agree with each other: P x Q is what an R x S filter with stride 1 and no padding leaves of H x W. */
const sizeSets: Readonly<Record<string, Sizes>> = {
  odd: {
    N: 2,
    C: 5,
    CG: 5,
    K: 3,
    KT: 3,
    H: 9,
    W: 7,
    R: 3,
    S: 3,
    P: 7,
    Q: 5,
    T: 5,
    D: 6,
    HEADS: 2,
    M: 6,
    B: 2,
    FH: 9,
    FW: 7,
  },
  even: {
    ...{ N: 8, C: 32, CG: 32, K: 32, KT: 32, H: 18, W: 18, R: 3, S: 3, P: 16, Q: 16 },
    ...{ T: 16, D: 32, HEADS: 4, M: 16, B: 4 },
  },
  point: {
    ...{ N: 1, C: 64, CG: 64, K: 16, KT: 16, H: 4, W: 4, R: 1, S: 1, P: 4, Q: 4 },
    ...{ T: 8, D: 64, HEADS: 1, M: 8, B: 1 },
  },
};

/** Sets that say something about convolutions alone. */
const convolutionSets: Readonly<Record<string, Sizes>> = {
  depthwise: { N: 1, C: 8, CG: 1, K: 8, KT: 8, H: 6, W: 11, R: 3, S: 3, P: 4, Q: 9 },
  few: { N: 1, C: 3, CG: 3, K: 16, KT: 16, H: 18, W: 18, R: 3, S: 3, P: 16, Q: 16 },
  wide: { N: 2, C: 68, CG: 68, K: 68, KT: 68, H: 5, W: 5, R: 2, S: 2, P: 4, Q: 4 },
};

const setsFor = ({ spec }: AnyKernel): [string, Sizes][] => {
  const isConvolution = Object.values(spec.reads).includes('K CG R S');
  return Object.entries(isConvolution ? { ...sizeSets, ...convolutionSets } : sizeSets);
};

/** Length of a tensor whose shape is `*`. */
const anyShape = (s: Sizes) => [s.N, s.C, s.H, s.W];

/** Every option that kernels of this library must be given; each takes those it knows. */
const options = (s: Sizes) => ({
  size: [s.R, s.S],
  stride: 1,
  inputSize: [s.H, s.W],
  outputSize: [s.P, s.Q],
  filterSize: [s.R, s.S],
  k: s.K,
  groups: s.C / s.CG,
  classes: s.C,
  copies: 4,
  first: true,
  mode: 'sum',
  heads: s.HEADS,
});

/** Columns of a real map's spectrum that the others mirror. */
const halfSpectrum = ({ W }: Sizes) => Math.floor(W / 2) + 1;

/** Masks from maps, or from a seed where no maps are given. */
const masks = (full: boolean) => ({ source: full ? 'maps' : 'rise', count: 3 });

/** Kernels whose options have other names, by kernel name. */
const special: Readonly<Record<string, (sizes: Sizes, full: boolean) => object>> = {
  resizeBilinear: ({ H, W }) => ({ outputSize: [3 * H, 4 * W] }),
  topK: ({ C }) => ({ k: Math.min(5, C) }),
  percentileRows: () => ({ percent: 70 }),
  digitCounts: () => ({ digit: 2 }),
  digitMove: () => ({ digit: 2 }),
  groupSum: ({ B }) => ({ groups: B }),
  selectedScores: ({ M }) => ({ total: M + 3 }),
  slicAssign: ({ S }) => ({ rows: S, columns: 1, compactness: 10 }),
  slicUpdate: ({ S }) => ({ rows: S, columns: 1 }),
  quickshiftDensity: () => ({ kernelSize: 1, ratio: 0.5 }),
  quickshiftParents: () => ({ kernelSize: 1, ratio: 0.5, maxDist: 3 }),
  rootLabels: () => ({ most: 5 }),
  ablateChannels: ({ K }) => ({ count: K - 1 }),
  copyRow: () => ({ count: 3 }),
  placeWindows: () => ({ window: [2, 3], stride: [1, 1], rows: 2, columns: 2 }),
  packRows: (sizes) => ({ offset: 3, total: anyShape(sizes).reduce((a, b) => a * b) + 5 }),
  multiscaleProduct: ({ K }) => ({ channels: K }),
  keepsClass: ({ T }) => ({ row: T - 1, rows: T }),
  areaGradient: ({ C }) => ({ kept: Math.ceil(C / 3) }),
  adamStep: () => ({ low: 0, high: 1 }),
  multiplyColumns: ({ C }) => ({ first: 1, count: C - 2 }),
  fftRows: (sizes) => ({ columns: halfSpectrum(sizes) }),
  fftRowsInverse: ({ W }) => ({ width: W }),
  fftColumnsFiltered: ({ W }) => ({ cutoff: 2, width: W }),
  maskSum: () => ({ start: true }),
  tokensToMaps: ({ T }) => ({ grid: [2, Math.floor((T - 1) / 2)], first: 1 }),
  mapsToTokens: ({ H, W }) => ({ tokens: H * W + 3, first: 2 }),
  tokenGather: ({ T }) => ({ token: T - 1 }),
  tokenGatherBackward: ({ T }) => ({ token: 1, tokens: T }),
  expandMasks: ({ P, Q }, full) => ({ ...masks(full), outputSize: [P, Q] }),
  maskedConv2d: (_, full) => masks(full),
  winogradFused: ({ K }, full) => ({ filters: K, pool: full }),
  winogradInput: () => ({ tile: 4, tiles: 20 }),
  winogradOutput: ({ N, K, P, Q }) => ({ tile: 4, images: N, filters: K, outputSize: [P, Q] }),
};

/** Cases of a kernel, one a size set, once with and once without the inputs it can do without. */
export function casesOf(kernel: AnyKernel): KernelCase[] {
  const spec = kernel.spec.reads as Readonly<Record<string, string>>;
  const names = Object.keys(spec);
  const hasOptional = names.some((name) => name.endsWith('?'));
  return setsFor(kernel).flatMap(([set, sizes]) =>
    (hasOptional ? [true, false] : [true]).map((full) => ({
      name: `${kernel.name} ${set}${full ? '' : ' bare'}`,
      kernel,
      reads: Object.fromEntries(
        names
          .filter((name) => full || !name.endsWith('?'))
          .map((name) => [
            name.replace('?', ''),
            { shape: shapeOf(kernel.name, spec[name], sizes) },
          ]),
      ),
      options: { ...options(sizes), ...special[kernel.name]?.(sizes, full) },
    })),
  );
}

function shapeOf(kernelName: string, letters: string, sizes: Sizes): number[] {
  if (letters === '*') return anyShape(sizes);
  const further: Sizes = {
    ...sizes,
    V: halfSpectrum(sizes),
    TW: twiddleCount(sizes.W),
    TH: twiddleCount(sizes.H),
    ...{ J: 5, NJ: 5 * sizes.N, E: sizes.T * sizes.N * sizes.K * 2 * 3 },
    ...{ QKV: 3 * sizes.D, EXTRA: 2, TT: 2 + sizes.H * sizes.W },
    ...{ A: 36, KB: Math.ceil(sizes.K / 16), TB: 2, CP: Math.ceil(sizes.C / 4) * 4, CT: sizes.C },
    ...{ I: sizes.N, F: 5, FH: sizes.FH ?? sizes.P, FW: sizes.FW ?? sizes.Q, L: 4 },
  };
  return letters.split(' ').map((letter) => {
    const size = /^\d+$/.test(letter) ? Number(letter) : further[letter];
    if (size === undefined) {
      throw new Error(`${kernelName}: letter ${letter} has no size: add it to kernel-cases.ts`);
    }
    return size;
  });
}

/**
 * Seeded elements for a case: f32 in [-1, 1), u32 of all sizes, but for inputs whose name says that other values make sense.
 */
export function inputsOf({ kernel, reads, options: given }: KernelCase): Record<string, Ndarray> {
  const { inputSize, classes } = given as ReturnType<typeof options>;
  const fitting: Readonly<Record<string, (v: number, i: number) => number>> = {
    positions: (v) => Math.floor(v * inputSize[0] * inputSize[1]),
    classes: (v) => Math.floor(v * classes),
    order: (v, i) => {
      if (reads.x) return Math.floor(v * reads.x.shape[1]);
      const [, K] = reads.order.shape; // places that are written to: each once
      return K - 1 - (i % K);
    },
    count: (v) => 1 + Math.floor(v * reads.order.shape[1]),
    parents: (v) => Math.floor(v * reads.parents.shape[1]),
    roots: (v) => Math.floor(v * reads.roots.shape[1]),
    labels: (v) => Math.floor(v * (reads.centres?.shape[1] ?? 3)),
    // Scales of 2 x 3 one after another.
    scales: (_, i) => [(Math.floor(i / 3) * reads.a.shape[0]) / reads.scales.shape[0], 2, 3][i % 3],
    // Every digit of a part starts where the part does: in range, and no two parts write to one place.
    starts: (_, i) => {
      const parts = reads.starts.shape[2];
      return (i % parts) * Math.ceil(reads.x.shape[1] / parts);
    },
    // The sides of the size sets are products of 2, 3, 5 and 7: their tables are twice as long.
    t: (_, i) => twiddles(reads.t.shape[0] / 2)[i],
    // The first masks of the first image; seeds of RISE's, half of whose cells are 1.
    at: (v, i) => (i < 2 ? 0 : Math.floor(i < 4 ? v * 2 ** 32 : 2 ** 31)),
    variance: (v) => v + 0.5,
    // A mat3 of twelve numbers: a little larger and shifted. Others' m are moments.
    m: (v, i) =>
      reads.m.shape.at(-1) === 12 ? [1.25, 0, 0, 0, 0, 0.75, 0, 0, v, -v, 1, 0][i % 12] : 2 * v - 1,
  };
  return Object.fromEntries(
    Object.entries(reads).map(([name, { shape }], index) => {
      const unit = random(shape, index + 1).data.map((v) => (v + 1) / 2);
      const isWhole = kernel.spec.dtypes?.[name] === 'u32';
      const fit = fitting[name] ?? ((v) => (isWhole ? Math.floor(v * 2 ** 32) : 2 * v - 1));
      return [
        name,
        { shape, data: isWhole ? Uint32Array.from(unit, fit) : Float32Array.from(unit, fit) },
      ];
    }),
  );
}

/** Names of the variants that can run a case. */
export const variantsOf = (c: KernelCase, caps = coreCaps): string[] =>
  c.kernel.variantsFor(c.reads, c.options, caps);

/** Whether an export is a kernel. */
export const isKernel = (value: unknown): value is AnyKernel =>
  typeof value === 'object' && value !== null && 'spec' in value && 'variantsFor' in value;
