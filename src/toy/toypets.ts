/**
 * ToyPets: pictures of toy animals made by formula, each animal with its class, box and mask. They are what the
 * embedded nets were trained on, and what a fresh clone explains when it has no photo at hand.
 *
 * A picture is fixed by kind, split, index and size, and is the same to the byte on every machine. Another size
 * shows the same scene, sharper or coarser.
 */
import { drawCat, drawDog, drawRabbit } from './furry.js';
import { drawBird, drawButterfly, drawFish, drawSnail, drawTurtle } from './others.js';
import { Canvas, Pen } from './pen.js';
import { hash32, Random } from './random.js';
import { develop, paintClutter, paintGround, paintShadow } from './scenery.js';

const animals = [
  { label: 'cat', draw: drawCat, standsOnGround: true },
  { label: 'dog', draw: drawDog, standsOnGround: true },
  { label: 'rabbit', draw: drawRabbit, standsOnGround: true },
  { label: 'bird', draw: drawBird, standsOnGround: true },
  { label: 'fish', draw: drawFish, standsOnGround: false },
  { label: 'turtle', draw: drawTurtle, standsOnGround: false },
  { label: 'snail', draw: drawSnail, standsOnGround: true },
  { label: 'butterfly', draw: drawButterfly, standsOnGround: false },
];

/** The names of the classes; a class id is an index into them. */
export const toyPetsClasses: readonly string[] = animals.map(({ label }) => label);

/** Pictures for training and for measuring share no seed. */
export type ToyPetsSplit = 'train' | 'test';

/** One animal in a picture. */
export interface ToyPet {
  /** Index into `toyPetsClasses`. */
  classId: number;
  label: string;
  /** The smallest box around the mask, in pixels: [x0, y0, x1, y1), the last two exclusive. */
  box: [x0: number, y0: number, x1: number, y1: number];
  /** [size, size], row by row: 1 where this animal is what one sees, else 0. */
  mask: Uint8Array;
}

/** A picture with all the animals in it. */
export interface ToyPicture {
  /** [size, size, 3] bytes, row by row. */
  rgb: Uint8Array;
  /** Width and height in pixels. */
  size: number;
  /** From back to front. */
  animals: ToyPet[];
}

/** Which picture of a kind. */
export interface ToyPictureOptions {
  /** Default `test`. */
  split?: ToyPetsSplit;
  /** Width and height in pixels, 16..2048; default 112, the toy nets' input size. */
  size?: number;
}

/**
 * Picture `index` of those with one animal; its class is `index` modulo the number of classes unless `classId`
 * names another. Throws a RangeError for an index, size or class that is not a whole number in range.
 */
export function singlePet(
  index: number,
  { split = 'test', size = 112, classId }: ToyPictureOptions & { classId?: number } = {},
): ToyPicture {
  const random = start('singlePet', index, split, size, 1);
  const id = classId ?? index % animals.length;
  checkClass('singlePet', id);
  const scale = random.between(0.27, 0.44);
  const roam = 0.5 - 0.88 * scale;
  const x = 0.5 + random.between(-roam, roam);
  const y = 0.5 + random.between(-roam, roam);
  return paint(random, size, [{ id, x, y, scale }]);
}

/**
 * Picture `index` of those with several animals: the classes of `classIds` (one to four of them, repeats
 * allowed), or else two, now and then three, different ones. Throws a RangeError as `singlePet` does.
 */
export function severalPets(
  index: number,
  {
    split = 'test',
    size = 112,
    classIds,
  }: ToyPictureOptions & { classIds?: readonly number[] } = {},
): ToyPicture {
  const random = start('severalPets', index, split, size, 2);
  const drawn = random.shuffled(animals.map((_, id) => id)).slice(0, random.chance(0.2) ? 3 : 2);
  const ids = classIds ?? drawn;
  if (ids.length < 1 || ids.length > 4) {
    throw new RangeError(`severalPets: ${ids.length} classes given, one to four fit in a picture`);
  }
  for (const id of ids) checkClass('severalPets', id);
  const places = random.pick(ids.length > 2 ? CORNERS : PAIRS);
  const mirror = random.chance(0.5);
  const [low, high] = ids.length > 2 ? [0.19, 0.24] : [0.22, 0.3];
  const placed = random
    .shuffled(places)
    .slice(0, ids.length)
    .map(([x, y], i) => ({
      id: ids[i],
      x: (mirror ? 1 - x : x) + random.between(-0.025, 0.025),
      y: y + random.between(-0.04, 0.04),
      scale: random.between(low, high),
    }));
  return paint(random, size, placed);
}

// Middles of animals that keep clear of each other.
const PAIRS: readonly (readonly (readonly [number, number])[])[] = [
  [
    [0.27, 0.5],
    [0.73, 0.5],
  ],
  [
    [0.27, 0.33],
    [0.73, 0.67],
  ],
  [
    [0.28, 0.62],
    [0.72, 0.38],
  ],
  [
    [0.46, 0.27],
    [0.54, 0.73],
  ],
];
const CORNERS: typeof PAIRS = [
  [
    [0.25, 0.26],
    [0.75, 0.25],
    [0.26, 0.74],
    [0.74, 0.75],
  ],
  [
    [0.5, 0.24],
    [0.24, 0.5],
    [0.76, 0.52],
    [0.5, 0.77],
  ],
];

interface Placed {
  id: number;
  x: number;
  y: number;
  /** Half the animal's width, in picture widths. */
  scale: number;
}

function paint(random: Random, size: number, placed: readonly Placed[]): ToyPicture {
  const canvas = new Canvas(size);
  paintGround(canvas, random);
  const light = [random.between(-0.16, 0.16), random.between(-0.2, 0.02)] as const;
  const outline = random.chance(0.55) ? random.between(0.02, 0.045) : 0;
  const ground = Pen.over(canvas, { owner: -1, outline: 0, light });
  paintClutter(ground, random, random.below(9), [0.03, 0.12]);
  placed.forEach(({ id, x, y, scale }, owner) => {
    const { draw, standsOnGround } = animals[id];
    if (standsOnGround && random.chance(0.75)) {
      paintShadow(ground, x, y + 0.9 * scale, scale, random);
    }
    const tilt = random.between(-0.13, 0.13) * (standsOnGround ? 1 : 2.2);
    const flip = random.chance(0.5) ? -1 : 1;
    const wide = scale * random.between(0.92, 1.08);
    draw(ground.with({ owner, outline }).at(x, y, flip * wide, scale, tilt), random);
  });
  paintClutter(ground, random, random.below(3), [0.02, 0.045]);
  const rgb = develop(canvas, random);
  return { rgb, size, animals: placed.map(({ id }, owner) => found(canvas, owner, id)) };
}

function found({ size, owner }: Canvas, index: number, classId: number): ToyPet {
  const mask = new Uint8Array(size * size);
  let [x0, y0, x1, y1] = [size, size, 0, 0];
  for (let i = 0; i < mask.length; i++) {
    if (owner[i] !== index) continue;
    mask[i] = 1;
    const x = i % size;
    const y = (i - x) / size;
    x0 = Math.min(x0, x);
    y0 = Math.min(y0, y);
    x1 = Math.max(x1, x + 1);
    y1 = Math.max(y1, y + 1);
  }
  return { classId, label: toyPetsClasses[classId], box: [x0, y0, x1, y1], mask };
}

function start(
  name: string,
  index: number,
  split: ToyPetsSplit,
  size: number,
  kind: number,
): Random {
  if (!Number.isInteger(index) || index < 0 || index >= 1 << 30) {
    throw new RangeError(`${name}: index ${index} should be a whole number from 0 to 2^30 - 1`);
  }
  if (!Number.isInteger(size) || size < 16 || size > 2048) {
    throw new RangeError(`${name}: size ${size} should be a whole number from 16 to 2048`);
  }
  if (split !== 'train' && split !== 'test') {
    throw new RangeError(`${name}: split ${split} should be 'train' or 'test'`);
  }
  // hash32 is a bijection, so that the seeds of the two splits, 2 index and 2 index + 1, never meet.
  const seed = hash32((2 * index + (split === 'test' ? 1 : 0)) >>> 0);
  return new Random(kind === 1 ? seed : ~seed);
}

function checkClass(name: string, id: number): void {
  if (!Number.isInteger(id) || id < 0 || id >= animals.length) {
    throw new RangeError(`${name}: class ${id} should be 0 to ${animals.length - 1}`);
  }
}
