import { severalPets, singlePet, type ToyPicture, toyPetsClasses } from '../toy/toypets.js';
import type { LocalisationCase } from './localisation.js';

/** The first held-out ToyPets with one animal, asked for its class: a case a picture, the classes in turn. */
export const onePetCases = (pictures: number): LocalisationCase[] =>
  Array.from({ length: pictures }, (_, i) => casesOf(singlePet(i))).flat();

/** The first held-out ToyPets with two animals of different classes, each asked for: two cases a picture, all pairs of classes in turn. */
export function twoPetCases(pictures: number): LocalisationCase[] {
  const count = toyPetsClasses.length;
  return Array.from({ length: pictures }, (_, i) => {
    const one = i % count;
    const apart = 1 + (Math.floor(i / count) % (count - 1));
    return casesOf(severalPets(i, { classIds: [one, (one + apart) % count] }));
  }).flat();
}

/** A case for each of a picture's animals. */
function casesOf({ rgb, size, animals }: ToyPicture): LocalisationCase[] {
  const rgba = new Uint8Array(4 * size * size).fill(255);
  for (let i = 0; i < size * size; i++) rgba.set(rgb.subarray(3 * i, 3 * i + 3), 4 * i);
  const image = { width: size, height: size, rgba };
  return animals.map(({ classId, mask }, own) => {
    const rivals = animals.filter((_, other) => other !== own);
    if (rivals.length === 0) return { image, classId, mask };
    const rival = mask.map((_, i) => Number(rivals.some((animal) => animal.mask[i])));
    return { image, classId, mask, rival };
  });
}
