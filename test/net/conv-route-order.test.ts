/** Which ways a convolution may go, and which of them comes first. */
import { expect, test } from 'vitest';
import { type Caps, coreCaps } from '../../src/gpu/caps.js';
import { shapeClass } from '../../src/gpu/shape-class.js';
import type { Dtype } from '../../src/gpu/tensor.js';
import { placeholder } from '../../src/gpu/value.js';
import { backwardRoutes, forwardRoutes } from '../../src/net/conv-routes.js';
import type { ConvWeights } from '../../src/net/conv-weights.js';
import { capsWith, shapesOf } from '../support/matrices.js';

const software: Caps = { ...coreCaps, kind: 'software' };

/** Names of the routes of K filters of 3 x 3, the first taken by default. */
function routes(caps: Caps, [C, K, side]: number[], options: object, dtype: Dtype = 'f32') {
  const weights = { shape: [K, C, 3, 3], hasBias: true } as unknown as ConvWeights;
  const x = placeholder([1, C, side, side], dtype);
  const forward = forwardRoutes(caps, x, weights, { pad: 1, ...options });
  return forward.routes.map(({ name }) => name);
}

test('by tiles first where that pays, and directly always', () => {
  expect(routes(coreCaps, [64, 64, 112], {})).toEqual(['winograd2', 'direct', 'winograd4']);
  expect(routes(software, [64, 64, 112], {})).toEqual(['winograd4', 'direct', 'winograd2']);
  expect(routes(coreCaps, [3, 64, 112], {})[0]).toBe('direct');
  expect(routes(coreCaps, [64, 64, 112], { stride: 2 })).toEqual(['direct']);
});

test('backward by the same rule, of filters and channels exchanged', () => {
  const weights = { shape: [64, 3, 3, 3], hasBias: true } as unknown as ConvWeights;
  const options = { pad: 1, inputSize: [112, 112] as const };
  const few = backwardRoutes(coreCaps, placeholder([1, 64, 112, 112]), weights, options);
  expect(few.routes[0].name).toBe('direct');
  const many = { shape: [64, 96, 3, 3], hasBias: true } as unknown as ConvWeights;
  const { routes } = backwardRoutes(coreCaps, placeholder([1, 64, 112, 112]), many, options);
  expect(routes[0].name).toBe('winograd2');
});

test('what is pooled, or stored in 16 bits, goes by tiles in one dispatch only', () => {
  for (const [options, dtype] of [
    [{ pool: true }, 'f32'],
    [{}, 'f16'],
    [{ pool: true }, 'f16'],
  ] as const) {
    expect(routes(coreCaps, [64, 64, 112], options, dtype)).toEqual(['winograd2', 'direct']);
    expect(routes(software, [64, 64, 112], options, dtype)).toEqual(['direct']);
  }
});

test('directly first where the device multiplies 16-bit elements as matrices, in tiles mostly full; 32 bits and gradients stay by tiles', () => {
  const half = capsWith([...shapesOf(16, 'f16'), ...shapesOf(16, 'f32')], ['shader-f16']);
  for (const options of [{}, { pool: true }])
    expect(routes(half, [64, 64, 112], options, 'f16')).toEqual(['direct', 'winograd2']);
  expect(routes(half, [64, 64, 112], {})[0]).toBe('winograd2');
  expect(routes(half, [64, 32, 224], {}, 'f16')[0]).toBe('winograd2');
  expect(routes(capsWith(shapesOf(16, 'f32'), ['shader-f16']), [64, 64, 112], {}, 'f16')[0]).toBe(
    'winograd2',
  );
  // 60 tiles of 64 x 64 are too few for conv2d to take matrices: 64 blocks of Winograd's are not.
  expect(routes(half, [256, 256, 30], {}, 'f16')[0]).toBe('winograd2');
  const weights = { shape: [64, 96, 3, 3], hasBias: true } as unknown as ConvWeights;
  const dy = placeholder([1, 64, 112, 112], 'f16');
  const back = backwardRoutes(half, dy, weights, { pad: 1, inputSize: [112, 112] });
  expect(back.routes.map(({ name }) => name)).toEqual(['winograd2', 'direct']);
});

test('what pools, and so cannot go every way, is timed and chosen apart', () => {
  const weights = { shape: [64, 64, 3, 3], hasBias: true } as unknown as ConvWeights;
  const [plain, pooled] = [false, true].map((pool) => {
    const x = placeholder([1, 64, 112, 112]);
    return shapeClass(forwardRoutes(coreCaps, x, weights, { pad: 1, pool }).sizes);
  });
  expect(pooled).not.toBe(plain);
});

test('filters larger than a binding are not bound', () => {
  // 256 MiB of them, where bindings hold 128.
  expect(routes(coreCaps, [2048, 2048, 28], {})).toEqual(['direct']);
  expect(routes(coreCaps, [1024, 2048, 28], {})[0]).toBe('winograd2');
  // In 16 bits twice as many.
  expect(routes(coreCaps, [2048, 2048, 28], {}, 'f16')[0]).toBe('winograd2');
  const wide = { ...coreCaps.limits, maxStorageBufferBindingSize: 2 ** 28 };
  expect(routes({ ...coreCaps, limits: wide }, [2048, 2048, 28], {})[0]).toBe('winograd2');
});
