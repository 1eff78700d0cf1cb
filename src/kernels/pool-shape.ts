import { ShapeError } from '../errors.js';
import { outputLength, type Pair, pair } from './conv-shape.js';
import type { Sizes } from './kernel.js';

export interface PoolOptions {
  /** Window size. */
  readonly size: Pair;
  /** Step between windows; the window size by default. */
  readonly stride?: Pair;
  /** Padding on every side, at most half the window; never the maximum, see `countIncludePad` for means. */
  readonly pad?: Pair;
  /** Whether a last window may reach past the padded map, as long as it starts within the map or its leading padding. */
  readonly ceilMode?: boolean;
}

export interface MaxPoolOptions extends PoolOptions {
  /** Step between the elements of a window. */
  readonly dilation?: Pair;
}

/** Whether a pooling's windows are 2 x 2 side by side, a last odd row or column left out: what convolutions can write by themselves. */
export function halves({ size, stride, pad, dilation, ceilMode }: MaxPoolOptions): boolean {
  const is = (value: Pair, wanted: number) => pair(value).every((v) => v === wanted);
  return (
    is(size, 2) && is(stride ?? size, 2) && is(pad ?? 0, 0) && is(dilation ?? 1, 1) && !ceilMode
  );
}

/**
 * Checks a pooling's geometry and names its constants: `R S` window, `P Q` output sizes, `SH SW` strides, `PH PW` padding,
 * `DH DW` dilation. PyTorch's rules.
 *
 * @throws ShapeError where an option is out of range, the map too small, or a window would hold padding only.
 */
export function poolGeometry(kernelName: string, { H, W }: Sizes, options: MaxPoolOptions) {
  if (options.size === undefined) {
    throw new ShapeError(
      `${kernelName}: option size is missing: the window's side, or [height, width]`,
    );
  }
  const sides = pair(options.size);
  const strides = pair(options.stride ?? options.size);
  const pads = pair(options.pad ?? 0);
  const dilations = pair(options.dilation ?? 1);
  const along = (axis: 0 | 1, input: number) => {
    const [size, stride, pad, dilation] = [sides[axis], strides[axis], pads[axis], dilations[axis]];
    for (const [what, value, least] of [
      ['size', size, 1],
      ['stride', stride, 1],
      ['pad', pad, 0],
      ['dilation', dilation, 1],
    ] as const) {
      if (!Number.isInteger(value) || value < least) {
        throw new ShapeError(
          `${kernelName}: ${what} is ${value}, should be a whole number of at least ${least}`,
        );
      }
    }
    if (2 * pad > size) {
      throw new ShapeError(
        `${kernelName}: pad ${pad} should be at most half the window of ${size}`,
      );
    }
    return outputCount(kernelName, input, size, stride, pad, dilation, options.ceilMode ?? false);
  };
  const [P, Q] = [along(0, H), along(1, W)];
  const [[R, S], [SH, SW], [PH, PW], [DH, DW]] = [sides, strides, pads, dilations];
  return { R, S, P, Q, SH, SW, PH, PW, DH, DW };
}

function outputCount(
  kernelName: string,
  input: number,
  size: number,
  stride: number,
  pad: number,
  dilation: number,
  ceilMode: boolean,
): number {
  let count = outputLength(input + (ceilMode ? stride - 1 : 0), size, stride, pad, dilation);
  if (ceilMode && (count - 1) * stride >= input + pad) count--;
  if (count < 1) {
    throw new ShapeError(
      `${kernelName}: a map side of ${input} is too small for a window of ${size} with padding ${pad} and dilation ${dilation}`,
    );
  }
  for (let i = 0; i < count; i++) {
    let at = i * stride - pad;
    if (at < 0) at += Math.ceil(-at / dilation) * dilation;
    if (at >= input || at > i * stride - pad + (size - 1) * dilation) {
      throw new ShapeError(
        `${kernelName}: window ${i} would hold nothing but padding: side ${input}, window ${size}, stride ${stride}, padding ${pad}, dilation ${dilation}`,
      );
    }
  }
  return count;
}

/** Sizes of the map a pooling read, [height, width]: a gradient's shape does not tell them. */
export interface InputSize {
  readonly inputSize: readonly [number, number];
}

/** As {@link poolGeometry} for the backward kernels: H and W come from the options, and dy must be of the size they give. */
export function poolGeometryBackward(
  kernelName: string,
  sizes: Sizes,
  options: MaxPoolOptions & InputSize,
) {
  const [H, W] = inputSizeOf(kernelName, options);
  const geometry = poolGeometry(kernelName, { H, W }, options);
  if (geometry.P !== sizes.P || geometry.Q !== sizes.Q) {
    throw new ShapeError(
      `${kernelName}: dy has maps of ${sizes.P} x ${sizes.Q}, should be ${geometry.P} x ${geometry.Q} for an input of ${H} x ${W}`,
    );
  }
  return { H, W, ...geometry };
}

/** The two whole numbers of `inputSize`. */
export function inputSizeOf(
  kernelName: string,
  { inputSize }: InputSize,
): readonly [number, number] {
  return sidesOf(kernelName, 'inputSize', inputSize);
}

/** Checks an option that gives a map's sides. */
export function sidesOf(
  kernelName: string,
  option: string,
  sides: readonly [number, number] | undefined,
): readonly [number, number] {
  if (sides?.length !== 2 || !sides.every((side) => Number.isInteger(side) && side > 0)) {
    throw new ShapeError(
      `${kernelName}: ${option} is ${JSON.stringify(sides)}, should be [height, width], whole and above 0`,
    );
  }
  return sides;
}
