import { WeightsError } from '../../errors.js';

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
      return decodeHalf(new Uint16Array(...aligned(bytes, 2)));
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

let halves: Float32Array | undefined;

/** All 65,536 values of float16: a look-up is several times quicker than taking each apart. */
function halfTable(): Float32Array {
  if (halves) return halves;
  halves = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    const size =
      exponent === 0
        ? fraction * 2 ** -24
        : exponent < 31
          ? (1024 + fraction) * 2 ** (exponent - 25)
          : fraction === 0
            ? Number.POSITIVE_INFINITY
            : Number.NaN;
    halves[bits] = bits & 0x8000 ? -size : size;
  }
  return halves;
}

function decodeHalf(bits: Uint16Array): Float32Array<ArrayBuffer> {
  const table = halfTable();
  const values = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) values[i] = table[bits[i]];
  return values;
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
  const words = new Uint32Array(new Float32Array(values).buffer);
  const bits = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const sign = (words[i] >>> 16) & 0x8000;
    const size = Math.abs(values[i]);
    if (size >= 65520 && size !== Number.POSITIVE_INFINITY) {
      throw new WeightsError(
        `element ${i} is ${values[i]}, float16 ends at 65504: store this tensor as F32`,
      );
    }
    // A NaN's sign means nothing and differs between machines.
    bits[i] = Number.isNaN(size) ? 0x7e00 : sign | halfBits(size, words[i]);
  }
  return bits;
}

function halfBits(size: number, word: number): number {
  if (size === Number.POSITIVE_INFINITY) return 0x7c00;
  if (size < 2 ** -14) return roundEven(size * 2 ** 24); // subnormal, or up into the first normal
  // Rebias the exponent (127 - 15), then round the 13 fraction bits that do not fit; a carry out of
  // the fraction moves the exponent up, as it should.
  return roundEven(((word & 0x7fffffff) - (112 << 23)) / 2 ** 13);
}

function roundEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}
