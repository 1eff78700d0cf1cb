import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ShapeError } from '../../src/errors.js';
import { type ResizeFilter, resampleWeights, resizePixels } from '../../src/image/resize.js';

interface Case {
  filter: ResizeFilter;
  out: [number, number];
  box: [number, number, number, number] | null;
  pixels: string;
}
const fixture = JSON.parse(
  readFileSync(new URL('./fixtures/resize.json', import.meta.url), 'utf8'),
) as { width: number; height: number; pixels: string; cases: Case[] };
const { width, height } = fixture;
const source = new Uint8Array(Buffer.from(fixture.pixels, 'base64'));

/** Both axes at once from the tables, as the sampling kernel does: rows are rounded, then their sum. */
function inOnePass({ filter, out: [W, H], box }: Case): number[] {
  const [left, top, right, bottom] = box ?? [0, 0, width, height];
  const across = resampleWeights(width, W, filter, { start: left, end: right });
  const down = resampleWeights(height, H, filter, { start: top, end: bottom });
  const level = (v: number) => Math.floor(Math.min(255, Math.max(0, v)) + 0.5);
  const result: number[] = [];
  for (let y = 0; y < H; y++) {
    for (let x = 0; x < W; x++) {
      for (let c = 0; c < 3; c++) {
        let sum = 0;
        for (let j = 0; j < down.count; j++) {
          const v = down.weights[y * down.count + j];
          if (v === 0) continue;
          let row = 0;
          for (let i = 0; i < across.count; i++) {
            const w = across.weights[x * across.count + i];
            if (w === 0) continue;
            row += w * source[((down.first[y] + j) * width + across.first[x] + i) * 3 + c];
          }
          sum += v * level(row);
        }
        result.push(level(sum));
      }
    }
  }
  return result;
}

describe('resizing is that of Pillow', () => {
  for (const c of fixture.cases) {
    const name = `${c.filter} to ${c.out.join(' x ')}${c.box ? ` from ${c.box}` : ''}`;
    const theirs = [...Buffer.from(c.pixels, 'base64')];
    const [W, H] = c.out;
    test(`${name}: the reference, to the last bit`, () => {
      const mine = resizePixels(
        source,
        { width, height },
        { width: W, height: H },
        c.filter,
        c.box ?? undefined,
      );
      expect([...mine]).toEqual(theirs);
    });
    test(`${name}: the weight tables in one pass`, () => {
      const off = inOnePass(c).map((value, i) => Math.abs(value - theirs[i]));
      expect(Math.max(...off)).toBeLessThanOrEqual(1);
    });
  }
});

describe('resampleWeights', () => {
  test('halving four pixels by the triangle, by hand', () => {
    // Centres 1 and 3, reach 2: distances 0.5 and 1.5 over a stretch of 2 weigh 3/4 and 1/4.
    const { first, count, weights } = resampleWeights(4, 2, 'bilinear');
    expect([...first]).toEqual([0, 1]);
    expect(count).toBe(3);
    const [near, far] = [3 / 7, 1 / 7];
    [near, near, far, far, near, near].forEach((w, i) => {
      expect(weights[i]).toBeCloseTo(w, 6);
    });
  });

  test('bicubic doubling of one inner pixel, by hand', () => {
    // Output 5 of 8 is centred at 2.75: distances -1.25, -0.25, 0.75, 1.75 to the centres of 1..4, of
    // which pixel 4 is outside; Keys' kernel there, a = -0.5, then made to add up to 1.
    const { first, count, weights } = resampleWeights(4, 8, 'bicubic');
    const raw = [-0.0703125, 0.8671875, 0.2265625];
    const sum = raw[0] + raw[1] + raw[2];
    expect(first[5]).toBe(1);
    raw.forEach((w, j) => {
      expect(weights[5 * count + j]).toBeCloseTo(w / sum, 6);
    });
  });

  for (const filter of ['bilinear', 'bicubic'] as const) {
    for (const [inSize, outSize] of [
      [640, 341],
      [7, 7],
      [5, 224],
      [1, 3],
      [1000, 1],
    ]) {
      test(`${filter} ${inSize} to ${outSize}: rows add up to 1 and stay inside`, () => {
        const { first, count, weights } = resampleWeights(inSize, outSize, filter);
        expect(first.length * count).toBe(weights.length);
        for (let i = 0; i < outSize; i++) {
          const row = weights.subarray(i * count, (i + 1) * count);
          expect(row.reduce((sum, w) => sum + w, 0)).toBeCloseTo(1, 5);
          const used = row.findLastIndex((w) => w !== 0);
          expect(first[i]).toBeGreaterThanOrEqual(0);
          expect(first[i] + used).toBeLessThan(inSize);
        }
      });
    }
    test(`${filter} at the same size is the identity`, () => {
      const { first, count, weights } = resampleWeights(6, 6, filter);
      for (let i = 0; i < 6; i++) {
        for (let j = 0; j < count; j++) {
          expect(weights[i * count + j]).toBeCloseTo(first[i] + j === i ? 1 : 0, 7);
        }
      }
    });
  }

  test('a crop is rows of the whole, padding is zeros', () => {
    const whole = resampleWeights(50, 20, 'bicubic');
    const cut = resampleWeights(50, 20, 'bicubic', { outputs: { first: -2, count: 24 } });
    expect(cut.count).toBe(whole.count);
    expect([...cut.first.subarray(2, 22)]).toEqual([...whole.first]);
    const n = whole.count;
    expect([...cut.weights.subarray(2 * n, 22 * n)]).toEqual([...whole.weights]);
    expect(cut.weights.subarray(0, 2 * n).every((w) => w === 0)).toBe(true);
    expect(cut.weights.subarray(22 * n).every((w) => w === 0)).toBe(true);
  });

  test('a window from right to left mirrors', () => {
    const forth = resampleWeights(30, 7, 'bilinear', { start: 4, end: 21.5 });
    const back = resampleWeights(30, 7, 'bilinear', { start: 21.5, end: 4 });
    expect([...back.first]).toEqual([...forth.first].reverse());
  });

  test('windows that are empty or leave the source are errors', () => {
    expect(() => resampleWeights(10, 4, 'bilinear', { start: 3, end: 3 })).toThrow(ShapeError);
    expect(() => resampleWeights(10, 4, 'bilinear', { start: -1, end: 3 })).toThrow(
      'resample: window -1 to 3 should lie within 0 to 10 and not be empty',
    );
    expect(() => resampleWeights(10, 0, 'bilinear')).toThrow(ShapeError);
  });
});
