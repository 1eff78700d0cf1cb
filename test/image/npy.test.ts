import { expect, test } from 'vitest';
import { ShapeError } from '../../src/errors.js';
import { npy, parseNpy } from '../../src/image/npy.js';

test('the bytes are those numpy.save writes', () => {
  const bytes = npy(Float32Array.of(0, 1, -2.5, 1e-3, 5, 6), [2, 3]);
  // numpy.save of the same array, format 1.0: 128 bytes of header, then the floats.
  const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
  const head = `\x93NUMPY\x01\0\x76\0${header.padEnd(117)}\n`;
  const floats = '00000000 0000803f 000020c0 6f12833a 0000a040 0000c040'.replaceAll(' ', '');
  expect(Buffer.from(bytes).subarray(0, 128).toString('latin1')).toBe(head);
  expect(Buffer.from(bytes).subarray(128).toString('hex')).toBe(floats);
});

test('every rank comes back, NaN and infinity too', () => {
  for (const shape of [[], [5], [1, 5], [2, 1, 3], [0, 4]]) {
    const size = shape.reduce((n, length) => n * length, 1);
    const data = Float32Array.from({ length: size }, (_, i) => [Number.NaN, -0, 3e38][i % 3]);
    const bytes = npy(data, shape);
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    expect(parseNpy(shifted.subarray(3))).toEqual({ data, shape });
    expect((bytes.length - 4 * size) % 64).toBe(0);
  }
});

test('what does not fit is an error', () => {
  expect(() => npy(new Float32Array(5), [2, 3])).toThrow('npy: shape [2, 3] holds 6 values, got 5');
  const bytes = npy(new Float32Array(6), [2, 3]);
  expect(() => parseNpy(bytes.subarray(0, -1))).toThrow(ShapeError);
  expect(() => parseNpy(bytes.subarray(1))).toThrow('this is not a .npy file');
  const doubles = Buffer.from(
    Buffer.from(bytes).toString('latin1').replace('<f4', '<f8'),
    'latin1',
  );
  expect(() => parseNpy(doubles)).toThrow("expected '<f4' in C order, got '<f8'");
});
