import { describe, expect, test } from 'vitest';
import { encodeSafetensors, parseWeights } from '../../src/net/weights/index.js';
import { concat, little, outcome, refusal, safetensors } from './build.js';

const one = (info: string) => `{"a":${info}}`;
const f32 = (name: string, count: number, start: number, end: number) =>
  `"${name}":{"dtype":"F32","shape":[${count}],"data_offsets":[${start},${end}]}`;

describe('refused with its own line', () => {
  const cases: [what: string, file: Uint8Array, says: RegExp][] = [
    ['too short for a length', Uint8Array.of(1, 2, 3), /3 bytes.*8 bytes of header length/],
    ['header over the cap', concat(little(100_000_001, 8), [0x7b, 0x7d]), /100000001.*100000000/],
    ['header of 2^63 bytes', concat(little(2n ** 63n, 8), [0x7b, 0x7d]), /at byte 0 is 9223/],
    ['header past the end', concat(little(3, 8), [0x7b, 0x7d]), /is 3, only 2 bytes follow/],
    ['empty header', safetensors(''), /is 0, the shortest header is 2/],
    ['leading space', safetensors(' {}'), /byte 8 starts with 0x20, expected 0x7b/],
    ['a list for a header', safetensors('[]'), /starts with 0x5b/],
    ['not UTF-8', safetensors([0x7b, 0x22, 0xff, 0x22, 0x7d]), /bytes 8 to 13 is not UTF-8/],
    ['not JSON', safetensors('{"a":}'), /not valid JSON, character 5: got '}', expected a value/],
    ['cut JSON', safetensors('{"a":1'), /character 6: got the end/],
    ['text after the JSON', safetensors('{}x'), /character 2: got 'x', expected the end/],
    ['a bad escape', safetensors('{"\\x":1}'), /escape that JSON does not have/],
    ['trailing comma', safetensors('{"a":1,}'), /got '}', expected a string/],
    ['JSON nested deep', safetensors(`{"a":${'['.repeat(5000)}`), /more than 16 levels/],
    [
      'duplicate tensor',
      safetensors(`{${f32('a', 1, 0, 4)},${f32('a', 1, 4, 8)}}`, 8),
      /'a' is given twice/,
    ],
    [
      'duplicate in disguise',
      safetensors(`{${f32('a', 1, 0, 4)},${f32('\\u0061', 1, 0, 4)}}`, 4),
      /twice/,
    ],
    [
      'duplicate field',
      safetensors(one('{"dtype":"F32","dtype":"F16","shape":[],"data_offsets":[0,4]}'), 4),
      /'dtype' is given twice/,
    ],
    ['tensor not an object', safetensors(one('[1]')), /tensor 'a' is a list, expected dtype/],
    [
      'no dtype',
      safetensors(one('{"shape":[1],"data_offsets":[0,4]}'), 4),
      /dtype missing, expected one of F32/,
    ],
    [
      'unknown dtype',
      safetensors(one('{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}'), 1),
      /'F8_E4M3', expected one of/,
    ],
    [
      'dtype of the prototype',
      safetensors(one('{"dtype":"toString","shape":[1],"data_offsets":[0,1]}'), 1),
      /'toString'/,
    ],
    ['no shape', safetensors(one('{"dtype":"F32","data_offsets":[0,4]}'), 4), /shape is missing/],
    [
      'negative dimension',
      safetensors(one('{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}'), 4),
      /shape has '-1' at position 0/,
    ],
    [
      'fractional dimension',
      safetensors(one('{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}'), 4),
      /'1.0' at position 0/,
    ],
    [
      'dimension past 2^53',
      safetensors(one('{"dtype":"F32","shape":[9007199254740993],"data_offsets":[0,4]}'), 4),
      /'9007199254740993'/,
    ],
    [
      'text for a dimension',
      safetensors(one('{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}'), 4),
      /'1' at position 0/,
    ],
    [
      'overflowing shape',
      safetensors(one('{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}'), 4),
      /more than 2\^53 bytes/,
    ],
    [
      'overflow that wraps to the right size',
      safetensors(one('{"dtype":"F32","shape":[4294967296,4294967296,0.5],"data_offsets":[0,0]}')),
      /'0.5'/,
    ],
    [
      '65 dimensions',
      safetensors(one(`{"dtype":"F32","shape":[${Array(65).fill(1)}],"data_offsets":[0,4]}`), 4),
      /65 dimensions, expected at most 64/,
    ],
    [
      'one offset',
      safetensors(one('{"dtype":"F32","shape":[1],"data_offsets":[0]}'), 4),
      /1 numbers, expected 2/,
    ],
    ['no offsets', safetensors(one('{"dtype":"F32","shape":[1]}'), 4), /data_offsets is missing/],
    [
      'negative offset',
      safetensors(one('{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}'), 4),
      /'-4' at position 0/,
    ],
    [
      'reversed offsets',
      safetensors(one('{"dtype":"F32","shape":[1],"data_offsets":[4,0]}'), 4),
      /\[4, 0\] end before they start/,
    ],
    [
      'offsets past the end',
      safetensors(one('{"dtype":"F32","shape":[2],"data_offsets":[0,8]}'), 4),
      /past the end of the data, which has 4/,
    ],
    [
      'size too small for the shape',
      safetensors(one('{"dtype":"F32","shape":[2],"data_offsets":[0,4]}'), 4),
      /hold 4 bytes, shape \[2\] of F32 needs 8/,
    ],
    [
      'size too large for the dtype',
      safetensors(one('{"dtype":"F16","shape":[1],"data_offsets":[0,4]}'), 4),
      /needs 2/,
    ],
    [
      'bytes for an empty tensor',
      safetensors(one('{"dtype":"F32","shape":[0,5],"data_offsets":[0,4]}'), 4),
      /needs 0/,
    ],
    [
      'hole at the start',
      safetensors(`{${f32('a', 1, 4, 8)}}`, 8),
      /starts at data offset 4, expected 0: a hole/,
    ],
    [
      'hole between',
      safetensors(`{${f32('a', 1, 0, 4)},${f32('b', 1, 8, 12)}}`, 12),
      /'b' starts at data offset 8, expected 4/,
    ],
    [
      'overlap',
      safetensors(`{${f32('a', 2, 0, 8)},${f32('b', 2, 4, 12)}}`, 12),
      /'b' starts at data offset 4, inside 'a', which ends at 8: tensors overlap/,
    ],
    [
      'the same bytes twice',
      safetensors(`{${f32('a', 1, 0, 4)},${f32('b', 1, 0, 4)}}`, 4),
      /overlap/,
    ],
    [
      'trailing bytes',
      safetensors(`{${f32('a', 1, 0, 4)}}`, 5),
      /1 bytes after the last tensor, which ends at data offset 4 of 5/,
    ],
    ['data without tensors', safetensors('{}', 1), /1 bytes after/],
    ['metadata not an object', safetensors('{"__metadata__":1}'), /__metadata__ is '1'/],
    ['metadata not text', safetensors('{"__metadata__":{"a":1}}'), /'a' is '1', expected a string/],
    [
      'a name that would break the line',
      safetensors('{"a\\n\\u001b[31m":1}'),
      /'a\\n\\u001b\[31m'/,
    ],
  ];
  test.each(cases)('%s', (_, file, says) => {
    expect(refusal(file)).toMatch(says);
  });

  test('a header of over two million values', () => {
    const list = new Uint8Array(4_100_000).fill(0x30);
    for (let i = 1; i < list.length; i += 2) list[i] = 0x2c;
    list[list.length - 1] = 0x5d;
    const head = new TextEncoder().encode('{"a":[');
    const file = concat(little(head.length + list.length + 1, 8), head, list, [0x7d]);
    expect(refusal(file)).toMatch(/more than 2000000 values/);
  });
});

describe('accepted', () => {
  test('a scalar, an empty tensor, no tensors, spaces after the header', () => {
    const header =
      '{"s":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"e":{"dtype":"F32","shape":[0,9007199254740991,9],"data_offsets":[4,4]}}   ';
    const { entries } = parseWeights(safetensors(header, 4));
    expect(entries.get('s')?.read()).toEqual(Float32Array.of(0));
    expect(entries.get('e')?.read()).toEqual(new Float32Array(0));
    expect(parseWeights(safetensors('{}')).entries.size).toBe(0);
  });

  test('names that are special to JavaScript', () => {
    const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', ''];
    const parts = names.map((name, i) => f32(name, 1, 4 * i, 4 * i + 4));
    const meta = '"__metadata__":{"__proto__":"x"}';
    const { entries, metadata } = parseWeights(safetensors(`{${meta},${parts}}`, 20));
    expect([...entries.keys()]).toEqual(names);
    expect(Object.keys(metadata)).toEqual(['__proto__']);
    expect(Object.values(metadata)).toEqual(['x']);
    expect(({} as Record<string, unknown>).x).toBeUndefined();
  });

  test('tensors listed in another order than they lie, fields it does not know', () => {
    const file = safetensors(
      `{${f32('b', 1, 4, 8)},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"more":[{}]}}`,
      8,
    );
    new DataView(file.buffer).setFloat32(file.length - 4, 7, true);
    const { entries } = parseWeights(file);
    expect(entries.get('b')?.read()).toEqual(Float32Array.of(7));
    expect(entries.get('a')?.read()).toEqual(Float32Array.of(0));
  });

  test('a Node Buffer, whose slice is a view, and memory at an odd offset', () => {
    const file = encodeSafetensors(new Map([['a', { shape: [2], data: Float32Array.of(1, 2) }]]));
    for (const shift of [0, 1, 2, 3]) {
      const memory = Buffer.alloc(file.length + shift);
      memory.set(file, shift);
      const entry = parseWeights(memory.subarray(shift)).entries.get('a')!;
      const read = entry.read();
      expect(read).toEqual(Float32Array.of(1, 2));
      read[0] = 9; // a copy: the next reader must not see it
      expect(entry.read()).toEqual(Float32Array.of(1, 2));
    }
  });
});

test('what is written is read again, names, shapes, values and metadata', () => {
  const tensors = new Map([
    ['half', { shape: [3], data: Float32Array.of(0.5, -2, 65504), dtype: 'F16' as const }],
    ['wide', { shape: [2, 1, 2], data: Float32Array.of(1e-40, -0, Number.NaN, 1 / 3) }],
    ['empty', { shape: [0, 4], data: new Float32Array(0) }],
    ['scalar "é"\n', { shape: [], data: Float32Array.of(-7) }],
    ['__proto__', { shape: [1], data: Float32Array.of(4) }],
  ]);
  const file = encodeSafetensors(tensors, { made: 'here "\u2028"' });
  const weights = parseWeights(file);
  expect(weights.format).toBe('safetensors');
  expect({ ...weights.metadata }).toEqual({ made: 'here "\u2028"' });
  expect(new Set(weights.entries.keys())).toEqual(new Set(tensors.keys()));
  for (const [name, { shape, data }] of tensors) {
    expect(weights.entries.get(name)?.shape).toEqual(shape);
    expect(weights.entries.get(name)?.read()).toEqual(data);
  }
  const header = Number(new DataView(file.buffer).getBigUint64(0, true));
  expect(header % 8).toBe(0);
});

test('the writer refuses what a reader would not understand', () => {
  const write = (name: string, shape: number[], values: number[], dtype?: 'F16') =>
    encodeSafetensors(new Map([[name, { shape, data: Float32Array.from(values), dtype }]]));
  expect(() => write('a', [2], [1])).toThrow(/shape \[2\], 2 elements, and 1 values/);
  expect(() => write('a', [-1, -1], [1])).toThrow(/shape \[-1,-1\]/);
  expect(() => write('__metadata__', [1], [1])).toThrow(/cannot be called/);
  expect(() => write('a', [2], [1, 65520], 'F16')).toThrow(/'a': element 1 is 65520/);
});

test('cut anywhere, a file is refused', () => {
  const file = encodeSafetensors(
    new Map([
      ['a', { shape: [2], data: Float32Array.of(1, 2) }],
      ['b', { shape: [1], data: Float32Array.of(1), dtype: 'F16' }],
    ]),
  );
  expect(outcome(file)).toBe(3);
  for (let length = 0; length < file.length; length++) {
    expect(typeof outcome(file.slice(0, length)), `${length} bytes`).toBe('string');
  }
});
