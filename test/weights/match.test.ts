import { describe, expect, test } from 'vitest';
import { WeightsError } from '../../src/errors.js';
import { encodeSafetensors, matchWeights, parseWeights } from '../../src/net/weights/index.js';

const weightsOf = (shapes: Record<string, number[]>) =>
  parseWeights(
    encodeSafetensors(
      new Map(
        Object.entries(shapes).map(([name, shape]) => {
          const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
          return [name, { shape, data }];
        }),
      ),
    ),
    { name: 'w.safetensors' },
  );
const expectedOf = (shapes: Record<string, number[]>) => new Map(Object.entries(shapes));
const fault = (found: Record<string, number[]>, expected: Record<string, number[]>) => {
  try {
    matchWeights(weightsOf(found), expectedOf(expected), { network: 'tiny' });
  } catch (error) {
    expect(error).toBeInstanceOf(WeightsError);
    return (error as Error).message;
  }
  throw new Error('the weights were accepted');
};

describe('accepted', () => {
  test('in the order of the network, by its names', () => {
    const found = weightsOf({ b: [2], a: [1, 3] });
    const matched = matchWeights(found, expectedOf({ a: [1, 3], b: [2] }));
    expect([...matched.keys()]).toEqual(['a', 'b']);
    expect(matched.get('a')).toBe(found.entries.get('a'));
  });

  test('counters of batch norm, and what the caller lets pass, may be left over', () => {
    const found = weightsOf({ a: [1], 'bn.num_batches_tracked': [], 'aux.w': [9] });
    const ignore = (name: string) => name.startsWith('aux.');
    expect(matchWeights(found, expectedOf({ a: [1] }), { ignore }).size).toBe(1);
    expect(() => matchWeights(found, expectedOf({ a: [1] }))).toThrow(/1 extra \('aux\.w'\)/);
  });

  test('a prefix that all names share is dropped when the rest fits', () => {
    const matched = matchWeights(
      weightsOf({ 'model.a': [1], 'model.b.c': [2] }),
      expectedOf({ a: [1], 'b.c': [2] }),
    );
    expect([...matched.values()].map(({ name }) => name)).toEqual(['a', 'b.c']);
    // Not where the network itself has that name.
    expect(fault({ 'f.a': [1], 'f.b': [1] }, { 'f.a': [1], b: [1] })).toMatch(
      /1 missing \('b'\); 1 extra \('f\.b'\)/,
    );
  });
});

describe('refused', () => {
  test('everything wrong at once, on one line', () => {
    const message = fault({ a: [1], b: [2, 3], z: [1] }, { a: [1], b: [3, 2], c: [1], d: [1] });
    expect(message).toBe(
      "w.safetensors does not fit tiny: 2 missing ('c', 'd'); 1 extra ('z'); 1 misshapen ('b' is [2,3], expected [3,2])",
    );
  });

  test('long lists are cut, with their counts', () => {
    const many = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`layer.${i}`, [1]]));
    const message = fault({ x: [1] }, many);
    expect(message).toMatch(/30 missing \('layer\.0', .*'layer\.7' and 22 more\); 1 extra/);
    expect(message).toMatch(/No name agrees: the weights of another network/);
    expect(message).not.toContain('layer.8');
  });

  test('another number of classes says so', () => {
    const body = { 'conv.weight': [4, 3, 1, 1] };
    const hint = /2 misshapen .*These weights are for 2 classes: build tiny for as many, /;
    const linear = (n: number) => ({ ...body, 'fc.weight': [n, 8], 'fc.bias': [n] });
    expect(fault(linear(2), linear(1000))).toMatch(hint);
    const conv = (n: number) => ({
      ...body,
      'classifier.1.weight': [n, 8, 1, 1],
      'classifier.1.bias': [n],
    });
    expect(fault(conv(2), conv(1000))).toMatch(hint);
    expect(fault({ ...linear(2), 'fc.weight': [2, 9] }, linear(1000))).not.toMatch(/classes/);
    expect(fault({ ...linear(2), 'fc.bias': [3] }, linear(1000))).not.toMatch(/classes/);
    // Of two heads the file's own first one has the classes that are asked for.
    const heads = (a: number, b: number) => ({ 'head.weight': [a, 8], 'dist.weight': [b, 8] });
    expect(fault(heads(10, 1000), heads(10, 10))).toMatch(/1 misshapen .*\)$/);
  });

  test('the same count of elements in another shape', () => {
    expect(fault({ a: [4, 1] }, { a: [4] })).toMatch(/'a' is \[4,1\], expected \[4\]/);
    expect(fault({ a: [] }, { a: [1] })).toMatch(/'a' is \[\], expected \[1\]/);
  });

  test('an empty file', () => {
    expect(fault({}, { a: [1] })).toMatch(/1 missing \('a'\)$/);
  });
});
