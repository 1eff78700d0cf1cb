import { WeightsError } from '../../errors.js';
import { fromHalf, halfOverflow, toHalf } from '../../gpu/half.js';

/** Bytes per element of each number type that can be read, by safetensors' names. */
export const DTYPE_BYTES = {
  F32: 4,
  F16: 2,
  BF16: 2,
  F64: 8,
  I64: 8,
  U64: 8,
  I32: 4,
  U32: 4,
  I16: 2,
  U16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
} as const;

/** A number type as it lies in the file, by safetensors' name. */
export type Dtype = keyof typeof DTYPE_BYTES;

/** Whether `name` is a number type that can be read. */
export const isDtype = (name: string): name is Dtype => Object.hasOwn(DTYPE_BYTES, name);

type Bytes = Uint8Array<ArrayBufferLike>;

/**
 * The little-endian elements in `bytes` as float32, in a fresh array. `bytes.length` must be a multiple of
 * the element size; any alignment will do.
 */
export function decode(bytes: Bytes, dtype: Dtype): Float32Array<ArrayBuffer> {
  switch (dtype) {
    case 'F32':
      return new Float32Array(copy(bytes).buffer);
    case 'F16':
      return fromHalf(new Uint16Array(...aligned(bytes, 2)));
    case 'BF16':
      return decodeBrainHalf(new Uint16Array(...aligned(bytes, 2)));
    case 'F64':
      return new Float32Array(new Float64Array(...aligned(bytes, 8)));
    case 'I64':
    case 'U64':
      return decodeLong(new Uint32Array(...aligned(bytes, 4)), dtype === 'I64');
    case 'I32':
      return new Float32Array(new Int32Array(...aligned(bytes, 4)));
    case 'U32':
      return new Float32Array(new Uint32Array(...aligned(bytes, 4)));
    case 'I16':
      return new Float32Array(new Int16Array(...aligned(bytes, 2)));
    case 'U16':
      return new Float32Array(new Uint16Array(...aligned(bytes, 2)));
    case 'I8':
      return new Float32Array(new Int8Array(...aligned(bytes, 1)));
    case 'U8':
      return new Float32Array(bytes);
    case 'BOOL':
      return Float32Array.from(bytes, (byte) => (byte === 0 ? 0 : 1));
  }
}

/** A copy for certain: `slice` of a Node `Buffer` is a view. */
const copy = (bytes: Bytes) => new Uint8Array(bytes);

/** Arguments of a typed array over `bytes`: in place where the alignment allows, else over a copy. */
function aligned(bytes: Bytes, size: number): [ArrayBufferLike, number, number] {
  const view = bytes.byteOffset % size === 0 ? bytes : copy(bytes);
  return [view.buffer, view.byteOffset, view.byteLength / size];
}

/** bfloat16 is the upper half of a float32. */
function decodeBrainHalf(bits: Uint16Array): Float32Array<ArrayBuffer> {
  const words = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) words[i] = bits[i] << 16;
  return new Float32Array(words.buffer);
}

/** 64-bit integers from their 32-bit halves, without a BigInt each. */
function decodeLong(words: Uint32Array, signed: boolean): Float32Array<ArrayBuffer> {
  const values = new Float32Array(words.length / 2);
  for (let i = 0; i < values.length; i++) {
    const high = signed ? words[2 * i + 1] | 0 : words[2 * i + 1];
    values[i] = high * 2 ** 32 + words[2 * i];
  }
  return values;
}

/**
 * The nearest float16 (ties to even) of each value, as bits. Throws `WeightsError` for a finite value whose
 * rounding would be infinite (magnitude 65520 and over).
 */
export function encodeHalf(values: Float32Array): Uint16Array<ArrayBuffer> {
  const over = values.findIndex((v) => Math.abs(v) >= halfOverflow && Number.isFinite(v));
  if (over >= 0) {
    throw new WeightsError(
      `element ${over} is ${values[over]}, float16 ends at 65504: store this tensor as F32`,
    );
  }
  return toHalf(values);
}
