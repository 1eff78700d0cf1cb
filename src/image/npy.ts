import { ShapeError } from '../errors.js';

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]; // "\x93NUMPY"

/**
 * A NumPy `.npy` file (format 1.0, little-endian float32, C order) of `data` in `shape`.
 * Throws `ShapeError` where the shape does not hold exactly `data.length` values.
 */
export function npy(data: Float32Array, shape: readonly number[]): Uint8Array {
  const size = shape.reduce((product, length) => product * length, 1);
  if (size !== data.length) {
    throw new ShapeError(
      `npy: shape [${shape.join(', ')}] holds ${size} values, got ${data.length}`,
    );
  }
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const dict = `{'descr': '<f4', 'fortran_order': False, 'shape': ${tuple}, }`;
  // The header ends in a newline and is padded so that the data starts at a multiple of 64 bytes.
  const start = Math.ceil((10 + dict.length + 1) / 64) * 64;
  const header = `${dict.padEnd(start - 11)}\n`;

  const bytes = new Uint8Array(start + 4 * size);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  bytes[6] = 1;
  view.setUint16(8, header.length, true);
  for (let i = 0; i < header.length; i++) bytes[10 + i] = header.charCodeAt(i);
  for (let i = 0; i < size; i++) view.setFloat32(start + 4 * i, data[i], true);
  return bytes;
}

/**
 * Reads a `.npy` file of little-endian float32 in C order, what `npy` writes.
 * Throws `ShapeError` for any other file.
 */
export function parseNpy(bytes: Uint8Array): { data: Float32Array; shape: number[] } {
  if (bytes.length < 12 || MAGIC.some((byte, i) => bytes[i] !== byte)) {
    throw new ShapeError('parseNpy: this is not a .npy file');
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const long = bytes[6] > 1; // formats 2 and 3 have a four-byte header length
  const start = long ? 12 + view.getUint32(8, true) : 10 + view.getUint16(8, true);
  const header = new TextDecoder().decode(bytes.subarray(long ? 12 : 10, start));
  const descr = /'descr': '([^']*)'/.exec(header)?.[1];
  const order = /'fortran_order': (\w+)/.exec(header)?.[1];
  if (descr !== '<f4' || order !== 'False') {
    throw new ShapeError(
      `parseNpy: expected '<f4' in C order, got '${descr}' with fortran_order ${order}`,
    );
  }
  const tuple = /'shape': \(([^)]*)\)/.exec(header)?.[1] ?? '';
  const shape = tuple.split(',').flatMap((part) => (part.trim() ? [Number(part)] : []));
  const size = shape.reduce((product, length) => product * length, 1);
  if (start + 4 * size !== bytes.length) {
    throw new ShapeError(
      `parseNpy: shape [${shape.join(', ')}] needs ${start + 4 * size} bytes, the file has ${bytes.length}`,
    );
  }
  const data = new Float32Array(size);
  for (let i = 0; i < size; i++) data[i] = view.getFloat32(start + 4 * i, true);
  return { data, shape };
}
