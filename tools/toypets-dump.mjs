// Writes ToyPets as raw bytes for Python, or any other program:
//
//   node tools/toypets-dump.mjs FOLDER [--single-train N] [--several-train N] [--single-test N]
//                                      [--several-test N] [--catdog-test N] [--size 112]
//
// Each set asked for holds the pictures 0..N-1 of its kind and split (catdog: one cat and one dog). FOLDER gets
// <set>.rgb (uint8 [N, size, size, 3]), <set>.masks (uint8 [N, size, size]: 0 no animal, k + 1 the picture's
// animal k) and <set>.json (size, classes, and per picture its animals' class ids and boxes).
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const bundle = await build({
  entryPoints: [fileURLToPath(new URL('../src/toy/toypets.ts', import.meta.url))],
  bundle: true,
  format: 'esm',
  write: false,
});
const code = Buffer.from(bundle.outputFiles[0].text).toString('base64');
const { singlePet, severalPets, toyPetsClasses } = await import(
  `data:text/javascript;base64,${code}`
);

const catAndDog = ['cat', 'dog'].map((label) => toyPetsClasses.indexOf(label));
const sets = {
  'single-train': (index, size) => singlePet(index, { split: 'train', size }),
  'several-train': (index, size) => severalPets(index, { split: 'train', size }),
  'single-test': (index, size) => singlePet(index, { split: 'test', size }),
  'several-test': (index, size) => severalPets(index, { split: 'test', size }),
  'catdog-test': (index, size) => severalPets(index, { split: 'test', size, classIds: catAndDog }),
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: Object.fromEntries(
    ['size', ...Object.keys(sets)].map((name) => [name, { type: 'string', default: '0' }]),
  ),
});
if (positionals.length !== 1) {
  console.error(
    `usage: node tools/toypets-dump.mjs FOLDER [--size 112] [--${Object.keys(sets)[0]} N] ...`,
  );
  process.exit(2);
}
const [folder] = positionals;
const size = Number(values.size) || 112;

mkdirSync(folder, { recursive: true });
for (const [set, picture] of Object.entries(sets)) {
  const count = Number(values[set]);
  if (!count) continue;
  const name = join(folder, set.replace('-', '_'));
  const rgb = openSync(`${name}.rgb`, 'w');
  const masks = openSync(`${name}.masks`, 'w');
  const pictures = [];
  const began = performance.now();
  for (let index = 0; index < count; index++) {
    const made = picture(index, size);
    const owners = new Uint8Array(size * size);
    made.animals.forEach(({ mask }, k) => {
      for (let i = 0; i < mask.length; i++) if (mask[i]) owners[i] = k + 1;
    });
    writeSync(rgb, made.rgb);
    writeSync(masks, owners);
    pictures.push({
      classIds: made.animals.map(({ classId }) => classId),
      boxes: made.animals.map(({ box }) => box),
    });
  }
  closeSync(rgb);
  closeSync(masks);
  writeFileSync(`${name}.json`, JSON.stringify({ size, classes: toyPetsClasses, pictures }));
  const each = (performance.now() - began) / count;
  console.error(`${set}: ${count} pictures, ${each.toFixed(2)} ms each`);
}
