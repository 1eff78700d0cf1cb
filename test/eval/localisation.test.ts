import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { explain } from '../../src/cam/explain.js';
import { gradCam } from '../../src/cam/grad-cam.js';
import type { Method } from '../../src/cam/method.js';
import { methodNamed } from '../../src/cam/registry.js';
import { classTarget } from '../../src/cam/target.js';
import { LayerError, ShapeError, TargetError } from '../../src/errors.js';
import {
  energyShare,
  judgeMaps,
  LocalisationTally,
  onePetCases,
  pointsAt,
  twoPetCases,
} from '../../src/eval/index.js';
import { Photo } from '../../src/image/photo.js';
import { Net } from '../../src/net/net.js';
import { testGpu, useGpu } from '../support/gpu.js';

useGpu();

const left = [1, 1, 0, 0];
const right = [0, 0, 1, 0];

describe('energyShare', () => {
  test('is the part of the sum that lies in the mask', () => {
    expect(energyShare([1, 2, 3, 2], left)).toBe(3 / 8);
    expect(energyShare([0, 0, 5, 0], left)).toBe(0);
    expect(energyShare([1, 1, 0, 0], left)).toBe(1);
  });

  test('beside a rival leaves out what lies on neither', () => {
    expect(energyShare([1, 2, 3, 2], left, right)).toBe(3 / 6);
    expect(energyShare([0, 0, 0, 7], left, right)).toBe(0);
  });

  test('of a map without energy, or that is not finite, is 0', () => {
    expect(energyShare([0, 0, 0, 0], left)).toBe(0);
    expect(energyShare([1, Number.NaN, 0, 0], left)).toBe(0);
    expect(energyShare([Number.POSITIVE_INFINITY, 0, 0, 0], left)).toBe(0);
  });

  test('refuses a mask of another size', () => {
    expect(() => energyShare([1, 2], left)).toThrow(ShapeError);
    expect(() => energyShare([1, 2, 3, 4], left, [1])).toThrow(/has 1 pixels, the map 4/);
  });
});

describe('pointsAt', () => {
  test('asks where the highest pixel is', () => {
    expect(pointsAt([0, 9, 8, 8], left)).toBe(true);
    expect(pointsAt([0, 8, 9, 8], left)).toBe(false);
  });

  test('takes the first of equals', () => {
    expect(pointsAt([0, 9, 9, 9], left)).toBe(true);
    expect(pointsAt([0, 9, 9, 9], right)).toBe(false);
  });

  test('misses with a map that is even or not a number', () => {
    for (const value of [0, 0.5, 1, Number.NaN]) {
      expect(pointsAt(new Array(4).fill(value), [1, 1, 1, 1])).toBe(false);
    }
    expect(pointsAt([9, Number.NaN, 0, 0], [1, 1, 1, 1])).toBe(false);
  });

  test('refuses a mask of another size', () => {
    expect(() => pointsAt([1, 2, 3], left)).toThrow(ShapeError);
  });
});

describe('LocalisationTally', () => {
  test('gives means over the maps, and counts blank ones as misses', () => {
    const tally = new LocalisationTally();
    tally.add([3, 1, 0, 4], { mask: left, rival: right });
    tally.add([0, 1, 3, 0], { mask: left, rival: right });
    tally.add([0, 0, 0, 0], { mask: left, rival: right });
    tally.add([4, 0, 0, 4], { mask: left });
    expect(tally.score).toEqual({
      maps: 4,
      energy: (4 / 8 + 1 / 4 + 0 + 4 / 8) / 4,
      energyOfBoth: (1 + 1 / 4 + 0) / 3,
      points: 1 / 4,
      blank: 1,
    });
  });

  test('of nothing is 0, not NaN', () => {
    expect(new LocalisationTally().score).toEqual({ maps: 0, energy: 0, points: 0, blank: 0 });
  });
});

describe('ToyPets', () => {
  test('with one animal: each class in turn, its mask over the picture', () => {
    const cases = onePetCases(9);
    expect(cases.map(({ classId }) => classId)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 0]);
    for (const { image, mask, rival } of cases) {
      expect(rival).toBeUndefined();
      expect(mask).toHaveLength(image.width * image.height);
      expect(image.rgba).toHaveLength(4 * mask.length);
    }
  });

  test('with two: each asked for, the other its rival, and every pair of classes comes', () => {
    const cases = twoPetCases(56);
    expect(cases).toHaveLength(112);
    const pairs = new Set<string>();
    for (let i = 0; i < cases.length; i += 2) {
      const [a, b] = cases.slice(i, i + 2);
      expect(a.image).toBe(b.image);
      expect(Array.from(b.mask)).toEqual(Array.from(a.rival!));
      expect(Array.from(a.mask)).toEqual(Array.from(b.rival!));
      expect(energyShare(Float32Array.from(a.mask), b.mask)).toBe(0);
      expect(a.classId).not.toBe(b.classId);
      pairs.add(`${a.classId} ${b.classId}`);
    }
    expect(pairs.size).toBe(56);
  });
});

describe('judgeMaps', () => {
  let net: Net;
  beforeAll(async () => {
    const path = fileURLToPath(new URL('../../models/toy_vgg.safetensors', import.meta.url));
    net = Net.load(await testGpu(), undefined, new Uint8Array(readFileSync(path)));
  });
  afterAll(() => net.destroy());

  /** The maps one by one, each for its class. */
  async function scored(cases: ReturnType<typeof onePetCases>) {
    const tally = new LocalisationTally();
    for (const one of cases) {
      const photo = Photo.fromRgba(await testGpu(), one.image);
      const explained = await explain(net, photo, { target: classTarget(one.classId) });
      tally.add(await explained.read(), one);
      explained.destroy();
      photo.destroy();
    }
    return tally.score;
  }

  test('scores each set by the maps that explain gives, whatever the batch', async () => {
    const sets = [onePetCases(1), twoPetCases(1)];
    const expected = [await scored(sets[0]), await scored(sets[1])];
    expect(expected[1]).toMatchObject({ maps: 2, blank: 0 });
    expect(expected[1].energyOfBoth).toBeGreaterThan(0.8);
    const { liveBytes } = await testGpu();
    for (const batch of [1, 20]) {
      const progress: number[] = [];
      const onProgress = (done: number) => progress.push(done);
      const { scores, msPerMap } = await judgeMaps(net, gradCam, sets, { batch, onProgress });
      expect(progress).toEqual(batch === 1 ? [1, 2, 3] : [1, 3]);
      expect(msPerMap).toBeGreaterThan(0);
      scores.forEach((score, s) => {
        const { energy, energyOfBoth, ...counts } = score;
        expect(counts).toEqual({ maps: s + 1, points: expected[s].points, blank: 0 });
        expect(energy).toBeCloseTo(expected[s].energy, 4);
        if (s === 0) expect(energyOfBoth).toBeUndefined();
        else expect(energyOfBoth).toBeCloseTo(expected[s].energyOfBoth!, 4);
      });
    }
    expect((await testGpu()).liveBytes).toBe(liveBytes);
  });

  test('of a map with a sign takes what speaks for the class', async () => {
    const [one] = onePetCases(1);
    const photo = Photo.fromRgba(await testGpu(), one.image);
    const method = methodNamed('gradient-x-input');
    const explained = await explain(net, photo, { method, target: classTarget(one.classId) });
    const map = await explained.read();
    explained.destroy();
    photo.destroy();
    const above = map.map((v) => Math.max(0, v - 0.5));
    const { scores } = await judgeMaps(net, method, [[one]]);
    expect(scores[0].energy).toBeCloseTo(energyShare(above, one.mask), 4);
    expect(Math.abs(scores[0].energy - energyShare(map, one.mask))).toBeGreaterThan(0.05);
  });

  test('asks for the class of the case: the other animal’s class gives another score', async () => {
    const [cat, dog] = twoPetCases(1);
    const swapped = [
      { ...cat, classId: dog.classId },
      { ...dog, classId: cat.classId },
    ];
    const { scores } = await judgeMaps(net, gradCam, [[cat, dog], swapped]);
    expect(scores[0].energyOfBoth).toBeGreaterThan(0.8);
    expect(scores[1].energyOfBoth).toBeLessThan(0.2);
  });

  test('counts what the method refuses as blank, and throws if it refuses everything', async () => {
    const cases = onePetCases(3);
    // As a method that finds it cannot answer for a class: class 1 here.
    const picky: Method = {
      ...gradCam,
      record: (scene, options) => {
        if (scene.target.description.includes('1')) throw new TargetError('not class 1');
        return gradCam.record(scene, options);
      },
    };
    const [all] = (await judgeMaps(net, gradCam, [cases])).scores;
    const { scores, msPerMap } = await judgeMaps(net, picky, [cases], { batch: 2 });
    const refused = (await judgeMaps(net, gradCam, [[cases[1]]])).scores[0];
    expect(scores[0]).toMatchObject({ maps: 3, blank: 1 });
    expect(scores[0].energy).toBeCloseTo(all.energy - refused.energy / 3, 4);
    expect(msPerMap).toBeGreaterThan(0);
    await expect(judgeMaps(net, picky, [[cases[1]]])).rejects.toThrow('not class 1');
  });

  test('passes options on and refuses what does not fit', async () => {
    const cases = onePetCases(1);
    await expect(judgeMaps(net, gradCam, [cases], { options: { colour: 'red' } })).rejects.toThrow(
      LayerError,
    );
    await expect(judgeMaps(net, gradCam, [cases], { batch: 0 })).rejects.toThrow(RangeError);
    await expect(judgeMaps(net, gradCam, [[{ ...cases[0], mask: [1] }]])).rejects.toThrow(
      ShapeError,
    );
    await expect(judgeMaps(net, gradCam, [cases], { signal: AbortSignal.abort() })).rejects.toThrow(
      /abort/i,
    );
    const described = Net.describe('toy_vgg');
    await expect(judgeMaps(described, gradCam, [cases])).rejects.toThrow(/no weights/);
  });
});
