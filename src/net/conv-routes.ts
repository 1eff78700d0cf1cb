import type { Caps } from '../gpu/caps.js';
import type { Fork, Operand, Route } from '../gpu/fork.js';
import { bytesOf, sizeOf } from '../gpu/tensor.js';
import type { Value } from '../gpu/value.js';
import { matrixPays, outputLength, pair } from '../kernels/conv-shape.js';
import { type Conv2dOptions, conv2d } from '../kernels/conv2d.js';
import {
  type Conv2dBackwardInputOptions,
  conv2dBackwardInput,
} from '../kernels/conv2d-backward-input.js';
import { hasMatrices } from '../kernels/matrix-variant.js';
import { type WinogradOptions, winogradConv2d, winogradFilterShape } from '../kernels/winograd.js';
import { isForWinograd, type WinogradTile, winogradTileFor } from '../kernels/winograd-shape.js';
import type { ConvWeights } from './conv-weights.js';

/** What routes of a convolution read: its input, weight and bias, and the weight as Winograd's filters. */
type Reads = 'x' | 'w' | 'b' | 'u2' | 'u4';

/** A convolution forward, y: directly, or by Winograd's tiles where its filters allow them. */
export function forwardRoutes(
  caps: Caps,
  x: Value,
  weights: ConvWeights,
  options: Conv2dOptions,
): Fork<Reads> {
  const { hasBias } = weights;
  const direct: Route<Reads> = {
    name: 'direct',
    record: (recorder, read, into) => {
      const reads = { x: read('x'), w: read('w'), b: hasBias ? read('b') : undefined };
      return recorder.k(conv2d, reads, options, { into });
    },
  };
  return routesOf('convolution', caps, { x, weights, options, hasBias, direct, turned: false });
}

/** The gradient of a convolution by its input, dx: directly, or as the convolution of dy with the filters turned round that it is. */
export function backwardRoutes(
  caps: Caps,
  dy: Value,
  weights: ConvWeights,
  options: Conv2dBackwardInputOptions,
): Fork<Reads> {
  const direct: Route<Reads> = {
    name: 'direct',
    record: (recorder, read, into) =>
      recorder.k(conv2dBackwardInput, { dy: read('x'), w: read('w') }, options, { into }),
  };
  const { stride, dilation, groups } = options;
  const [PH, PW] = pair(options.pad ?? 0);
  return routesOf('convolutionBackwardInput', caps, {
    ...{ x: dy, weights, hasBias: false, direct, turned: true },
    options: { stride, dilation, groups, pad: [2 - PH, 2 - PW] },
  });
}

interface Convolution {
  readonly x: Value;
  readonly weights: ConvWeights;
  /** Of the convolution with the filters as they are, or turned. */
  readonly options: Conv2dOptions;
  readonly hasBias: boolean;
  readonly turned: boolean;
  readonly direct: Route<Reads>;
}

function routesOf(
  name: string,
  caps: Caps,
  { x, weights, options, hasBias, turned, direct }: Convolution,
): Fork<Reads> {
  const { shape } = weights;
  const [K, C] = turned ? [shape[1], shape[0]] : shape;
  const filters = [K, C, ...shape.slice(2)];
  const [N, , H, W] = x.shape;
  const [PH, PW] = pair(options.pad ?? 0);
  const isFused = (tile: WinogradTile) => tile === 2 && caps.kind === 'gpu';
  // Only one dispatch can pool what it writes, and only its sums, which F(4 x 4) makes up to 100 times their terms, are never stored in 16 bits.
  const inSteps = x.dtype === 'f32' && !options.pool;
  const byTiles = isForWinograd(x.shape, filters, options)
    ? tiles.filter((tile) => inSteps || isFused(tile))
    : [];
  const { maxStorageBufferBindingSize: most } = caps.limits;
  const tiled = byTiles
    .filter((tile) => bytesOf(x.dtype) * sizeOf(winogradFilterShape(K, C, tile)) <= most)
    .map((tile) => ({
      ...winograd(tile, { ...optionsOfTiles(options), tile, filters: K }, hasBias),
      // Its transformations have no variant made for a CPU: there it took ten times as long as any other way, or more.
      isLong: tile === 2 && caps.kind === 'software',
    }));
  const automatic =
    !turned && isForMatrices(caps, x, filters, [PH, PW])
      ? 'direct'
      : `winograd${winogradTileFor(caps, x.shape, filters, options)}`;
  const first = tiled.find((route) => route.name === automatic) ?? direct;
  const u = (tile: WinogradTile): Operand => ({
    shape: winogradFilterShape(K, C, tile),
    make: () => weights.filters(tile, turned),
  });
  return {
    name,
    // Those that pool have fewer routes: a class of their own.
    sizes: { N, C, K, H, W, PH, PW, POOL: options.pool ? 1 : 0 },
    reads: {
      x: { shape: x.shape, make: () => x },
      w: { shape, make: () => weights.w },
      ...(hasBias && { b: { shape: [K], make: () => weights.b! } }),
      u2: u(2),
      u4: u(4),
    },
    routes: [first, ...[direct, ...tiled].filter((route) => route !== first)],
  };
}

/**
 * Whether a convolution that tiles can compute goes directly all the same, as a device multiplies its 16-bit elements as matrices. Not measured: tiles have 4/9 of the
 * multiplications, but in 32 bits and one by one. Like them it is chosen by the sizes of one image: what comes out does not change with the batch.
 */
function isForMatrices(
  caps: Caps,
  { shape: [, , H, W], dtype }: Value,
  [K, CG, R, S]: readonly number[],
  [PH, PW]: readonly [number, number],
): boolean {
  if (dtype !== 'f16' || !hasMatrices(caps, dtype)) return false;
  const [P, Q] = [outputLength(H, R, 1, PH), outputLength(W, S, 1, PW)];
  return matrixPays({ N: 1, K, CG, R, S, P, Q, GROUPED: 1 });
}

/** Both are accurate enough to be taken by themselves: relative L2 below 2e-5. */
const tiles: readonly WinogradTile[] = [4, 2];

/** What is left to tell where there is no stride, dilation or group. */
const optionsOfTiles = ({ stride, dilation, groups, ...options }: Conv2dOptions) => options;

const winograd = (
  tile: WinogradTile,
  options: WinogradOptions,
  hasBias: boolean,
): Route<Reads> => ({
  name: `winograd${tile}`,
  record: (recorder, read, into) => {
    const reads = { x: read('x'), u: read(`u${tile}`), b: hasBias ? read('b') : undefined };
    return winogradConv2d(recorder, reads, options, into);
  },
});
