import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { explain, methods, planExplain } from '../../src/cam/index.js';
import { classTarget } from '../../src/cam/target.js';
import { Photo } from '../../src/image/photo.js';
import type { Net } from '../../src/net/net.js';
import { smallNet } from '../support/black-box.js';
import { testGpu, useGpu } from '../support/gpu.js';
import { random, relativeL2 } from '../support/numbers.js';
import { quickOptions } from '../support/quick-options.js';

useGpu();

const [H, W] = [16, 24];
const bytes = (seed: number) => random([4 * H * W], seed).data.map((v) => 255 * Math.abs(v));
const imageOf = (seed: number) => ({
  width: W,
  height: H,
  rgba: Uint8Array.from(bytes(seed)).map((v, i) => (i % 4 === 3 ? 255 : v)),
});

let net: Net;
let one: Photo;
let other: Photo;
beforeAll(async () => {
  const gpu = await testGpu();
  net = smallNet(gpu);
  one = Photo.fromRgba(gpu, imageOf(1));
  other = Photo.fromRgba(gpu, imageOf(2));
});
afterAll(() => {
  for (const owned of [one, other, net]) owned.destroy();
});

async function mapsOf(method: string, photos: readonly Photo[], classes: readonly number[]) {
  const target = classTarget([...classes]);
  const result = await explain(net, photos, { method, target, options: quickOptions[method] });
  const all = await result.read();
  result.destroy();
  const size = all.length / photos.length;
  return photos.map((_, n) => all.subarray(n * size, (n + 1) * size));
}

const flopsOf = (method: string, photos: readonly Photo[]) =>
  planExplain(net, photos, {
    method,
    target: classTarget(photos.map((_, i) => i)),
    options: { ...quickOptions[method], batch: 4 },
  }).flops;

describe('several classes of one photo', () => {
  const asking = [...methods.values()].filter((m) => 'batch' in m.options).map((m) => m.name);

  test('there are methods that ask the network many times', () =>
    expect(asking.length).toBeGreaterThanOrEqual(9));

  for (const method of asking) {
    test(`${method}: as if each were explained alone`, async () => {
      const together = await mapsOf(method, [one, other, one], [0, 1, 2]);
      for (const [i, [photo, classId]] of (
        [
          [one, 0],
          [other, 1],
          [one, 2],
        ] as const
      ).entries()) {
        const [alone] = await mapsOf(method, [photo], [classId]);
        expect(relativeL2(together[i], alone), `image ${i}`).toBeLessThan(1e-5);
      }
      expect(relativeL2(together[2], together[0]), 'the classes differ').toBeGreaterThan(1e-3);
    });
  }

  for (const method of ['score-cam', 'rise', 'occlusion', 'lime']) {
    test(`${method}: the network is asked once for both`, () => {
      const [alone, both, two] = [[one], [one, one], [one, other]].map((p) => flopsOf(method, p));
      expect(two / alone).toBeGreaterThan(1.8);
      expect(both / alone).toBeLessThan(1.5);
    });
  }

  test('group-cam: groups are the class’s own, and each is asked about', () =>
    expect(flopsOf('group-cam', [one, one])).toBe(flopsOf('group-cam', [one, other])));
});
