/**
 * Where the pixels of a network's input lie on the photo: torchvision's resize and centre crop as sizes
 * and as matrices.
 *
 * Coordinates are continuous: pixel i covers i to i + 1 and its centre is i + 0.5. Matrices are
 * wgpu-matrix `mat3`: 12 floats, three columns of which the fourth float is padding, which is also the
 * layout of a `mat3x3f` uniform.
 */
import { mat3, mat3d } from 'wgpu-matrix';
import { ShapeError } from '../errors.js';
import { type ResampleWeights, type ResizeFilter, resampleWeights } from './resize.js';

/** Width and height in pixels. */
export interface Size {
  width: number;
  height: number;
}

/** What torchvision's `Resize` and `CenterCrop` are given. */
export interface ResizeAndCrop {
  /** The shorter side becomes this long, the ratio stays; or [height, width] exactly; or `null`: as it is. */
  resize: number | readonly [number, number] | null;
  /** The side of the square cut from the middle, or [height, width], or `null`: all of it. */
  crop: number | readonly [number, number] | null;
}

/** The steps from a photo to a network's input, in pixels. */
export interface PreprocessGeometry {
  source: Size;
  /** The whole photo after resizing. */
  resized: Size;
  /** The cut on the resized photo. A negative `x` or `y` means padding with zeros (black) on that side. */
  crop: Size & { x: number; y: number };
}

function checkSize(what: string, { width, height }: Size): void {
  if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0)) {
    throw new ShapeError(
      `preprocessGeometry: ${what} should be whole and above 0, got ${width} x ${height}`,
    );
  }
}

/** Rounds halves to even, as Python's `round` does. */
function roundHalfEven(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  if (rest !== 0.5) return Math.round(x);
  return below % 2 === 0 ? below : below + 1;
}

/**
 * The sizes that torchvision's `Resize` and `CenterCrop` give, with their rounding: the longer side is
 * truncated, the crop's offset rounds halves to even, and padding of an odd width is smaller on the left.
 * Throws `ShapeError` for a size that is not a whole number above 0.
 */
export function preprocessGeometry(
  source: Size,
  { resize, crop }: ResizeAndCrop,
): PreprocessGeometry {
  checkSize('source', source);
  const resized = resizedSize(source, resize);
  checkSize('resize', resized);
  const cut =
    crop === null
      ? resized
      : typeof crop === 'number'
        ? { width: crop, height: crop }
        : { width: crop[1], height: crop[0] };
  checkSize('crop', cut);
  return {
    source: { width: source.width, height: source.height },
    resized,
    crop: {
      x: cropOffset(resized.width, cut.width),
      y: cropOffset(resized.height, cut.height),
      width: cut.width,
      height: cut.height,
    },
  };
}

function resizedSize({ width, height }: Size, resize: ResizeAndCrop['resize']): Size {
  if (resize === null) return { width, height };
  if (typeof resize !== 'number') return { width: resize[1], height: resize[0] };
  const long = Math.trunc((resize * Math.max(width, height)) / Math.min(width, height));
  return width <= height ? { width: resize, height: long } : { width: long, height: resize };
}

function cropOffset(size: number, cut: number): number {
  return cut > size ? 0 - Math.floor((cut - size) / 2) : roundHalfEven((size - cut) / 2);
}

/**
 * The matrix from the network's input to the photo: output pixel (i, j) is centred on the photo at
 * `matrix * (i + 0.5, j + 0.5, 1)`. Positions off the photo are padding.
 */
export function sampleMatrix({ source, resized, crop }: PreprocessGeometry): Float32Array {
  const scaleX = source.width / resized.width;
  const scaleY = source.height / resized.height;
  return windowMatrix(
    crop.x * scaleX,
    crop.y * scaleY,
    crop.width * scaleX,
    crop.height * scaleY,
    crop.width,
    crop.height,
  );
}

/**
 * The inverse of `sampleMatrix`, which lays a map back on the photo: photo pixel (i, j) is found on the
 * map at `matrix * (i + 0.5, j + 0.5, 1)`; positions outside the map were cropped away.
 */
export function layBackMatrix(geometry: PreprocessGeometry): Float32Array {
  return invertMatrix(sampleMatrix(geometry));
}

/**
 * The matrix that fills outW x outH pixels from the window of w x h at (x, y). A negative `w` or `h`
 * runs left or up from (x, y), so `windowMatrix(W, 0, -W, H, W, H)` flips left to right.
 * Throws `ShapeError` for an empty window or output.
 */
export function windowMatrix(
  x: number,
  y: number,
  w: number,
  h: number,
  outW: number,
  outH: number,
): Float32Array {
  if (!(w !== 0 && h !== 0 && outW > 0 && outH > 0 && Number.isFinite(x + y + w + h))) {
    throw new ShapeError(
      `windowMatrix: window ${w} x ${h} at (${x}, ${y}) to ${outW} x ${outH}: sizes should not be 0`,
    );
  }
  return mat3.set(w / outW, 0, 0, 0, h / outH, 0, x, y, 1);
}

/** The inverse of an affine matrix, by way of float64. Throws `ShapeError` where there is none. */
export function invertMatrix(matrix: Float32Array): Float32Array {
  const wide = Float64Array.from(matrix);
  if (mat3d.determinant(wide) === 0) {
    throw new ShapeError('invertMatrix: the matrix maps everything to a line, it has no inverse');
  }
  return Float32Array.from(mat3d.inverse(wide));
}

/** The matrix that applies `inner` first, then `outer`. */
export function composeMatrices(outer: Float32Array, inner: Float32Array): Float32Array {
  return Float32Array.from(mat3d.multiply(Float64Array.from(outer), Float64Array.from(inner)));
}

/**
 * The weight tables of both axes for resize and crop in one pass: `x` has `crop.width` outputs, `y` has
 * `crop.height`; outputs in the padding have weights 0.
 */
export function cropWeights(
  { source, resized, crop }: PreprocessGeometry,
  filter: ResizeFilter,
): { x: ResampleWeights; y: ResampleWeights } {
  return {
    x: resampleWeights(source.width, resized.width, filter, {
      outputs: { first: crop.x, count: crop.width },
    }),
    y: resampleWeights(source.height, resized.height, filter, {
      outputs: { first: crop.y, count: crop.height },
    }),
  };
}
