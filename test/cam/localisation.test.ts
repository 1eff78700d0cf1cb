/**
 * Whether the heat lies on the animal it is asked for: over 50 held-out pictures of a cat and a dog, the maps of "cat" and of "dog" against
 * the animals' masks, for every method and both embedded nets. And whether the nets know their animals at all.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { explain, planExplain } from '../../src/cam/explain.js';
import { isOfPixels, type Method } from '../../src/cam/method.js';
import { optionsOf } from '../../src/cam/options.js';
import { predict } from '../../src/cam/predict.js';
import { methodNamed, methods } from '../../src/cam/registry.js';
import { classTarget } from '../../src/cam/target.js';
import { LayerError } from '../../src/errors.js';
import { energyShare } from '../../src/eval/index.js';
import { placeholder } from '../../src/gpu/value.js';
import { Photo } from '../../src/image/photo.js';
import { concat } from '../../src/kernels/concat.js';
import { Net } from '../../src/net/net.js';
import { Random } from '../../src/toy/random.js';
import { severalPets, singlePet, type ToyPicture, toyPetsClasses } from '../../src/toy/toypets.js';
import { testGpu, useGpu } from '../support/gpu.js';
import { quickOptions } from '../support/quick-options.js';

useGpu();

const nets = ['toy_vgg', 'toy_alexnet'];
const model = (name: string) =>
  new Uint8Array(readFileSync(fileURLToPath(new URL(`../../models/${name}`, import.meta.url))));

const side = 112;
const batch = 10;
const classes = ['cat', 'dog'].map((label) => toyPetsClasses.indexOf(label));
const [cat, dog] = classes;

/** Each with a cat and a dog, in that order. */
const pictures = Array.from({ length: 50 }, (_, i) => severalPets(i, { classIds: [cat, dog] }));

/** How many of the pictures a method is tried on: fewer where it takes many passes, or goes back to the pixels, on the other net. */
function picturesFor(net: string, method: Method): number {
  const { passes } = method;
  const isFirst = net === 'toy_vgg';
  if (passes === 'many') return isFirst ? 2 : 1;
  if (passes === 'several') return isFirst ? batch : 2;
  return isOfPixels(method) && !isFirst ? batch : pictures.length;
}

async function photosOf(list: readonly ToyPicture[]): Promise<Photo[]> {
  const gpu = await testGpu();
  return list.map(({ rgb, size }) => {
    const rgba = new Uint8Array(4 * size * size).fill(255);
    for (let i = 0; i < size * size; i++) rgba.set(rgb.subarray(3 * i, 3 * i + 3), 4 * i);
    return Photo.fromRgba(gpu, { width: size, height: size, rgba });
  });
}

/**
 * Several methods, each for several classes, as if they were one: its raw map [N * count, h, w] has for each picture the maps of the first
 * method by class, then those of the next. So one forward pass serves them all.
 */
function together(list: readonly Method[]): Method {
  return {
    ...list[0],
    name: 'together',
    options: {},
    record: (scene) => {
      const { recorder } = scene;
      const kTotal = list.length * classes.length;
      let whole: ReturnType<Method['record']> | undefined;
      list.forEach((method, m) => {
        classes.forEach((classId, c) => {
          const own = scene.about({ target: classTarget(classId) });
          const raw = method.record(own, optionsOf(method, optionsFor(method), 'paper'));
          const [N, ...size] = raw.shape;
          const x = raw.reshape([N, 1, ...size]);
          whole = recorder.k(
            concat,
            { x },
            { k0: m * classes.length + c, kTotal },
            { into: whole },
          );
        });
      });
      const [N, , ...size] = whole!.shape;
      return whole!.reshape([N * kTotal, ...size]);
    },
  };
}

/** How well the maps of one method lie. */
interface Score {
  /** Share of the maps that hold more energy on the right animal than on the other. */
  readonly right: number;
  /** Mean over the maps of the right animal's share of the energy on both animals. */
  readonly energy: number;
  readonly maps: number;
}

/** Energies on the two animals, and what it was that was asked for. */
class Tally {
  #right = 0;
  #energy = 0;
  #maps = 0;

  /** @param map [side, side] of `classes[wanted]` over the picture */
  add(map: Float32Array, { animals }: ToyPicture, wanted: number): void {
    // A blank map's is 0, and counts as wrong.
    const share = energyShare(map, animals[wanted].mask, animals[1 - wanted].mask);
    this.#maps++;
    if (share > 0.5) this.#right++;
    this.#energy += share;
  }

  get score(): Score {
    const maps = this.#maps;
    return { right: this.#right / maps, energy: this.#energy / maps, maps };
  }
}

interface Measured {
  readonly scores: ReadonlyMap<string, Score>;
  /** The same maps, each held against the animal that was not asked for. */
  readonly swapped: ReadonlyMap<string, Score>;
  /** The cat's and the dog's map of the first picture, by method. */
  readonly first: ReadonlyMap<string, readonly Float32Array[]>;
  readonly allFinite: boolean;
}

/** Methods of many passes that are tried here; `npm run localisation` measures all of them. */
const tried = ['score-cam', 'group-cam', 'msg-cam'];
/** Of the maps at the pixels one: guided ones hardly depend on the class, and all go back through the whole network. */
const atPixels = ['gradient'];
const candidates = [...methods.values()].filter(
  (method) =>
    !method.suits &&
    (method.passes !== 'many' || tried.includes(method.name)) &&
    (!isOfPixels(method) || atPixels.includes(method.name)),
);
const optionsFor = ({ name }: Method) => quickOptions[name] ?? {};

/** The candidates that this network allows. */
const fitting = (net: Net) =>
  candidates.filter((method) => {
    try {
      planExplain(net, placeholder([1, 3, side, side]), { method });
      return true;
    } catch (error) {
      if (error instanceof LayerError) return false;
      throw error;
    }
  });

/** Maps [side, side] of each of the photos and, by method and class, in the order of `list` and `classes`. */
async function mapsOf(net: Net, photos: Photo[], list: readonly Method[]): Promise<Float32Array[]> {
  const explained = await explain(net, photos, { method: together(list) });
  const all = await explained.read();
  explained.destroy();
  const size = side * side;
  return Array.from({ length: all.length / size }, (_, i) =>
    all.subarray(i * size, (i + 1) * size),
  );
}

/** Maps of a method whose raw maps cannot stand beside the others'. */
async function mapsAlone(net: Net, photos: Photo[], method: Method): Promise<Float32Array[]> {
  const size = side * side;
  const byClass: Float32Array[] = [];
  for (const classId of classes) {
    const explained = await explain(net, photos, {
      method,
      options: optionsFor(method),
      target: classTarget(classId),
    });
    byClass.push(await explained.read());
    explained.destroy();
  }
  return photos.flatMap((_, n) => byClass.map((all) => all.subarray(n * size, (n + 1) * size)));
}

async function measure(net: Net): Promise<Measured> {
  const list = fitting(net);
  const tallies = new Map(list.map(({ name }) => [name, new Tally()]));
  const swapped = new Map(list.map(({ name }) => [name, new Tally()]));
  const first = new Map<string, readonly Float32Array[]>();
  let allFinite = true;
  const take = (name: string, maps: readonly Float32Array[], n: number) => {
    if (n === 0) first.set(name, maps);
    maps.forEach((map, c) => {
      allFinite &&= map.every(Number.isFinite);
      tallies.get(name)!.add(map, pictures[n], c);
      swapped.get(name)!.add(map, pictures[n], 1 - c);
    });
  };
  for (let start = 0; start < pictures.length; start += batch) {
    const now = list.filter((method) => start < picturesFor(net.name, method));
    const photos = await photosOf(pictures.slice(start, start + batch));
    const [alone, beside] = [true, false].map((is) =>
      now.filter((method) => (isOfPixels(method) || method.passes !== 'one') === is),
    );
    const maps = await mapsOf(net, photos, beside);
    for (let n = 0; n < photos.length; n++) {
      beside.forEach(({ name }, m) => {
        take(
          name,
          classes.map((_, c) => maps[(n * beside.length + m) * classes.length + c]),
          start + n,
        );
      });
    }
    for (const method of alone) {
      const some = photos.slice(0, picturesFor(net.name, method) - start);
      const own = await mapsAlone(net, some, method);
      for (let n = 0; n < some.length; n++)
        take(method.name, own.slice(2 * n, 2 * n + 2), start + n);
    }
    for (const photo of photos) photo.destroy();
  }
  const scores = (of: Map<string, Tally>) =>
    new Map([...of].map(([name, { score }]) => [name, score]));
  return { scores: scores(tallies), swapped: scores(swapped), first, allFinite };
}

/** What a method must reach. */
type Floor = Pick<Score, 'right' | 'energy'>;

/**
 * Below what was measured on the first 100 pictures (right, energy; toy_vgg, then toy_alexnet), so that kernels of another order of
 * summation and nets trained again pass, and far above chance, which is 0.5 for both:
 *
 *   grad-cam           1.000 0.962   1.000 0.898
 *   xgrad-cam          1.000 0.962   1.000 0.906
 *   hires-cam          1.000 0.962   1.000 0.893
 *   cam                1.000 0.962   does not apply
 *   grad-cam++         1.000 0.816   1.000 0.774
 *   layer-cam          0.995 0.814   1.000 0.788
 *   smooth-grad-cam++  1.000 0.827   1.000 0.786    the first 10 pictures (of 20: 1.000 0.814   1.000 0.785)
 *   gradient           1.000 0.682   1.000 0.800    the first 10 pictures (of 20: 0.950 0.666   1.000 0.805)
 *   score-cam          1.000 0.931   1.000 0.915    the first 3 pictures
 *   eigen-cam          0.500 0.500   0.500 0.500    knows no class
 *
 * Methods that drop negative gradients leave more heat on the other animal. A method that is not named is held to the gradient's floor.
 */
const sharp: Floor = { right: 0.97, energy: 0.83 };
const positive: Floor = { right: 0.95, energy: 0.7 };
const speckled: Floor = { right: 0.85, energy: 0.6 };
const floors: Readonly<Record<string, Floor>> = {
  'grad-cam': sharp,
  'xgrad-cam': sharp,
  'hires-cam': sharp,
  cam: sharp,
  'grad-cam++': positive,
  'layer-cam': positive,
  'smooth-grad-cam++': positive,
};

/**
 * On the transformer's first 10 pictures. Partial LRP (0.50 right, 0.49 of the energy) hardly knows the class, and attention's Grad-CAM (0.65, 0.66)
 * a little: what relevance the last block's attention has is mostly about what is seen at all.
 */
const onTransformer = ['grad-cam', 'generic-attention', 'transformer-attribution'];

const reaches = (score: Score, floor: Floor) =>
  score.right >= floor.right && score.energy >= floor.energy;

const told = ({ right, energy, maps }: Score) =>
  `${(100 * right).toFixed(1)} % of ${maps} maps on the right animal, with ${(100 * energy).toFixed(1)} % of the energy`;

/** What a network says of held-out pictures. */
function testAnswers(of: () => Net): void {
  test('names at least 95 % of 100 held-out animals, and most of each class', async () => {
    const net = of();
    const wrong = toyPetsClasses.map(() => 0);
    for (let start = 0; start < 100; start += batch) {
      const list = Array.from({ length: batch }, (_, i) => singlePet(start + i));
      const photos = await photosOf(list);
      const guesses = await predict(net, photos, 1);
      guesses.forEach(([{ classId }], i) => {
        const { classId: truth } = list[i].animals[0];
        if (classId !== truth) wrong[truth]++;
      });
      for (const photo of photos) photo.destroy();
    }
    // Of 2,000 the nets miss 2 or 3; of 12 or 13 a class, one more than 10 % may be missed.
    expect(wrong.reduce((sum, n) => sum + n, 0)).toBeLessThanOrEqual(5);
    expect(Math.max(...wrong)).toBeLessThanOrEqual(2);
  });

  test('gives the logits that PyTorch gave in float64', async () => {
    const net = of();
    const cases: { kind: string; index: number; size: number; logits: Record<string, number[]> }[] =
      JSON.parse(new TextDecoder().decode(model('toy_logits.json')));
    expect(cases.length).toBeGreaterThanOrEqual(4);
    const photos = await photosOf(
      cases.map(({ kind, index, size }) =>
        kind === 'single' ? singlePet(index, { size }) : severalPets(index, { size }),
      ),
    );
    const guesses = await predict(net, photos, net.classes);
    for (const photo of photos) photo.destroy();
    cases.forEach(({ logits }, n) => {
      for (const { classId, logit } of guesses[n]) {
        // Measured: within 4e-6.
        expect(Math.abs(logit - logits[net.name][classId]), `picture ${n}`).toBeLessThan(5e-5);
      }
    });
  });
}

describe.each(nets)('%s', (name) => {
  let net: Net;
  let measured: Measured;

  beforeAll(async () => {
    net = Net.load(await testGpu(), undefined, model(`${name}.safetensors`));
    measured = await measure(net);
  }, 600_000);
  afterAll(() => net.destroy());

  test('explains by every method but those made for another kind of network', () => {
    const refused = candidates.map((m) => m.name).filter((method) => !measured.scores.has(method));
    expect(refused).toEqual(name === 'toy_vgg' ? [] : ['cam']);
    expect(measured.allFinite).toBe(true);
  });

  test.each(candidates.filter(({ usesTarget }) => usesTarget))(
    '$name of "cat" lies on the cat, of "dog" on the dog',
    (method) => {
      const score = measured.scores.get(method.name);
      if (!score) return; // refused, as tested above
      const floor = floors[method.name] ?? speckled;
      expect(score.maps).toBe(2 * picturesFor(name, method));
      expect(reaches(score, floor), told(score)).toBe(true);
      // The same check must refuse the same maps when the other animal is asked for.
      const other = measured.swapped.get(method.name)!;
      expect(reaches(other, speckled), told(other)).toBe(false);
    },
  );

  test.each(candidates.filter(({ usesTarget }) => !usesTarget))(
    '$name knows no class: its two maps are the same',
    ({ name: method }) => {
      const [ofCat, ofDog] = measured.first.get(method)!;
      expect(ofCat).toEqual(ofDog);
      expect(Math.max(...ofCat)).toBe(1);
      expect(reaches(measured.scores.get(method)!, speckled)).toBe(false);
    },
  );

  test('the maps that were measured are those that explain gives', async () => {
    const photos = await photosOf(pictures.slice(0, 1));
    for (const [c, classId] of classes.entries()) {
      const explained = await explain(net, photos, { target: classTarget(classId) });
      const map = await explained.read();
      explained.destroy();
      const other = measured.first.get('grad-cam')![c];
      expect(Math.max(...map.map((value, i) => Math.abs(value - other[i])))).toBeLessThan(1e-4);
    }
    for (const photo of photos) photo.destroy();
  });

  testAnswers(() => net);
});

test('maps that know nothing do not pass', () => {
  const random = new Random(1);
  const kinds = {
    noise: () => new Float32Array(side * side).map(() => random.between(0, 1)),
    even: () => new Float32Array(side * side).fill(0.5),
    blank: () => new Float32Array(side * side),
    // A round spot of an animal's size at a random place.
    spot: () => {
      const [x, y] = [random.between(0.2, 0.8) * side, random.between(0.2, 0.8) * side];
      return new Float32Array(side * side).map((_, i) =>
        Math.max(0, 1 - Math.hypot((i % side) - x, Math.floor(i / side) - y) / (0.25 * side)),
      );
    },
  };
  for (const [kind, draw] of Object.entries(kinds)) {
    const tally = new Tally();
    for (const picture of pictures) for (const c of classes.keys()) tally.add(draw(), picture, c);
    expect(reaches(tally.score, speckled), `${kind}: ${told(tally.score)}`).toBe(false);
    expect(tally.score.right).toBeLessThan(0.62);
  }
});

test('a map of the right animal alone does', () => {
  const tally = new Tally();
  for (const picture of pictures) {
    picture.animals.forEach(({ mask }, c) => {
      tally.add(Float32Array.from(mask), picture, c);
    });
  }
  expect(tally.score).toEqual({ right: 1, energy: 1, maps: 2 * pictures.length });
});

describe('toy_vit', () => {
  let net: Net;
  let photos: Photo[];
  const few = pictures.slice(0, batch);

  beforeAll(async () => {
    net = Net.load(await testGpu(), undefined, model('toy_vit.safetensors'));
    photos = await photosOf(few);
  });
  afterAll(() => {
    for (const photo of photos) photo.destroy();
    net.destroy();
  });

  testAnswers(() => net);

  test.each(onTransformer)('%s of "cat" lies on the cat, of "dog" on the dog', async (name) => {
    const maps = await mapsAlone(net, photos, methodNamed(name));
    const [right, other] = [new Tally(), new Tally()];
    maps.forEach((map, i) => {
      right.add(map, few[Math.floor(i / 2)], i % 2);
      other.add(map, few[Math.floor(i / 2)], 1 - (i % 2));
    });
    expect(reaches(right.score, sharp), told(right.score)).toBe(true);
    expect(reaches(other.score, speckled), told(other.score)).toBe(false);
  });
});
