import { describe, expect, test } from 'vitest';
import { type Dtype, decode, encodeHalf } from '../../src/net/weights/dtype.js';

const bytesOf = (array: ArrayBufferView) => new Uint8Array(array.buffer);

test.each<[Dtype, ArrayBufferView, number[]]>([
  ['F32', Float32Array.of(1.5, -0, 3e38), [1.5, -0, Math.fround(3e38)]],
  ['F64', Float64Array.of(0.1, 1e300, -2), [Math.fround(0.1), Number.POSITIVE_INFINITY, -2]],
  ['I64', BigInt64Array.of(-1n, 2n ** 40n, -(2n ** 63n)), [-1, 2 ** 40, -(2 ** 63)]],
  ['U64', BigUint64Array.of(1n, 2n ** 63n), [1, 2 ** 63]],
  ['I32', Int32Array.of(-7, 2 ** 30), [-7, 2 ** 30]],
  ['U32', Uint32Array.of(2 ** 31), [2 ** 31]],
  ['I16', Int16Array.of(-3), [-3]],
  ['U16', Uint16Array.of(65535), [65535]],
  ['I8', Int8Array.of(-128), [-128]],
  ['U8', Uint8Array.of(255), [255]],
  ['BOOL', Uint8Array.of(0, 1, 2), [0, 1, 1]],
  ['BF16', Uint16Array.of(0x3f80, 0xc049, 0x7f80), [1, -3.140625, Number.POSITIVE_INFINITY]],
])('%s, at every alignment', (dtype, array, expected) => {
  const bytes = bytesOf(array);
  for (let shift = 0; shift < 8; shift++) {
    const memory = new Uint8Array(bytes.length + shift);
    memory.set(bytes, shift);
    expect([...decode(memory.subarray(shift), dtype)]).toEqual(expected);
  }
});

/** float16 from its definition, with Math.pow, to hold the table against. */
function half(bits: number): number {
  const sign = bits >> 15 ? -1 : 1;
  const e = (bits >> 10) % 32;
  const f = (bits % 1024) / 1024;
  if (e === 31) return f ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return e ? sign * 2 ** (e - 15) * (1 + f) : sign * 2 ** -14 * f;
}

describe('float16', () => {
  const all = Uint16Array.from({ length: 65536 }, (_, i) => i);
  const values = decode(bytesOf(all), 'F16');

  test('all 65,536 values', () => {
    for (let bits = 0; bits < 65536; bits++) {
      if (!Object.is(values[bits], half(bits))) throw new Error(`${bits}: ${values[bits]}`);
    }
  });

  test('every value is written back as it was', () => {
    const back = encodeHalf(values);
    for (let bits = 0; bits < 65536; bits++) {
      if (Number.isNaN(values[bits])) expect(back[bits]).toBe(0x7e00);
      else if (back[bits] !== bits) throw new Error(`${bits} came back as ${back[bits]}`);
    }
  });

  test('between two values the nearer, half way the even one', () => {
    for (let bits = 0; bits < 0x7bff; bits++) {
      const [low, high] = [values[bits], values[bits + 1]];
      const middle = (low + high) / 2;
      const quarter = (low + middle) / 2;
      const even = bits % 2 === 0 ? bits : bits + 1;
      const got = encodeHalf(Float32Array.of(quarter, middle, (middle + high) / 2));
      if (got[0] !== bits || got[1] !== even || got[2] !== bits + 1) {
        throw new Error(`between ${low} and ${high}: ${got}`);
      }
    }
  });

  test('what it cannot hold', () => {
    expect([...encodeHalf(Float32Array.of(65519.99, Number.NEGATIVE_INFINITY))]).toEqual([
      0x7bff, 0xfc00,
    ]);
    expect(() => encodeHalf(Float32Array.of(0, -65520))).toThrow(/element 1 is -65520/);
  });
});
