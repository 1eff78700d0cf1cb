/**
 * Shapes as signed distances: negative inside, zero on the edge, positive outside, in the shape's own units.
 * Distances are exact or first-order, which is what an anti-aliased edge needs.
 */

import { clamp } from './random.js';

/** A shape: its distance function and a box that holds all of it. */
export interface Shape {
  box: readonly [x0: number, y0: number, x1: number, y1: number];
  distance(x: number, y: number): number;
}

/** A point of a stroke: position and half width there. */
export type Joint = readonly [x: number, y: number, radius: number];

/** (cos, sin) of the angle whose half has tangent `t`: a rotation without trigonometry. `t` = 1 is a quarter turn. */
export function rotation(t: number): [cos: number, sin: number] {
  const n = 1 + t * t;
  return [(1 - t * t) / n, (2 * t) / n];
}

/** An ellipse with half axes rx, ry, turned by `rotation(turn)` about its centre. */
export function ellipse(x: number, y: number, rx: number, ry: number, turn = 0): Shape {
  const [cos, sin] = rotation(turn);
  const reach = Math.max(rx, ry);
  return {
    box: [x - reach, y - reach, x + reach, y + reach],
    distance(px, py) {
      const dx = px - x;
      const dy = py - y;
      const u = (dx * cos + dy * sin) / rx;
      const v = (dy * cos - dx * sin) / ry;
      const k = Math.sqrt(u * u + v * v);
      if (k < 1e-6) return -Math.min(rx, ry);
      const gx = u / rx;
      const gy = v / ry;
      return (k * (k - 1)) / Math.sqrt(gx * gx + gy * gy);
    },
  };
}

/** A round-ended stroke through the joints, its width going linearly from joint to joint. */
export function stroke(...joints: readonly Joint[]): Shape {
  return {
    box: boundsOf(joints),
    distance(px, py) {
      let nearest = Infinity;
      for (let i = 1; i < joints.length; i++) {
        const [ax, ay, ar] = joints[i - 1];
        const [bx, by, br] = joints[i];
        const ex = bx - ax;
        const ey = by - ay;
        const t = ((px - ax) * ex + (py - ay) * ey) / (ex * ex + ey * ey + 1e-12);
        const h = clamp(t);
        const dx = px - ax - h * ex;
        const dy = py - ay - h * ey;
        const d = Math.sqrt(dx * dx + dy * dy) - (ar + (br - ar) * h);
        if (d < nearest) nearest = d;
      }
      return nearest;
    },
  };
}

/** A stroke along the quadratic curve from `a` to `b` that is pulled towards (x, y). */
export function curve(a: Joint, [x, y]: readonly [number, number], b: Joint, pieces = 7): Shape {
  const joints: Joint[] = [];
  for (let i = 0; i <= pieces; i++) {
    const t = i / pieces;
    const s = 1 - t;
    joints.push([
      s * s * a[0] + 2 * s * t * x + t * t * b[0],
      s * s * a[1] + 2 * s * t * y + t * t * b[1],
      a[2] + (b[2] - a[2]) * t,
    ]);
  }
  return stroke(...joints);
}

/** A closed polygon, its corners rounded outwards by `round`. */
export function polygon(points: readonly (readonly [number, number])[], round = 0): Shape {
  return {
    box: boundsOf(points.map(([x, y]) => [x, y, round] as const)),
    distance(px, py) {
      let nearest = Infinity;
      let inside = false;
      for (let i = 0, j = points.length - 1; i < points.length; j = i++) {
        const [ax, ay] = points[j];
        const [bx, by] = points[i];
        const ex = bx - ax;
        const ey = by - ay;
        const t = ((px - ax) * ex + (py - ay) * ey) / (ex * ex + ey * ey + 1e-12);
        const h = clamp(t);
        const dx = px - ax - h * ex;
        const dy = py - ay - h * ey;
        const d = dx * dx + dy * dy;
        if (d < nearest) nearest = d;
        if (ay > py !== by > py && px < (ex * (py - ay)) / ey + ax) inside = !inside;
      }
      return (inside ? -Math.sqrt(nearest) : Math.sqrt(nearest)) - round;
    },
  };
}

/** What lies in both shapes. */
export function intersection(a: Shape, b: Shape): Shape {
  return { box: a.box, distance: (x, y) => Math.max(a.distance(x, y), b.distance(x, y)) };
}

/** What lies in `a` and above the line y = `limit`. */
export function above(limit: number, a: Shape): Shape {
  return { box: a.box, distance: (x, y) => Math.max(a.distance(x, y), y - limit) };
}

function boundsOf(joints: readonly Joint[]): Shape['box'] {
  let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [x, y, r] of joints) {
    x0 = Math.min(x0, x - r);
    y0 = Math.min(y0, y - r);
    x1 = Math.max(x1, x + r);
    y1 = Math.max(y1, y + r);
  }
  return [x0, y0, x1, y1];
}
