/**
 * The other ToyPets: bird, fish, turtle, snail, butterfly. Each fits in -1..1 (y down) of the pen it gets and
 * looks to the right, or faces the viewer.
 */
import { blend, type Coat, type Colour, type Pen } from './pen.js';
import { clamp, type Random, valueNoise } from './random.js';
import {
  above,
  curve,
  ellipse,
  intersection,
  type Joint,
  polygon,
  rotation,
  stroke,
} from './shapes.js';

const BLACK: Colour = [0.07, 0.06, 0.07];
const WHITE: Colour = [0.97, 0.96, 0.93];
const BEAK: Colour = [0.97, 0.66, 0.12];

const PLUMES: readonly Colour[] = [
  [0.85, 0.2, 0.18], // red
  [0.95, 0.78, 0.2], // yellow
  [0.2, 0.45, 0.85], // blue
  [0.3, 0.65, 0.3], // green
  [0.5, 0.36, 0.24], // brown
  [0.9, 0.5, 0.2], // orange
  [0.55, 0.55, 0.6], // grey
  [0.6, 0.35, 0.7], // violet
  [0.92, 0.9, 0.86], // white
  [0.2, 0.2, 0.24], // black
];

const plume = (random: Random): Colour => {
  const tone = random.between(0.85, 1.1);
  const [r, g, b] = random.pick(PLUMES);
  return [clamp(r * tone), clamp(g * tone), clamp(b * tone)];
};

function eye(pen: Pen, x: number, y: number, r: number): void {
  pen.fill(ellipse(x, y, r, r), WHITE, { flat: true });
  pen.fill(ellipse(x + 0.2 * r, y, r * 0.6, r * 0.65), BLACK, { flat: true });
  pen.fill(ellipse(x + 0.35 * r, y - 0.25 * r, r * 0.2, r * 0.2), WHITE, { flat: true });
}

/** A bird: beak, wing, tail feathers, thin legs; from the side, flying, or from the front. */
export function drawBird(pen: Pen, random: Random): void {
  const base = plume(random);
  const wing = random.chance(0.5) ? blend(base, BLACK, 0.4) : plume(random);
  const belly = blend(base, random.chance(0.5) ? WHITE : plume(random), 0.7);
  const crest = random.chance(0.35);
  const legs = (x: number, y: number) => {
    for (const dx of [-0.12, 0.14]) {
      pen.fill(stroke([x + dx, y, 0.04], [x + dx + 0.02, 0.88, 0.035]), BEAK, { flat: true });
      for (const toe of [-0.12, 0.02, 0.15]) {
        pen.fill(stroke([x + dx + 0.02, 0.86, 0.035], [x + dx + toe + 0.04, 0.95, 0.03]), BEAK, {
          flat: true,
        });
      }
    }
  };
  const feathers = (p: Pen, length: number) => {
    for (const [i, y] of [0.2, 0, -0.2].entries()) {
      p.fill(
        stroke([0, 0, 0.12], [-length, y * 1.1, 0.1]),
        i === 1 ? wing : blend(wing, BLACK, 0.2),
      );
    }
  };
  const pose = random.pick(['side', 'side', 'flying', 'front'] as const);

  if (pose === 'front') {
    legs(0, 0.7);
    for (const side of [-1, 1])
      pen.fill(stroke([side * 0.5, 0.02, 0.2], [side * 0.72, 0.5, 0.12]), wing);
    pen.fill(stroke([0, -0.36, 0.46], [0, 0.26, 0.56]), base);
    pen.fill(ellipse(0, 0.38, 0.4, 0.42), belly, { flat: true });
    if (crest)
      for (const x of [-0.14, 0, 0.14])
        pen.fill(stroke([x * 0.5, -0.76, 0.06], [x, -0.97, 0.04]), wing);
    for (const side of [-1, 1]) eye(pen, side * 0.21, -0.42, 0.16);
    pen.fill(
      polygon(
        [
          [-0.17, -0.26],
          [0, -0.36],
          [0.17, -0.26],
          [0, 0.02],
        ],
        0.02,
      ),
      BEAK,
    );
    pen.fill(stroke([-0.16, -0.2, 0.02], [0.16, -0.2, 0.02]), blend(BEAK, BLACK, 0.5), {
      flat: true,
    });
    return;
  }

  const flying = pose === 'flying';
  if (!flying) legs(-0.05, 0.5);
  feathers(
    pen.at(-0.45, flying ? 0.1 : 0.22, 1, 1, flying ? 0.05 : -0.2),
    random.between(0.34, 0.5),
  );
  const raised = (x: number, colour: Colour) => {
    const tips: Joint[] = [
      [x - 0.62, -0.86, 0.1],
      [x - 0.36, -0.92, 0.1],
      [x - 0.1, -0.9, 0.1],
    ];
    for (const tip of tips) pen.fill(stroke([x, 0.06, 0.2], tip), colour);
  };
  if (flying) raised(0.22, blend(wing, BLACK, 0.3));
  pen.fill(stroke([-0.3, 0.18, 0.3], [0.12, 0.1, 0.42]), base);
  pen.fill(stroke([-0.12, 0.32, 0.18], [0.16, 0.28, 0.24]), belly, { flat: true, opacity: 0.9 });
  const lower = random.between(0.26, 0.36);
  pen.fill(
    polygon(
      [
        [0.68, -0.48],
        [1.02, -lower],
        [0.66, -0.2],
      ],
      0.03,
    ),
    BEAK,
  );
  pen.fill(stroke([0.68, -0.34, 0.018], [1.0, -lower, 0.012]), blend(BEAK, BLACK, 0.5), {
    flat: true,
  });
  if (crest)
    for (const x of [-0.2, -0.06, 0.08])
      pen.fill(stroke([0.36, -0.6, 0.08], [0.3 + x, -0.88, 0.04]), wing);
  pen.fill(ellipse(0.4, -0.34, 0.35, 0.34), base);
  eye(pen, 0.5, -0.4, 0.13);
  if (flying) {
    raised(-0.06, wing);
  } else {
    for (const y of [0.34, 0.2, 0.06]) {
      pen.fill(
        stroke([0.12, 0.08, 0.22], [-0.62, y + 0.06, 0.08]),
        blend(wing, BLACK, 0.4 * (y - 0.06)),
      );
    }
  }
}

/** A fish: tail fin, back and belly fins, a gill, scales or bands, no neck and no legs. */
export function drawFish(pen: Pen, random: Random): void {
  const base = plume(random);
  const second = random.chance(0.4) ? WHITE : plume(random);
  const fin = random.chance(0.5) ? blend(base, BLACK, 0.25) : blend(second, base, 0.3);
  const tall = random.between(0.34, 0.56);
  const style = random.pick(['bands', 'scales', 'belly', 'bands']);
  const coats: Record<string, Coat> = {
    bands: {
      pattern: {
        colour: second,
        amount: (x) => {
          const t = x * 1.9 + 0.35;
          return clamp((Math.abs(t - Math.floor(t) - 0.5) - 0.28) * 14);
        },
      },
    },
    scales: {
      pattern: {
        colour: blend(base, BLACK, 0.35),
        amount: (x, y) => {
          if (x > 0.28) return 0;
          const row = Math.floor(y * 8);
          const shifted = x * 6 + (row & 1) * 0.5;
          const u = shifted - Math.floor(shifted) - 0.2;
          const v = y * 8 - row - 0.5;
          return clamp((u * u + v * v - 0.2) * 9);
        },
      },
    },
    belly: {
      pattern: { colour: blend(second, WHITE, 0.5), amount: (_, y) => clamp((y - 0.05) * 8) },
    },
  };
  const spread = random.between(0.34, 0.52);
  const notch = random.between(-0.78, -0.66);
  pen.fill(
    polygon(
      [
        [-0.5, 0],
        [-0.94, -spread],
        [notch, 0],
        [-0.94, spread],
      ],
      0.05,
    ),
    fin,
  );
  const back = random.between(0.2, 0.36);
  pen.fill(
    polygon(
      [
        [0.24, -tall + 0.1],
        [-0.1, -tall - back],
        [-0.44, -tall - back * 0.6],
        [-0.36, -0.1],
      ],
      0.03,
    ),
    fin,
  );
  pen.fill(
    polygon(
      [
        [0.06, tall - 0.1],
        [-0.2, tall + back * 0.7],
        [-0.34, tall - 0.14],
      ],
      0.03,
    ),
    fin,
  );
  const body = intersection(
    ellipse(0.15, tall * 0.75, 0.95, tall * 1.75),
    ellipse(0.15, -tall * 0.75, 0.95, tall * 1.75),
  );
  pen.fill({ ...body, box: [-0.85, -tall - 0.05, 1.15, tall + 0.05] }, base, coats[style]);
  pen.fill(
    curve([0.4, -tall * 0.6, 0.03], [0.22, 0], [0.4, tall * 0.6, 0.03], 5),
    blend(base, BLACK, 0.5),
    { flat: true },
  );
  pen.fill(stroke([0.16, 0.08, 0.08], [-0.14, 0.16, 0.12]), fin);
  eye(pen, 0.62, -0.1, 0.13);
  pen.fill(curve([0.95, 0.1, 0.03], [0.84, 0.18], [0.76, 0.12, 0.02], 4), BLACK, { flat: true });
}

/** A turtle: a plated shell with a rim, short legs, a bare head; from the side or from above. */
export function drawTurtle(pen: Pen, random: Random): void {
  const skin = random.pick<Colour>([
    [0.45, 0.62, 0.3],
    [0.6, 0.66, 0.4],
    [0.35, 0.5, 0.4],
    [0.66, 0.56, 0.38],
  ]);
  const shell = random.pick<Colour>([
    [0.42, 0.3, 0.16],
    [0.3, 0.42, 0.22],
    [0.55, 0.38, 0.18],
    [0.3, 0.32, 0.34],
    [0.6, 0.34, 0.2],
  ]);
  const seam = random.chance(0.5)
    ? blend(shell, BLACK, 0.55)
    : blend(shell, [0.95, 0.85, 0.5], 0.6);
  const claw = blend(skin, BLACK, 0.25);

  if (random.chance(0.5)) {
    const kick = random.between(-0.12, 0.12);
    pen.fill(stroke([-0.6, 0.3, 0.1], [-0.98, 0.42, 0.02]), skin);
    for (const [x, colour, swing] of [
      [-0.3, claw, kick],
      [0.36, claw, -kick],
      [-0.5, skin, -kick],
      [0.5, skin, kick],
    ] as const) {
      pen.fill(stroke([x, 0.3, 0.17], [x + swing, 0.66, 0.14]), colour);
    }
    const lift = random.between(-0.3, 0.12);
    pen.fill(stroke([0.5, 0.24, 0.15], [0.82, lift, 0.15]), skin);
    pen.fill(ellipse(0.86, lift - 0.04, 0.24, 0.19), skin);
    eye(pen, 0.93, lift - 0.09, 0.075);
    pen.fill(stroke([0.93, lift + 0.05, 0.015], [1.07, lift + 0.02, 0.015]), BLACK, { flat: true });
    const dome = above(0.34, ellipse(-0.06, 0.34, 0.72, random.between(0.78, 0.96)));
    pen.fill(dome, shell);
    const top = pen.at(-0.06, 0.34, 1);
    for (const shape of [
      polygon(
        [
          [-0.2, -0.22],
          [0, -0.36],
          [0.2, -0.22],
          [0.2, -0.06],
          [-0.2, -0.06],
        ],
        0.03,
      ),
      polygon(
        [
          [-0.24, -0.34],
          [-0.02, -0.48],
          [-0.1, -0.66],
          [-0.32, -0.58],
        ],
        0.02,
      ),
      polygon(
        [
          [0.24, -0.34],
          [0.02, -0.48],
          [0.1, -0.66],
          [0.32, -0.58],
        ],
        0.02,
      ),
      polygon(
        [
          [-0.3, -0.06],
          [-0.3, -0.26],
          [-0.44, -0.46],
          [-0.58, -0.3],
          [-0.62, -0.06],
        ],
        0.02,
      ),
      polygon(
        [
          [0.3, -0.06],
          [0.3, -0.26],
          [0.44, -0.46],
          [0.58, -0.3],
          [0.62, -0.06],
        ],
        0.02,
      ),
    ]) {
      top.fill(shape, seam, { flat: true });
      top.fill(
        { ...shape, distance: (x, y) => shape.distance(x, y) + 0.045 },
        blend(shell, WHITE, 0.18),
      );
    }
    pen.fill(stroke([-0.76, 0.36, 0.075], [0.64, 0.36, 0.075]), blend(shell, seam, 0.5));
    return;
  }

  const paddle = random.between(-0.1, 0.1);
  for (const side of [-1, 1]) {
    pen.fill(stroke([0.34, side * 0.42, 0.16], [0.66 + paddle * side, side * 0.74, 0.11]), skin);
    pen.fill(stroke([-0.4, side * 0.4, 0.14], [-0.64 - paddle * side, side * 0.68, 0.1]), skin);
  }
  pen.fill(stroke([-0.6, 0, 0.08], [-0.92, paddle, 0.02]), skin);
  pen.fill(stroke([0.5, 0, 0.15], [0.76, paddle, 0.14]), skin);
  pen.fill(ellipse(0.82, paddle, 0.21, 0.18), skin);
  for (const side of [-1, 1])
    pen.fill(ellipse(0.9, paddle + side * 0.1, 0.045, 0.045), BLACK, { flat: true });
  pen.fill(ellipse(-0.03, 0, 0.7, 0.58), blend(shell, seam, 0.5));
  pen.fill(ellipse(-0.03, 0, 0.6, 0.49), seam);
  const plate = (x: number, y: number, r: number) => {
    const corners: [number, number][] = [];
    for (const t of [-Infinity, -1.732, -0.577, 0, 0.577, 1.732]) {
      const [cos, sin] = t === -Infinity ? [-1, 0] : rotation(t);
      corners.push([x + r * cos, y + r * sin]);
    }
    const hexagon = polygon(corners, 0.015);
    pen.fill(hexagon, blend(shell, WHITE, 0.14));
  };
  plate(-0.03, 0, 0.155);
  for (const side of [-1, 1]) {
    plate(-0.03 + side * 0.3, 0.0, 0.13);
    for (const x of [-0.2, 0.14]) plate(x, side * 0.26, 0.14);
  }
}

/** A snail: a spiral shell on a long foot, two stalks with eyes. */
export function drawSnail(pen: Pen, random: Random): void {
  const skin = random.pick<Colour>([
    [0.85, 0.74, 0.55],
    [0.68, 0.62, 0.52],
    [0.62, 0.66, 0.45],
    [0.5, 0.42, 0.38],
  ]);
  const shell = random.chance(0.5)
    ? random.pick<Colour>([
        [0.75, 0.48, 0.25],
        [0.85, 0.7, 0.42],
        [0.55, 0.36, 0.26],
      ])
    : plume(random);
  const line = blend(shell, shell[0] + shell[1] + shell[2] > 1 ? BLACK : WHITE, 0.55);
  const neck = random.between(-0.2, 0);
  const spread = random.between(0.1, 0.2);
  for (const dx of [0.04, 0.04 + spread]) {
    pen.fill(
      stroke([0.72, neck + 0.1, 0.05], [0.72 + dx, neck - 0.42 + dx * 0.3, 0.035]),
      blend(skin, BLACK, 0.12),
    );
    pen.fill(ellipse(0.72 + dx, neck - 0.44 + dx * 0.3, 0.075, 0.075), BLACK, { flat: true });
  }
  pen.fill(
    stroke(
      [-0.95, 0.72, 0.03],
      [-0.5, 0.66, 0.13],
      [0.4, 0.62, 0.17],
      [0.66, 0.36, 0.16],
      [0.74, neck + 0.18, 0.18],
    ),
    skin,
  );
  pen.fill(
    curve([0.8, neck + 0.26, 0.018], [0.86, neck + 0.3], [0.9, neck + 0.2, 0.015], 3),
    BLACK,
    { flat: true },
  );
  const r = random.between(0.56, 0.66);
  const [cx, cy] = [-0.16, 0.62 - r * 0.88];
  pen.fill(ellipse(cx, cy, r, r * 0.96), shell);
  // An Archimedean spiral of two and a half turns, in steps of a twelfth of a turn.
  const [cos, sin] = rotation(0.2679491924);
  const joints: Joint[] = [];
  let [dx, dy] = [0.9, 0.44];
  for (let i = 0; i <= 28; i++) {
    const radius = r * (0.94 - (0.94 * i) / 30);
    joints.push([cx + dx * radius, cy + dy * radius, 0.05]);
    [dx, dy] = [dx * cos - dy * sin, dx * sin + dy * cos];
  }
  pen.fill(stroke(...joints), line, { flat: true });
}

/** A butterfly: two pairs of patterned wings around a thin body with feelers. */
export function drawButterfly(pen: Pen, random: Random): void {
  const base = plume(random);
  const edge = random.chance(0.6) ? BLACK : blend(base, BLACK, 0.6);
  const spot = random.chance(0.5) ? WHITE : plume(random);
  const seed = random.bits();
  const veined = random.chance(0.5);
  const open = random.between(0.72, 1);
  const upper = random.between(0.42, 0.52);
  const lower = random.between(0.3, 0.4);
  const speckled: Coat = {
    pattern: {
      colour: blend(base, spot, 0.7),
      amount: (x, y) => clamp((valueNoise(seed, Math.abs(x) * 5, y * 5) - 0.62) * 10),
    },
  };
  for (const side of [-1, 1]) {
    const p = pen.at(0, 0, side * open, 1);
    p.fill(stroke([0.08, 0.02, 0.06], [0.5, 0.5, lower]), edge);
    p.fill(stroke([0.12, 0.06, 0.03], [0.49, 0.48, lower - 0.08]), base, speckled);
    p.fill(stroke([0.06, -0.06, 0.06], [0.54, -0.42, upper]), edge);
    p.fill(stroke([0.12, -0.1, 0.03], [0.52, -0.4, upper - 0.09]), base, speckled);
    if (veined) {
      for (const [x, y] of [
        [0.88, -0.5],
        [0.62, -0.78],
        [0.8, -0.16],
        [0.72, 0.6],
        [0.44, 0.76],
      ]) {
        p.fill(stroke([0.1, y < 0 ? -0.06 : 0.06, 0.015], [x, y, 0.025]), edge, { flat: true });
      }
    } else {
      p.fill(ellipse(0.56, -0.42, 0.17, 0.17), spot, { flat: true });
      p.fill(ellipse(0.56, -0.42, 0.08, 0.08), edge, { flat: true });
      p.fill(ellipse(0.52, 0.5, 0.11, 0.11), spot, { flat: true });
    }
  }
  for (const side of [-1, 1]) {
    pen.fill(
      curve([side * 0.03, -0.44, 0.025], [side * 0.06, -0.8], [side * 0.28, -0.92, 0.025], 5),
      BLACK,
      { flat: true },
    );
    pen.fill(ellipse(side * 0.28, -0.92, 0.055, 0.055), BLACK, { flat: true });
  }
  const body = blend(BLACK, [0.5, 0.35, 0.2], random.between(0, 0.7));
  pen.fill(stroke([0, -0.3, 0.09], [0, 0.5, 0.05]), body);
  pen.fill(ellipse(0, -0.4, 0.11, 0.11), body);
}
