/**
 * The four-legged, furry ToyPets: cat, dog, rabbit. Each fits in -1..1 (y down) of the pen it gets and looks
 * to the right; bodies and coats are shared, so that head, ears and tail tell them apart, not colour.
 */
import { blend, type Coat, type Colour, type Pen } from './pen.js';
import { clamp, type Random, valueNoise } from './random.js';
import { above, curve, ellipse, type Joint, polygon, stroke } from './shapes.js';

const BLACK: Colour = [0.07, 0.06, 0.07];
const WHITE: Colour = [0.97, 0.96, 0.93];
const PINK: Colour = [0.93, 0.6, 0.62];

const FURS: readonly Colour[] = [
  [0.88, 0.56, 0.24], // ginger
  [0.55, 0.38, 0.24], // brown
  [0.56, 0.56, 0.6], // grey
  [0.22, 0.2, 0.22], // black
  [0.93, 0.9, 0.84], // white
  [0.86, 0.74, 0.54], // cream
  [0.66, 0.46, 0.34], // chestnut
  [0.42, 0.45, 0.52], // blue-grey
];

/** The colours of one animal's fur. */
interface Fur {
  base: Colour;
  dark: Colour;
  /** Muzzle, paws and belly. */
  pale: Colour;
  coat: Coat;
}

type Marking = 'plain' | 'stripes' | 'patches';

function fur(random: Random): Fur & { marking: Marking } {
  const tone = random.between(0.85, 1.12);
  const [r, g, b] = random.pick(FURS);
  const base: Colour = [clamp(r * tone), clamp(g * tone), clamp(b * tone)];
  const dark = blend(base, BLACK, random.between(0.3, 0.5));
  const pale = blend(base, WHITE, random.chance(0.6) ? random.between(0.5, 0.95) : 0.25);
  const marking = random.pick<Marking>(['plain', 'stripes', 'patches']);
  const seed = random.bits();
  const second = random.chance(0.5) ? dark : blend(base, random.pick(FURS), 0.8);
  const coats: Record<Marking, Coat> = {
    plain: {},
    stripes: {
      pattern: {
        colour: dark,
        amount: (x, y) => {
          const wave = x * 5 + 1.2 * valueNoise(seed, x * 3, y * 3);
          const near = Math.abs(wave - Math.floor(wave) - 0.5) * 2;
          return clamp((near - 0.55) * 5) * 0.8;
        },
      },
    },
    patches: {
      pattern: {
        colour: second,
        amount: (x, y) => clamp((valueNoise(seed, x * 2.6, y * 2.6) - 0.58) * 14),
      },
    },
  };
  return { base, dark, pale, marking, coat: coats[marking] };
}

/** Draws a head in -1..1 around its middle; `look` (-1..1) shifts the face to where the animal looks. */
type Head = (pen: Pen, look: number) => void;

/** What differs between the furry animals. */
interface Build {
  head: Head;
  /** Where the head sits when the animal stands, sits or shows its face only, and how large it is. */
  standing: readonly [x: number, y: number, scale: number];
  sitting: readonly [x: number, y: number, scale: number];
  portrait: readonly [x: number, y: number, scale: number];
  tailStanding(pen: Pen): void;
  tailSitting(pen: Pen): void;
  legs: number;
  girth: number;
}

function standing(pen: Pen, random: Random, coat: Fur, build: Build): void {
  const { base, dark, pale } = coat;
  const stride = random.between(-0.14, 0.14);
  const foot = 0.32 + build.legs;
  const leg = (x: number, swing: number, colour: Colour, paw: Colour) => {
    pen.fill(stroke([x, 0.2, 0.15], [x + swing, foot, 0.095]), colour);
    pen.fill(ellipse(x + swing + 0.05, foot + 0.05, 0.14, 0.085), paw);
  };
  build.tailStanding(pen);
  leg(-0.4, -stride, dark, dark);
  leg(0.34, stride, dark, dark);
  const g = build.girth;
  pen.fill(
    stroke([-0.42, 0.1, 0.32 * g], [0.0, 0.12, 0.28 * g], [0.32, 0.06, 0.3 * g]),
    base,
    coat.coat,
  );
  leg(-0.52, stride, base, pale);
  leg(0.26, -stride, base, pale);
  const [x, y, scale] = build.standing;
  pen.fill(stroke([0.34, 0.02, 0.22], [x - 0.05, y + 0.12, 0.2]), base);
  build.head(pen.at(x, y, scale, scale, random.between(-0.1, 0.1)), random.between(-0.2, 0.9));
}

function sitting(pen: Pen, random: Random, coat: Fur, build: Build): void {
  const { base, pale } = coat;
  build.tailSitting(pen);
  pen.fill(stroke([0, 0.1, 0.28], [0, 0.5, 0.46 * build.girth]), base, coat.coat);
  for (const side of [-1, 1]) pen.fill(ellipse(side * 0.38, 0.68, 0.2, 0.24), base, coat.coat);
  pen.fill(ellipse(0, 0.32, 0.2, 0.3), pale, { flat: true, opacity: 0.85 });
  for (const side of [-1, 1]) {
    pen.fill(stroke([side * 0.15, 0.36, 0.12], [side * 0.16, 0.84, 0.09]), base);
    pen.fill(ellipse(side * 0.18, 0.88, 0.14, 0.09), pale);
    pen.fill(ellipse(side * 0.44, 0.89, 0.17, 0.09), pale);
  }
  const [x, y, scale] = build.sitting;
  build.head(pen.at(x, y, scale, scale, random.between(-0.1, 0.1)), random.between(-0.7, 0.7));
}

function portrait(pen: Pen, random: Random, coat: Fur, build: Build): void {
  const [x, y, scale] = build.portrait;
  pen.fill(above(0.98, stroke([0, 0.5, 0.36], [0, 1.1, 0.62])), coat.base, coat.coat);
  pen.fill(above(0.97, ellipse(0, 0.95, 0.26, 0.36)), coat.pale, { flat: true, opacity: 0.8 });
  build.head(pen.at(x, y, scale, scale, random.between(-0.12, 0.12)), random.between(-0.8, 0.8));
}

function draw(pen: Pen, random: Random, coat: Fur, build: Build): void {
  random.pick([standing, standing, sitting, sitting, portrait])(pen, random, coat, build);
}

function eye(pen: Pen, x: number, y: number, r: number, iris: Colour, pupil: number): void {
  pen.fill(ellipse(x, y, r + 0.05, r + 0.06), BLACK, { flat: true });
  pen.fill(ellipse(x, y, r, r + 0.02), iris, { flat: true });
  pen.fill(ellipse(x, y, r * pupil, r * 0.88), BLACK, { flat: true });
  pen.fill(ellipse(x + 0.3 * r, y - 0.4 * r, r * 0.28, r * 0.28), WHITE, { flat: true });
}

/** A cat: pointed ears, slit eyes, whiskers, a long thin tail. */
export function drawCat(pen: Pen, random: Random): void {
  const coat = fur(random);
  const { base, dark, pale } = coat;
  const iris = random.pick<Colour>([
    [0.5, 0.8, 0.3],
    [0.95, 0.78, 0.2],
    [0.4, 0.75, 0.85],
  ]);
  const tall = random.between(1.12, 1.42);
  const whisker = coat.base[0] + coat.base[1] > 1.2 ? blend(BLACK, base, 0.15) : WHITE;
  const tip = random.chance(0.4) ? pale : dark;
  const wave = random.between(-0.25, 0.25);

  const head: Head = (h, look) => {
    const dx = look * 0.22;
    for (const side of [-1, 1]) {
      const s = (x: number, y: number): [number, number] => [side * x, y];
      h.fill(polygon([s(0.92, -0.15), s(0.86, -tall), s(0.12, -0.68)], 0.04), base);
      h.fill(polygon([s(0.8, -0.42), s(0.78, -tall + 0.26), s(0.34, -0.72)]), PINK, { flat: true });
    }
    h.fill(
      polygon(
        [
          [-0.7, 0.1],
          [-1.14, 0.42],
          [-0.5, 0.66],
        ],
        0.03,
      ),
      base,
    );
    h.fill(
      polygon(
        [
          [0.7, 0.1],
          [1.14, 0.42],
          [0.5, 0.66],
        ],
        0.03,
      ),
      base,
    );
    h.fill(ellipse(0, 0, 1, 0.84), base);
    if (coat.marking !== 'plain') {
      for (const x of [-0.26, 0, 0.26]) {
        h.fill(stroke([x * 1.2 + dx * 0.5, -0.76, 0.07], [x * 0.7 + dx, -0.38, 0.03]), dark, {
          flat: true,
        });
      }
      for (const side of [-1, 1]) {
        h.fill(stroke([side * 0.95, 0.02, 0.05], [side * 0.7, 0.08, 0.03]), dark, { flat: true });
      }
    }
    for (const side of [-1, 1]) eye(h, side * 0.42 + dx, -0.06, 0.22, iris, 0.32);
    for (const side of [-1, 1])
      h.fill(ellipse(side * 0.19 + dx * 1.4, 0.42, 0.27, 0.22), pale, { flat: true });
    const nose: [number, number][] = [
      [-0.12, 0.2],
      [0.12, 0.2],
      [0, 0.34],
    ];
    h.fill(
      polygon(
        nose.map(([x, y]): [number, number] => [x + dx * 1.5, y]),
        0.03,
      ),
      PINK,
      { flat: true },
    );
    for (const side of [-1, 1]) {
      const x = dx * 1.5;
      h.fill(
        curve([x, 0.36, 0.03], [x + side * 0.05, 0.58], [x + side * 0.24, 0.52, 0.025], 4),
        BLACK,
        { flat: true },
      );
      for (const [y, drop] of [
        [0.36, -0.1],
        [0.44, 0.06],
        [0.52, 0.22],
      ]) {
        h.fill(
          stroke([side * 0.3 + x, y, 0.028], [side * 1.32 + x * 0.5, y + drop, 0.018]),
          whisker,
          {
            flat: true,
            opacity: 0.9,
          },
        );
      }
    }
  };

  draw(pen, random, coat, {
    head,
    standing: [0.5, -0.36, 0.42],
    sitting: [0, -0.28, 0.52],
    portrait: [0, -0.05, 0.76],
    legs: 0.34,
    girth: random.between(0.82, 1),
    tailStanding(p) {
      p.fill(
        curve([-0.62, 0.02, 0.09], [-1.2 - wave, 0.1], [-0.82 + wave, -0.8, 0.075], 9),
        base,
        coat.coat,
      );
      p.fill(ellipse(-0.82 + wave, -0.8, 0.085, 0.12), tip);
    },
    tailSitting(p) {
      p.fill(curve([0.3, 0.8, 0.09], [1.15, 0.95], [0.82, 0.22 + wave, 0.075], 9), base, coat.coat);
      p.fill(ellipse(0.82, 0.2 + wave, 0.085, 0.12), tip);
    },
  });
}

/** A dog: hanging ears, a long muzzle with a big black nose, often a tongue, a short raised tail. */
export function drawDog(pen: Pen, random: Random): void {
  const coat = fur(random);
  const { base, dark, pale } = coat;
  const earColour = random.chance(0.6) ? dark : blend(base, random.pick(FURS), 0.75);
  const earLength = random.between(0.35, 0.75);
  const tongue = random.chance(0.65);
  const patch = random.chance(0.4);
  const collar = random.chance(0.5)
    ? random.pick<Colour>([
        [0.85, 0.15, 0.15],
        [0.15, 0.35, 0.8],
        [0.15, 0.6, 0.3],
      ])
    : null;
  const profile = random.chance(0.5);
  const iris: Colour = [0.36, 0.2, 0.1];

  const facing: Head = (h, look) => {
    const dx = look * 0.24;
    if (collar) h.fill(ellipse(-0.05, 0.92, 0.58, 0.22), collar);
    h.fill(ellipse(0, -0.1, 0.86, 0.84), base);
    h.fill(ellipse(dx * 0.6, 0.36, 0.64, 0.52), base);
    if (patch) h.fill(ellipse(0.36 + dx, -0.18, 0.32, 0.36), earColour, { flat: true });
    for (const side of [-1, 1]) eye(h, side * 0.36 + dx, -0.14, 0.14, iris, 0.7);
    for (const side of [-1, 1]) {
      h.fill(stroke([side * 0.25 + dx, -0.46, 0.045], [side * 0.46 + dx, -0.42, 0.035]), dark, {
        flat: true,
      });
    }
    if (tongue)
      h.fill(
        stroke([dx * 1.6 + 0.04, 0.7, 0.17], [dx * 1.6 + 0.06, 1.0, 0.16]),
        [0.92, 0.42, 0.48],
      );
    h.fill(ellipse(dx * 1.6, 0.44, 0.5, 0.42), pale);
    h.fill(ellipse(dx * 2, 0.2, 0.24, 0.17), BLACK, { flat: true });
    h.fill(ellipse(dx * 2 + 0.06, 0.14, 0.07, 0.04), WHITE, { flat: true });
    h.fill(stroke([dx * 1.9, 0.34, 0.03], [dx * 1.7, 0.58, 0.03]), BLACK, { flat: true });
    for (const side of [-1, 1]) {
      const x = dx * 1.7;
      h.fill(
        curve([x, 0.58, 0.03], [x + side * 0.16, 0.74], [x + side * 0.36, 0.56, 0.025], 4),
        BLACK,
        { flat: true },
      );
      h.fill(
        stroke(
          [side * 0.62, -0.68, 0.16],
          [side * 0.98, -0.3, 0.25],
          [side * 1.02, earLength - 0.1, 0.2],
        ),
        earColour,
      );
    }
  };

  const sideways: Head = (h) => {
    if (collar) h.fill(stroke([-0.55, 0.5, 0.12], [0.12, 0.8, 0.12]), collar);
    h.fill(ellipse(-0.1, -0.1, 0.76, 0.72), base);
    if (tongue) h.fill(stroke([0.8, 0.45, 0.12], [0.86, 0.85, 0.13]), [0.92, 0.42, 0.48]);
    h.fill(stroke([0.1, 0.22, 0.42], [1.0, 0.2, 0.24]), base);
    h.fill(stroke([0.55, 0.34, 0.22], [1.02, 0.28, 0.17]), pale, { flat: true });
    h.fill(stroke([0.4, 0.42, 0.03], [1.02, 0.4, 0.03]), BLACK, { flat: true });
    h.fill(ellipse(1.2, 0.06, 0.17, 0.15), BLACK, { flat: true });
    if (patch) h.fill(ellipse(0.22, -0.24, 0.28, 0.3), earColour, { flat: true });
    eye(h, 0.26, -0.24, 0.13, iris, 0.7);
    h.fill(stroke([-0.3, -0.58, 0.16], [-0.6, -0.1, 0.27], [-0.56, earLength, 0.2]), earColour);
  };

  const wag = random.between(-0.15, 0.15);
  draw(pen, random, coat, {
    head: (h, look) => (profile && look > 0 ? sideways(h, look) : facing(h, look)),
    standing: [0.54, -0.36, 0.42],
    sitting: [0, -0.32, 0.52],
    portrait: [0, -0.12, 0.76],
    legs: random.between(0.2, 0.42),
    girth: random.between(0.9, 1.08),
    tailStanding(p) {
      p.fill(
        stroke([-0.62, -0.02, 0.12], [-0.84 + wag * 0.4, -0.28, 0.09], [-0.86 + wag, -0.5, 0.05]),
        base,
        coat.coat,
      );
    },
    tailSitting(p) {
      p.fill(stroke([0.4, 0.75, 0.1], [0.74, 0.62 + wag, 0.08], [0.84, 0.5 + wag, 0.05]), base);
    },
  });
}

/** A rabbit: long upright ears (one may flop), round cheeks, front teeth, a white ball of a tail. */
export function drawRabbit(pen: Pen, random: Random): void {
  const coat = fur(random);
  const { base, pale } = coat;
  const lean = random.between(0.05, 0.4);
  const flop = random.chance(0.3);
  const long = random.between(1.75, 2.1);
  const iris: Colour = random.chance(0.75) ? [0.2, 0.12, 0.1] : [0.75, 0.2, 0.25];

  const head: Head = (h, look) => {
    const dx = look * 0.2;
    for (const side of [-1, 1]) {
      const bent = flop && side === 1;
      const tip: Joint = bent
        ? [side * (0.95 + lean), -1.05, 0.14]
        : [side * (0.32 + lean), -long, 0.13];
      const middle: Joint = bent
        ? [side * 0.5, -1.5, 0.2]
        : [side * (0.36 + lean * 0.5), -1.25, 0.26];
      h.fill(stroke([side * 0.34, -0.6, 0.2], middle, tip), base);
      h.fill(
        stroke(
          [side * 0.34, -0.75, 0.07],
          [middle[0], middle[1], middle[2] * 0.5],
          [tip[0], tip[1] + 0.08, 0.04],
        ),
        PINK,
        { flat: true },
      );
    }
    h.fill(ellipse(0, -0.1, 0.78, 0.74), base);
    for (const side of [-1, 1]) h.fill(ellipse(side * 0.46, 0.26, 0.42, 0.38), base);
    for (const side of [-1, 1]) eye(h, side * 0.46 + dx * 0.8, -0.14, 0.16, iris, 0.7);
    h.fill(
      polygon(
        [
          [dx * 1.4 - 0.09, 0.36],
          [dx * 1.4 + 0.09, 0.36],
          [dx * 1.4 + 0.08, 0.66],
          [dx * 1.4 - 0.08, 0.66],
        ],
        0.03,
      ),
      WHITE,
    );
    for (const side of [-1, 1])
      h.fill(ellipse(side * 0.17 + dx * 1.4, 0.32, 0.24, 0.2), pale, { flat: true });
    h.fill(ellipse(dx * 1.5, 0.16, 0.12, 0.09), PINK, { flat: true });
    h.fill(stroke([dx * 1.5, 0.24, 0.025], [dx * 1.4, 0.44, 0.025]), BLACK, { flat: true });
  };

  draw(pen, random, coat, {
    head,
    standing: [0.48, -0.1, 0.42],
    sitting: [0, -0.06, 0.46],
    portrait: [0, 0.3, 0.62],
    legs: 0.22,
    girth: random.between(1, 1.15),
    tailStanding(p) {
      p.fill(ellipse(-0.74, -0.02, 0.2, 0.19), blend(pale, WHITE, 0.6));
      p.fill(ellipse(-0.42, 0.3, 0.32, 0.3), base);
    },
    tailSitting() {},
  });
}
