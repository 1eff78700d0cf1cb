import { describe, expect, test } from 'vitest';
import { ImageError } from '../../src/errors.js';
import { Recorder } from '../../src/gpu/recorder.js';
import { colormapTable } from '../../src/image/colormap.js';
import {
  Photo,
  paintHeatmap,
  paintOverlay,
  preprocessPhotos,
  readPainting,
} from '../../src/image/photo.js';
import type { Preprocessing } from '../../src/image/preprocessing.js';
import { useGpu } from '../support/gpu.js';
import { random } from '../support/numbers.js';

const { gpu } = useGpu();

/** Photos of 60 x 40 become 36 x 24, of which the middle 16 x 16 are seen: 10 .. 26 across and 4 .. 20 down. */
const preprocessing: Preprocessing = {
  resize: 24,
  crop: 16,
  interpolation: 'bilinear',
  mean: [0.1, 0.2, 0.3],
  std: [0.5, 0.6, 0.7],
};
const [width, height] = [60, 40];
const scale = 40 / 24;

const photoOf = (seed: number, [w, h] = [width, height]) => {
  const rgba = Uint8Array.from(random([h, w, 4], seed).data, (v) => Math.floor((v + 1) * 128));
  return { rgba, photo: Photo.fromRgba(gpu(), { width: w, height: h, rgba }) };
};

describe('preprocessPhotos', () => {
  test('puts each photo of a batch where its own input goes', async () => {
    const photos = [photoOf(1).photo, photoOf(2, [25, 70]).photo, photoOf(3).photo];
    const inputOf = async (list: readonly Photo[]) => {
      const r = Recorder.on(gpu());
      const [input] = await r.run([preprocessPhotos(r, list, preprocessing)]);
      expect(input.shape).toEqual([list.length, 3, 16, 16]);
      const data = await input.read();
      input.destroy();
      return [...data];
    };
    const alone: number[] = [];
    for (const photo of photos) alone.push(...(await inputOf([photo])));
    expect(await inputOf(photos)).toEqual(alone);
    await expect(inputOf([])).rejects.toThrow('no photo given');
    for (const photo of photos) photo.destroy();
  });

  test('a photo of one colour becomes that colour, normalised', async () => {
    const rgba = new Uint8Array(4 * 60 * 40).map((_, i) => [255, 51, 0, 255][i % 4]);
    const photo = Photo.fromRgba(gpu(), { width, height, rgba });
    const r = Recorder.on(gpu());
    const [input] = await r.run([preprocessPhotos(r, [photo], preprocessing)]);
    const want = [0.9 / 0.5, 0, -0.3 / 0.7];
    (await input.read()).forEach((v, i) => {
      expect(v).toBeCloseTo(want[Math.floor(i / 256)], 5);
    });
    input.destroy();
    photo.destroy();
  });
});

describe('paintOverlay', () => {
  const paint = async (
    photo: Photo,
    shape: readonly number[],
    data: Float32Array,
    alpha: number,
  ) => {
    const r = Recorder.on(gpu());
    const map = r.constant(data, shape);
    return readPainting(
      r,
      paintOverlay(r, photo, map, preprocessing, { colormap: 'greys', alpha }),
    );
  };

  // A map of the crop's size, and ones of a layer's: bilinear interpolation keeps a plane, but for half an element at the border.
  for (const [h, w] of [
    [16, 16],
    [4, 8],
    [8, 2],
  ]) {
    test(`a map of ${h} x ${w} covers what was cropped, and nothing else`, async () => {
      const { photo, rgba } = photoOf(4);
      const plane = (u: number, v: number) => 0.1 + (0.5 * u) / 16 + (0.3 * v) / 16;
      const map = Float32Array.from({ length: h * w }, (_, i) =>
        plane((((i % w) + 0.5) * 16) / w, ((Math.floor(i / w) + 0.5) * 16) / h),
      );
      const y = await paint(photo, [h, w], map, 1);
      let [inside, outside] = [0, 0];
      for (let i = 0; i < width * height; i++) {
        // Where the pixel's centre lies on the crop.
        const u = ((i % width) + 0.5) / scale - 10;
        const v = (Math.floor(i / width) + 0.5) / scale - 4;
        expect(y[4 * i + 3]).toBe(rgba[4 * i + 3]);
        if (u < 0 || u > 16 || v < 0 || v > 16) {
          outside++;
          expect([...y.subarray(4 * i, 4 * i + 3)]).toEqual([...rgba.subarray(4 * i, 4 * i + 3)]);
        } else if (Math.abs(u - 8) < 8 - 8 / w && Math.abs(v - 8) < 8 - 8 / h) {
          inside++;
          expect(Math.abs(y[4 * i] - 255 * plane(u, v))).toBeLessThan(0.51);
        }
      }
      expect(outside).toBeGreaterThan(1000);
      expect(inside).toBeGreaterThan(200);
      photo.destroy();
    });
  }

  test('alpha is how much of the colour covers the photo, and within 0 .. 1', async () => {
    const { photo, rgba } = photoOf(5);
    const y = await paint(photo, [1, 1], Float32Array.of(1), 0.25);
    const i = 4 * (20 * width + 30);
    for (let c = 0; c < 3; c++) {
      expect(Math.abs(y[i + c] - (0.75 * rgba[i + c] + 0.25 * 255))).toBeLessThan(0.51);
    }
    for (const alpha of [-0.1, 1.1, Number.NaN]) {
      await expect(paint(photo, [1, 1], Float32Array.of(1), alpha)).rejects.toThrow(ImageError);
    }
    photo.destroy();
  });
});

test('paintHeatmap takes the colours of the map asked for, jet by default', async () => {
  const values = Float32Array.of(0, 0.25, 0.6, 1);
  for (const [name, given] of [
    ['jet', undefined],
    ['viridis', 'viridis'],
  ] as const) {
    const r = Recorder.on(gpu());
    const y = await readPainting(r, paintHeatmap(r, r.constant(values, [2, 2]), given));
    const colours = colormapTable(name);
    const want = Array.from(values, (v) => {
      const i = 4 * Math.floor(v * 255 + 0.5);
      return [...colours.subarray(i, i + 4)];
    });
    expect([...y]).toEqual(want.flat());
  }
});

test('pixels of another number than the size has are refused', () => {
  expect(() => Photo.fromRgba(gpu(), { width: 3, height: 2, rgba: new Uint8Array(20) })).toThrow(
    '20 bytes for 3 x 2 pixels, should be 24',
  );
});
