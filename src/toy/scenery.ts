/** What surrounds the ToyPets: textured grounds, clutter, shadows, light. None of it depends on the animals. */
import { blend, type Canvas, type Colour, type Pen } from './pen.js';
import { clamp, hash32, type Random, smooth, valueNoise } from './random.js';
import { curve, ellipse, intersection, polygon, rotation, stroke } from './shapes.js';

const anyColour = (random: Random, low = 0.15, high = 0.95): Colour => [
  random.between(low, high),
  random.between(low, high),
  random.between(low, high),
];

const NATURAL: readonly Colour[] = [
  [0.42, 0.62, 0.3],
  [0.62, 0.74, 0.42],
  [0.76, 0.66, 0.48],
  [0.6, 0.5, 0.38],
  [0.62, 0.78, 0.9],
  [0.35, 0.6, 0.72],
  [0.85, 0.82, 0.76],
  [0.5, 0.52, 0.54],
  [0.78, 0.55, 0.5],
  [0.4, 0.38, 0.5],
];

/** Covers the whole canvas with one of several textured grounds. */
export function paintGround(canvas: Canvas, random: Random): void {
  const first = random.chance(0.7) ? random.pick(NATURAL) : anyColour(random);
  const contrast = random.between(0.1, 0.45);
  const second = blend(
    first,
    random.chance(0.5) ? random.pick(NATURAL) : anyColour(random),
    contrast,
  );
  const sky = blend(random.pick(NATURAL), [0.9, 0.95, 1], 0.5);
  const seed = random.bits();
  const [cos, sin] = rotation(random.between(-1, 1));
  const period = random.between(4, 13);
  const coarse = random.between(2, 5);
  const roughness = random.between(0.05, 0.3);
  const horizon = random.between(0.3, 0.65);
  const kind = random.pick(['meadow', 'meadow', 'clouds', 'stripes', 'checks', 'planks', 'dots']);
  // How much of the second colour shows at (u, v), the position turned and in pattern periods.
  const amounts: Record<string, (u: number, v: number) => number> = {
    meadow: () => 0,
    clouds: () => 0,
    stripes: (u) => edge(Math.abs(u - Math.floor(u) - 0.5) - 0.25),
    checks: (u, v) => (((Math.floor(u) ^ Math.floor(v)) & 1) === 1 ? 1 : 0),
    planks: (u, v) => {
      const shift = (hash32(seed ^ Math.floor(v)) & 255) / 256;
      const end = u * 0.3 + shift;
      const gap = Math.min(v - Math.floor(v), (end - Math.floor(end)) * 3);
      return gap < 0.08 ? 1 : 0.5 * ((hash32(seed + Math.floor(v) * 7) & 255) / 256);
    },
    dots: (u, v) => {
      const [x, y] = [u - Math.floor(u) - 0.5, v - Math.floor(v) - 0.5];
      return edge(0.3 - Math.sqrt(x * x + y * y));
    },
  };
  const amount = amounts[kind];
  const { size, rgb } = canvas;
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const x = (column + 0.5) / size;
      const y = (row + 0.5) / size;
      const big = valueNoise(seed, x * coarse, y * coarse) - 0.5;
      const fine = valueNoise(seed ^ 0x9e37, x * 34, y * 34) - 0.5;
      let colour = blend(
        first,
        second,
        amount((x * cos + y * sin) * period, (y * cos - x * sin) * period),
      );
      if (kind === 'meadow') {
        const hill = horizon + 0.2 * (valueNoise(seed, x * 2.5, 7) - 0.5);
        colour = blend(blend(sky, second, 0.5 * y), first, clamp((y - hill) * 60));
      }
      if (kind === 'clouds') colour = blend(first, second, smooth(clamp(0.5 + 1.6 * big)));
      const bright = 1 + roughness * (1.1 * big + 0.9 * fine);
      const at = 3 * (row * size + column);
      for (let c = 0; c < 3; c++) rgb[at + c] = colour[c] * bright;
    }
  }
}

const edge = (t: number) => clamp(t * 12 + 0.5);

const things: readonly ((pen: Pen, random: Random) => void)[] = [
  function leaf(pen, random) {
    const colour = random.pick<Colour>([
      [0.35, 0.6, 0.2],
      [0.85, 0.55, 0.15],
      [0.7, 0.25, 0.15],
      [0.55, 0.65, 0.25],
    ]);
    pen.fill(intersection(ellipse(0, 0.55, 1, 1), ellipse(0, -0.55, 1, 1)), colour);
    pen.fill(stroke([-1, 0, 0.04], [0.8, 0, 0.03]), blend(colour, [0, 0, 0], 0.4), { flat: true });
  },
  function ball(pen, random) {
    const colour = anyColour(random);
    const band = anyColour(random);
    const wide = random.between(0.15, 0.4);
    pen.fill(ellipse(0, 0, 0.8, 0.8), colour, {
      pattern: { colour: band, amount: (x) => edge(wide - Math.abs(x)) },
    });
  },
  function stick(pen, random) {
    const colour: Colour = [random.between(0.3, 0.55), random.between(0.22, 0.38), 0.18];
    pen.fill(curve([-1.4, 0.1, 0.12], [0, random.between(-0.4, 0.4)], [1.4, 0, 0.08], 5), colour);
    pen.fill(stroke([0.2, 0, 0.09], [0.75, random.between(-0.8, -0.4), 0.05]), colour);
  },
  function stone(pen, random) {
    const grey = random.between(0.35, 0.75);
    const colour: Colour = [grey, grey * 0.97, grey * random.between(0.85, 1.05)];
    const y = random.between(-0.5, -0.2);
    pen.fill(
      polygon(
        [
          [-0.7, 0.35],
          [-0.5, y],
          [0.2, -0.5],
          [0.7, 0.1],
          [0.5, 0.4],
        ],
        0.2,
      ),
      colour,
    );
  },
  function flower(pen, random) {
    const colour = anyColour(random, 0.5, 1);
    pen.fill(stroke([0, 0, 0.08], [0.1, 1.3, 0.07]), [0.3, 0.55, 0.2]);
    for (const t of [0, 0.727, 3.078, -3.078, -0.727]) {
      const [cos, sin] = rotation(t);
      pen.fill(ellipse(0.5 * cos, 0.5 * sin, 0.32, 0.32), colour);
    }
    pen.fill(ellipse(0, 0, 0.28, 0.28), [0.95, 0.8, 0.25]);
  },
  function grass(pen, random) {
    const colour: Colour = [random.between(0.2, 0.45), random.between(0.5, 0.7), 0.2];
    for (const x of [-0.5, -0.2, 0.1, 0.4]) {
      pen.fill(
        curve([x * 0.5, 0.9, 0.1], [x * 0.6, 0], [x * 1.8, random.between(-1, -0.3), 0.02], 4),
        colour,
      );
    }
  },
  // Shapes that look like parts of animals, so that no single part gives an animal away.
  function triangle(pen, random) {
    pen.fill(
      polygon(
        [
          [-0.6, 0.5],
          [random.between(-0.6, 0.6), -0.9],
          [0.6, 0.5],
        ],
        0.05,
      ),
      anyColour(random),
    );
  },
  function rods(pen, random) {
    const colour = anyColour(random);
    for (const x of [-0.4, 0, 0.4].slice(random.below(2))) {
      pen.fill(stroke([x, -0.8, 0.06], [x * random.between(0.4, 1.6), 0.8, 0.06]), colour);
    }
  },
  function egg(pen, random) {
    pen.fill(ellipse(0, 0, random.between(0.4, 0.9), random.between(0.5, 1)), anyColour(random));
  },
];

/** Scatters `count` things over the picture; `sizes` is the range of half widths, in picture widths. */
export function paintClutter(
  pen: Pen,
  random: Random,
  count: number,
  sizes: readonly [number, number],
): void {
  for (let i = 0; i < count; i++) {
    const scale = random.between(sizes[0], sizes[1]);
    const thing = random.pick(things);
    thing(
      pen.at(random.between(0, 1), random.between(0, 1), scale, scale, random.between(-1, 1)),
      random,
    );
  }
}

/** Darkens the ground where an animal whose half width is `scale` stands at (x, y). */
export function paintShadow(pen: Pen, x: number, y: number, scale: number, random: Random): void {
  const drift = random.between(-0.15, 0.15) * scale;
  for (const grow of [0.95, 0.8, 0.62]) {
    pen.fill(ellipse(x + drift, y, scale * grow, scale * 0.2 * grow), [0.08, 0.08, 0.1], {
      flat: true,
      opacity: 0.14,
    });
  }
}

/** Turns the canvas into bytes under one light: brightness, tint, a slope across the picture, and grain. */
export function develop(canvas: Canvas, random: Random): Uint8Array {
  const { size, rgb } = canvas;
  const gain = random.between(0.78, 1.1);
  const tint = [random.between(0.94, 1.06), 1, random.between(0.94, 1.06)];
  const slopeX = random.between(-0.22, 0.22);
  const slopeY = random.between(-0.22, 0.22);
  const grain = random.between(0.004, 0.022);
  const seed = random.bits();
  const bytes = new Uint8Array(size * size * 3);
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const slope =
        1 + slopeX * ((column + 0.5) / size - 0.5) + slopeY * ((row + 0.5) / size - 0.5);
      for (let c = 0; c < 3; c++) {
        const at = 3 * (row * size + column) + c;
        const noise = grain * (hash32(seed ^ at) / 2147483648 - 1);
        bytes[at] = Math.floor(255 * clamp(rgb[at] * gain * tint[c] * slope + noise) + 0.5);
      }
    }
  }
  return bytes;
}
