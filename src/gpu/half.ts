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

/** The values of float16 numbers given as bits. */
export function fromHalf(bits: Uint16Array): Float32Array<ArrayBuffer> {
  const table = halfTable();
  const values = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) values[i] = table[bits[i]];
  return values;
}

/** Magnitudes from here on round to infinity: half way from the largest float16, 65504, to what would follow it. */
export const halfOverflow = 65520;

/** The nearest float16 (ties to even) of each value, as bits; infinity from {@link halfOverflow} on. */
export function toHalf(values: Float32Array): Uint16Array<ArrayBuffer> {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const bits = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const sign = (words[i] >>> 16) & 0x8000;
    const size = Math.abs(values[i]);
    // A NaN's sign means nothing and differs between machines.
    bits[i] = Number.isNaN(size) ? 0x7e00 : sign | halfBits(size, words[i]);
  }
  return bits;
}

function halfBits(size: number, word: number): number {
  if (size >= halfOverflow) return 0x7c00;
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

/** Copies go by words of four bytes: an odd count of 16-bit elements gets one more. */
export function wholeWords(data: Uint16Array<ArrayBuffer>): Uint16Array<ArrayBuffer> {
  if (data.length % 2 === 0) return data;
  const padded = new Uint16Array(data.length + 1);
  padded.set(data);
  return padded;
}
