import { clamp } from './random.js';
import { rotation, type Shape } from './shapes.js';

/** Red, green, blue, 0..1. */
export type Colour = readonly [r: number, g: number, b: number];

/** A square picture being painted: colours, and which animal each pixel shows (-1: none). */
export class Canvas {
  readonly rgb: Float32Array;
  readonly owner: Int8Array;

  constructor(readonly size: number) {
    this.rgb = new Float32Array(size * size * 3);
    this.owner = new Int8Array(size * size).fill(-1);
  }
}

/** How all parts of one thing are painted. */
export interface Look {
  /** Index of the animal that the pixels belong to; -1 for background and clutter. */
  owner: number;
  /** Width of the dark outline in the thing's own units; 0 for none. */
  outline: number;
  /** Where the light comes from, in the picture (y down); its length is its strength. */
  light: readonly [x: number, y: number];
}

/** How one part is painted. */
export interface Coat {
  /** A second colour, and where it shows: 0 (not) to 1 (fully) at a point in the pen's units. */
  pattern?: { colour: Colour; amount(x: number, y: number): number };
  /** 0..1: lets what lies below shine through. */
  opacity?: number;
  /** True for details that carry no outline and no shading, such as eyes. */
  flat?: boolean;
}

/** The colour between `a` (t = 0) and `b` (t = 1). */
export const blend = (a: Colour, b: Colour, t: number): Colour => [
  a[0] + (b[0] - a[0]) * t,
  a[1] + (b[1] - a[1]) * t,
  a[2] + (b[2] - a[2]) * t,
];

/** Draws shapes onto a canvas from its own frame: unit, origin, turn and mirroring. */
export class Pen {
  /** A pen whose frame is the picture: x and y run from 0 to 1. */
  static over(canvas: Canvas, look: Look): Pen {
    return new Pen(canvas, look, [canvas.size, 0, 0, canvas.size, 0, 0]);
  }

  private constructor(
    readonly canvas: Canvas,
    readonly look: Look,
    // X = a x + c y + e, Y = b x + d y + f, in pixels
    private readonly matrix: readonly [number, number, number, number, number, number],
  ) {}

  /**
   * A pen with its origin at (x, y) of this one, its units scaled by `sx`, `sy` (negative mirrors), then
   * turned by `rotation(turn)`.
   */
  at(x: number, y: number, sx: number, sy = sx, turn = 0): Pen {
    const [a, b, c, d, e, f] = this.matrix;
    const [cos, sin] = rotation(turn);
    const [ax, ay, cx, cy] = [cos * sx, sin * sx, -sin * Math.abs(sy), cos * Math.abs(sy)];
    return new Pen(this.canvas, this.look, [
      a * ax + c * ay,
      b * ax + d * ay,
      a * cx + c * cy,
      b * cx + d * cy,
      a * x + c * y + e,
      b * x + d * y + f,
    ]);
  }

  /** The same pen painting for another owner or in another style. */
  with(look: Partial<Look>): Pen {
    return new Pen(this.canvas, { ...this.look, ...look }, this.matrix);
  }

  /** Paints a shape. Pixels it covers by half or more now belong to the look's owner. */
  fill(shape: Shape, colour: Colour, coat: Coat = {}): void {
    const { size, rgb, owner } = this.canvas;
    const { outline, light } = this.look;
    const [a, b, c, d, e, f] = this.matrix;
    const determinant = a * d - b * c;
    const unit = Math.sqrt(Math.abs(determinant)); // pixels in one unit
    const [left, top, right, bottom] = this.pixelBox(shape.box);
    const [middleX, middleY] = [(left + right) / 2, (top + bottom) / 2];
    const reach = Math.max(1, (right - left + bottom - top) / 4);
    const rim = 0.35 * Math.min(reach / unit, 0.5);
    const opacity = coat.opacity ?? 1;

    for (let row = Math.max(0, top); row < Math.min(size, bottom); row++) {
      for (let column = Math.max(0, left); column < Math.min(size, right); column++) {
        const dx = column + 0.5 - e;
        const dy = row + 0.5 - f;
        const x = (d * dx - c * dy) / determinant;
        const y = (a * dy - b * dx) / determinant;
        const distance = shape.distance(x, y);
        const cover = clamp(0.5 - distance * unit) * opacity;
        if (cover <= 0) continue;

        let [r, g, blue] = colour;
        if (coat.pattern) {
          const t = coat.pattern.amount(x, y);
          [r, g, blue] = blend(colour, coat.pattern.colour, t);
        }
        if (!coat.flat) {
          // Lighter towards the light, darker towards the edge: roundness.
          const depth = clamp(-distance / rim);
          const facing = ((column - middleX) * light[0] + (row - middleY) * light[1]) / reach;
          let shade = (0.84 + 0.16 * depth * (2 - depth)) * (1 + facing);
          if (outline > 0) shade *= 1 - 0.62 * clamp((distance + outline) * unit + 0.5);
          r *= shade;
          g *= shade;
          blue *= shade;
        }
        const pixel = row * size + column;
        rgb[3 * pixel] += (r - rgb[3 * pixel]) * cover;
        rgb[3 * pixel + 1] += (g - rgb[3 * pixel + 1]) * cover;
        rgb[3 * pixel + 2] += (blue - rgb[3 * pixel + 2]) * cover;
        if (cover >= 0.5) owner[pixel] = this.look.owner;
      }
    }
  }

  private pixelBox([x0, y0, x1, y1]: Shape['box']): [number, number, number, number] {
    const [a, b, c, d, e, f] = this.matrix;
    let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
    for (const x of [x0, x1]) {
      for (const y of [y0, y1]) {
        const px = a * x + c * y + e;
        const py = b * x + d * y + f;
        left = Math.min(left, px);
        right = Math.max(right, px);
        top = Math.min(top, py);
        bottom = Math.max(bottom, py);
      }
    }
    return [Math.floor(left - 1), Math.floor(top - 1), Math.ceil(right + 1), Math.ceil(bottom + 1)];
  }
}
