import { describe, expect, test } from 'vitest';
import { mat3, vec2 } from 'wgpu-matrix';
import { ShapeError } from '../../src/errors.js';
import {
  composeMatrices,
  cropWeights,
  invertMatrix,
  layBackMatrix,
  preprocessGeometry,
  sampleMatrix,
  windowMatrix,
} from '../../src/image/transform.js';

const at = (matrix: Float32Array, x: number, y: number) => [...vec2.transformMat3([x, y], matrix)];
const expectPoint = (got: number[], want: number[]) => {
  got.forEach((value, i) => {
    expect(value).toBeCloseTo(want[i], 3);
  });
};
const imagenet = { resize: 256, crop: 224 };

describe('preprocessGeometry rounds as torchvision', () => {
  const cases = [
    // 256 * 512 / 341 = 384.37; (384 - 224) / 2 = 80, (256 - 224) / 2 = 16
    { size: [512, 341], steps: imagenet, resized: [384, 256], crop: [80, 16, 224, 224] },
    // 256 * 640 / 480 = 341.33; (341 - 224) / 2 = 58.5, halves go to even: 58
    { size: [640, 480], steps: imagenet, resized: [341, 256], crop: [58, 16, 224, 224] },
    // upright: 256 * 500 / 375 = 341.33
    { size: [375, 500], steps: imagenet, resized: [256, 341], crop: [16, 58, 224, 224] },
    // 256 * 799 / 600 = 340.91 is cut to 340; 58
    { size: [799, 600], steps: imagenet, resized: [340, 256], crop: [58, 16, 224, 224] },
    // 256 * 805 / 600 = 343.47; 59.5 goes to even: 60
    { size: [805, 600], steps: imagenet, resized: [343, 256], crop: [60, 16, 224, 224] },
    // no resize; the height is padded: 224 - 101 = 123, 61 above and 62 below
    {
      size: [300, 101],
      steps: { resize: null, crop: 224 },
      resized: [300, 101],
      crop: [38, -61, 224, 224],
    },
    // both padded, [height, width]
    { size: [3, 5], steps: { resize: null, crop: [8, 4] }, resized: [3, 5], crop: [0, -1, 4, 8] },
    // exact size, no crop
    {
      size: [7, 9],
      steps: { resize: [20, 30], crop: null },
      resized: [30, 20],
      crop: [0, 0, 30, 20],
    },
  ] as const;
  for (const { size, steps, resized, crop } of cases) {
    test(`${size.join(' x ')} ${JSON.stringify(steps)}`, () => {
      const geometry = preprocessGeometry({ width: size[0], height: size[1] }, steps);
      expect(geometry.source).toEqual({ width: size[0], height: size[1] });
      expect(geometry.resized).toEqual({ width: resized[0], height: resized[1] });
      const [x, y, width, height] = crop;
      expect(geometry.crop).toEqual({ x, y, width, height });
    });
  }
  test('sizes that are no sizes are errors', () => {
    expect(() => preprocessGeometry({ width: 0, height: 4 }, imagenet)).toThrow(ShapeError);
    expect(() => preprocessGeometry({ width: 5, height: 4 }, { resize: 2.5, crop: 1 })).toThrow(
      'preprocessGeometry: resize should be whole and above 0, got 3 x 2.5',
    );
    expect(() => preprocessGeometry({ width: 5, height: 4 }, { resize: 2, crop: -1 })).toThrow(
      ShapeError,
    );
  });
});

describe('matrices', () => {
  const geometry = preprocessGeometry({ width: 512, height: 341 }, imagenet);

  test('sampleMatrix has the layout of wgpu-matrix', () => {
    // 512 / 384 = 4/3 a pixel across, 341 / 256 down; the crop starts at (80 * 4/3, 16 * 341/256).
    const m = sampleMatrix(geometry);
    expect(m).toBeInstanceOf(Float32Array);
    expect(m.length).toBe(12);
    expect(
      mat3.equalsApproximately(
        m,
        mat3.create(4 / 3, 0, 0, 0, 341 / 256, 0, 106.666667, 21.3125, 1),
      ),
    ).toBe(true);
  });

  test('corners of the input lie where they should on the photo', () => {
    const m = sampleMatrix(geometry);
    expectPoint(at(m, 0, 0), [106.6667, 21.3125]);
    expectPoint(at(m, 224, 224), [512 - 106.6667, 341 - 21.3125]);
    expectPoint(at(m, 0.5, 0.5), [107.3333, 21.9785]);
  });

  test('padding lies off the photo', () => {
    const padded = preprocessGeometry({ width: 300, height: 101 }, { resize: null, crop: 224 });
    expectPoint(at(sampleMatrix(padded), 0, 60.5), [38, -0.5]);
    expectPoint(at(sampleMatrix(padded), 0, 61.5), [38, 0.5]);
  });

  test('layBackMatrix takes the photo to the map', () => {
    const back = layBackMatrix(geometry);
    expectPoint(at(back, 106.6667, 21.3125), [0, 0]);
    expectPoint(at(back, 256, 170.5), [112, 112]);
    expectPoint(at(back, 0, 0), [-80, -16]);
  });

  test('windows, flips and their composition', () => {
    const window = windowMatrix(10, 20, 50, 30, 100, 90);
    expectPoint(at(window, 0, 0), [10, 20]);
    expectPoint(at(window, 100, 90), [60, 50]);
    const flip = windowMatrix(100, 0, -100, 90, 100, 90);
    expectPoint(at(flip, 0.5, 0.5), [99.5, 0.5]);
    // The flip comes first: output (0, 0) is the window's right edge.
    expectPoint(at(composeMatrices(window, flip), 0, 0), [60, 20]);
    expectPoint(at(invertMatrix(window), 60, 50), [100, 90]);
  });

  test('what cannot be mapped is an error', () => {
    expect(() => windowMatrix(0, 0, 0, 5, 10, 10)).toThrow(ShapeError);
    expect(() => invertMatrix(mat3.create(1, 2, 0, 2, 4, 0, 0, 0, 1))).toThrow(ShapeError);
  });
});

test('cropWeights looks where sampleMatrix says', () => {
  for (const [width, height] of [
    [512, 341],
    [640, 480],
    [150, 90],
  ]) {
    const geometry = preprocessGeometry({ width, height }, imagenet);
    const { x, y } = cropWeights(geometry, 'bilinear');
    expect([x.first.length, y.first.length]).toEqual([224, 224]);
    const m = sampleMatrix(geometry);
    // Away from the border the centre of mass of the weights is the sampled position, up to the sampling
    // of the triangle itself; an error of half a pixel would be 0.5.
    for (const i of [60, 111, 170]) {
      const [sx, sy] = at(m, i + 0.5, i + 0.5);
      for (const [axis, wanted] of [
        [x, sx],
        [y, sy],
      ] as const) {
        let centre = 0;
        for (let j = 0; j < axis.count; j++) {
          centre += axis.weights[i * axis.count + j] * (axis.first[i] + j + 0.5);
        }
        expect(Math.abs(centre - wanted)).toBeLessThan(0.1);
      }
    }
  }
});
