import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { hash32, Random, valueNoise } from '../../src/toy/random.js';
import {
  above,
  curve,
  ellipse,
  intersection,
  polygon,
  rotation,
  type Shape,
  stroke,
} from '../../src/toy/shapes.js';
import { severalPets, singlePet, type ToyPicture, toyPetsClasses } from '../../src/toy/toypets.js';

const area = (mask: Uint8Array) => mask.reduce((sum, value) => sum + value, 0);

const digest = ({ rgb, animals }: ToyPicture) => {
  const hash = createHash('sha256').update(rgb);
  for (const { classId, box, mask } of animals) {
    hash.update(new Uint8Array([classId, ...box])).update(mask);
  }
  return hash.digest('hex').slice(0, 16);
};

/** Box by definition: least and greatest row and column of the mask. */
function boundsOf(mask: Uint8Array, size: number): number[] {
  const set = [...mask.keys()].filter((i) => mask[i] === 1);
  const columns = set.map((i) => i % size);
  const rows = set.map((i) => Math.floor(i / size));
  return [Math.min(...columns), Math.min(...rows), Math.max(...columns) + 1, Math.max(...rows) + 1];
}

describe('ToyPets pictures', () => {
  test('are the same bytes on every machine', () => {
    expect(digest(singlePet(0))).toBe('e71962a16b7dd307');
    expect(digest(singlePet(5, { split: 'train', size: 96 }))).toBe('d08a2780c584586f');
    expect(digest(severalPets(3))).toBe('0f802975a85d78b7');
    expect(digest(severalPets(7, { split: 'train', size: 128, classIds: [0, 1] }))).toBe(
      'd176c9c73f3320a5',
    );
    // every class and most poses, in one
    const all = createHash('sha256');
    for (let index = 0; index < 64; index++) all.update(singlePet(index, { size: 48 }).rgb);
    expect(all.digest('hex').slice(0, 16)).toBe('4e5fd00b16333292');
  });

  test('a digest sees one changed pixel', () => {
    const picture = singlePet(0);
    const before = digest(picture);
    picture.rgb[12345] ^= 1;
    expect(digest(picture)).not.toBe(before);
  });

  test('do not depend on what was drawn before', () => {
    const first = digest(severalPets(11));
    singlePet(4);
    severalPets(12);
    expect(digest(severalPets(11))).toBe(first);
  });

  test('use no function whose last bits differ between engines', () => {
    for (const name of ['random', 'shapes', 'pen', 'furry', 'others', 'scenery', 'toypets']) {
      const text = readFileSync(new URL(`../../src/toy/${name}.ts`, import.meta.url), 'utf8');
      const source = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
      const used = [...source.matchAll(/Math\.(\w+)/g)].map(([, called]) => called);
      const exact = ['abs', 'ceil', 'floor', 'imul', 'max', 'min', 'sqrt'];
      expect(used.filter((called) => !exact.includes(called))).toEqual([]);
      expect(source).not.toMatch(/\*\*|Date|performance/);
    }
  });

  test('of the two splits, of both kinds and of neighbouring indices differ', () => {
    const seen = new Set<string>();
    for (let index = 0; index < 40; index++) {
      for (const split of ['train', 'test'] as const) {
        seen.add(digest(singlePet(index, { split, size: 32 })));
        seen.add(digest(severalPets(index, { split, size: 32 })));
      }
    }
    expect(seen.size).toBe(160);
  });

  test('show the same scene at another size', () => {
    for (const index of [0, 3, 6]) {
      const small = singlePet(index, { size: 64 });
      const large = singlePet(index, { size: 192 });
      expect(large.animals[0].classId).toBe(small.animals[0].classId);
      large.animals[0].box.forEach((edge, k) => {
        expect(Math.abs(edge / 3 - small.animals[0].box[k])).toBeLessThan(2);
      });
      const share = area(large.animals[0].mask) / 9 / area(small.animals[0].mask);
      expect(share).toBeGreaterThan(0.9);
      expect(share).toBeLessThan(1.1);
    }
  });

  test('are drawn quickly', () => {
    for (let index = 0; index < 16; index++) singlePet(index);
    const began = performance.now();
    for (let index = 0; index < 32; index++) severalPets(index);
    // 3 ms each on two shared cores; the bound leaves room for a busy machine
    expect((performance.now() - began) / 32).toBeLessThan(60);
  });
});

describe('singlePet', () => {
  test('goes round the classes in turn, cat and dog among at least six', () => {
    expect(toyPetsClasses.length).toBeGreaterThanOrEqual(6);
    expect(toyPetsClasses).toContain('cat');
    expect(toyPetsClasses).toContain('dog');
    expect(new Set(toyPetsClasses).size).toBe(toyPetsClasses.length);
    for (let index = 0; index < 2 * toyPetsClasses.length; index++) {
      const { animals } = singlePet(index, { size: 32 });
      expect(animals).toHaveLength(1);
      expect(animals[0].classId).toBe(index % toyPetsClasses.length);
      expect(animals[0].label).toBe(toyPetsClasses[animals[0].classId]);
    }
  });

  test('draws the class it is asked for, on the same ground', () => {
    const made = toyPetsClasses.map((_, classId) => singlePet(9, { size: 64, classId }));
    expect(made.map(({ animals }) => animals[0].classId)).toEqual([...toyPetsClasses.keys()]);
    expect(new Set(made.map(digest)).size).toBe(toyPetsClasses.length);
  });

  test('every class is plainly there: a good part of the picture, in more than one colour', () => {
    for (let index = 0; index < 25 * toyPetsClasses.length; index++) {
      const size = 112;
      const { rgb, animals } = singlePet(index, { split: index % 2 ? 'train' : 'test', size });
      const { mask, label } = animals[0];
      const share = area(mask) / mask.length;
      expect(share, `${label} ${index}`).toBeGreaterThan(0.03);
      expect(share, `${label} ${index}`).toBeLessThan(0.6);
      const shades = new Set<number>();
      for (let i = 0; i < mask.length; i++) {
        if (mask[i]) shades.add((rgb[3 * i] + rgb[3 * i + 1] + rgb[3 * i + 2]) >> 4);
      }
      expect(shades.size, `${label} ${index}`).toBeGreaterThan(8);
    }
  });
});

describe('severalPets', () => {
  test('shows two or three animals of different classes, each well in sight', () => {
    const drawn = toyPetsClasses.map(() => 0);
    let threes = 0;
    for (let index = 0; index < 200; index++) {
      const size = 112;
      const { animals } = severalPets(index, { split: index % 2 ? 'train' : 'test', size });
      const ids = animals.map(({ classId }) => classId);
      expect([2, 3]).toContain(ids.length);
      expect(new Set(ids).size).toBe(ids.length);
      if (ids.length === 3) threes++;
      for (const { classId, mask } of animals) {
        drawn[classId]++;
        expect(area(mask), `${toyPetsClasses[classId]} ${index}`).toBeGreaterThan(
          0.015 * size * size,
        );
      }
    }
    expect(threes).toBeGreaterThan(15);
    expect(threes).toBeLessThan(80);
    const mean = drawn.reduce((sum, n) => sum + n, 0) / drawn.length;
    for (const n of drawn) expect(Math.abs(n - mean)).toBeLessThan(0.5 * mean);
  });

  test('boxes are the bounds of masks, and no pixel shows two animals', () => {
    for (let index = 0; index < 30; index++) {
      const { size, rgb, animals } = severalPets(index, { size: 96 });
      expect(rgb).toHaveLength(3 * size * size);
      const owners = new Uint8Array(size * size);
      for (const { box, mask } of animals) {
        expect(mask).toHaveLength(size * size);
        expect(mask.every((value) => value === 0 || value === 1)).toBe(true);
        expect(box).toEqual(boundsOf(mask, size));
        for (let i = 0; i < mask.length; i++) owners[i] += mask[i];
      }
      expect(Math.max(...owners)).toBe(1);
    }
  });

  test('draws the classes it is asked for, in either place', () => {
    let catOnTheLeft = 0;
    for (let index = 0; index < 40; index++) {
      const { animals } = severalPets(index, { size: 64, classIds: [0, 1] });
      expect(animals.map(({ label }) => label)).toEqual(['cat', 'dog']);
      if (animals[0].box[0] < animals[1].box[0]) catOnTheLeft++;
    }
    expect(catOnTheLeft).toBeGreaterThan(8);
    expect(catOnTheLeft).toBeLessThan(32);
    const twins = severalPets(0, { size: 64, classIds: [3, 3, 3, 3] });
    expect(twins.animals.map(({ classId }) => classId)).toEqual([3, 3, 3, 3]);
  });
});

test('bad indices, sizes, splits and classes are refused with one clear line', () => {
  expect(() => singlePet(-1)).toThrow('singlePet: index -1 should be a whole number');
  expect(() => singlePet(0.5)).toThrow('index 0.5');
  expect(() => severalPets(2 ** 30)).toThrow('index 1073741824');
  expect(() => singlePet(0, { size: 15 })).toThrow('size 15 should be');
  expect(() => singlePet(0, { size: 2049 })).toThrow('size 2049');
  expect(() => singlePet(0, { classId: 8 })).toThrow('singlePet: class 8 should be 0 to 7');
  expect(() => severalPets(0, { classIds: [0, -1] })).toThrow('severalPets: class -1');
  expect(() => severalPets(0, { classIds: [] })).toThrow('0 classes given');
  expect(() => severalPets(0, { classIds: [0, 0, 0, 0, 0] })).toThrow('5 classes given');
  // @ts-expect-error: what a JavaScript caller may do
  expect(() => singlePet(0, { split: 'val' })).toThrow("split val should be 'train' or 'test'");
});

describe('what the pictures are made of', () => {
  test('hash32 is a bijection where it is tried, and spreads', () => {
    const seen = new Set<number>();
    for (let i = 0; i < 20_000; i++) seen.add(hash32(i));
    expect(seen.size).toBe(20_000);
  });

  test('Random is even, in range, and its own for each seed', () => {
    const random = new Random(5);
    const counts = new Array(10).fill(0);
    for (let i = 0; i < 10_000; i++) counts[random.below(10)]++;
    // 5 standard deviations of a binomial with n = 10,000, p = 0.1
    for (const n of counts) expect(Math.abs(n - 1000)).toBeLessThan(150);
    expect(new Random(6).bits()).not.toBe(new Random(5).bits());
    expect(new Random(1).shuffled([1, 2, 3, 4]).sort()).toEqual([1, 2, 3, 4]);
  });

  test('noise is continuous and within 0..1', () => {
    for (let i = 0; i < 500; i++) {
      const x = -3 + i * 0.013;
      const value = valueNoise(9, x, 1.7);
      expect(value).toBeGreaterThanOrEqual(0);
      expect(value).toBeLessThanOrEqual(1);
      expect(Math.abs(valueNoise(9, x + 1e-4, 1.7) - value)).toBeLessThan(1e-3);
    }
  });

  test('rotation is on the unit circle; half tangent 1 is a quarter turn', () => {
    for (const t of [-3, -0.4, 0, 0.2, 1, 7]) {
      const [cos, sin] = rotation(t);
      expect(cos * cos + sin * sin).toBeCloseTo(1, 12);
    }
    expect(rotation(1)).toEqual([0, 1]);
  });

  test('distances are right where geometry tells them', () => {
    const disc = ellipse(1, 2, 3, 3);
    expect(disc.distance(1, 2)).toBeCloseTo(-3);
    expect(disc.distance(6, 2)).toBeCloseTo(2);
    const oval = ellipse(0, 0, 4, 1, 1); // a quarter turn: the long axis is upright
    expect(oval.distance(0, 4)).toBeCloseTo(0);
    expect(oval.distance(1, 0)).toBeCloseTo(0);
    const rod = stroke([0, 0, 1], [4, 0, 2]);
    expect(rod.distance(2, 5)).toBeCloseTo(3.5);
    expect(rod.distance(-3, 0)).toBeCloseTo(2);
    const square = polygon(
      [
        [0, 0],
        [4, 0],
        [4, 4],
        [0, 4],
      ],
      0.5,
    );
    expect(square.distance(2, 2)).toBeCloseTo(-2.5);
    expect(square.distance(7, 8)).toBeCloseTo(4.5);
    expect(above(0, disc).distance(1, 2)).toBeCloseTo(2);
    expect(intersection(ellipse(-1, 0, 2, 2), ellipse(1, 0, 2, 2)).distance(0, 0)).toBeCloseTo(-1);
  });

  test('boxes hold their shapes', () => {
    const shapes: Shape[] = [
      ellipse(0.2, -0.1, 1.2, 0.4, 0.3),
      stroke([-1, 0, 0.3], [0.5, 0.5, 0.1], [1, -1, 0.2]),
      curve([-1, 0, 0.2], [0, 3], [1, 0, 0.1]),
      polygon(
        [
          [-1, -1],
          [1, 0],
          [0, 1],
        ],
        0.2,
      ),
    ];
    for (const { box, distance } of shapes) {
      for (let x = -3; x < 3; x += 0.05) {
        for (let y = -3; y < 3; y += 0.05) {
          if (x < box[0] || x > box[2] || y < box[1] || y > box[3]) {
            expect(distance(x, y)).toBeGreaterThan(-1e-9);
          }
        }
      }
    }
  });
});
