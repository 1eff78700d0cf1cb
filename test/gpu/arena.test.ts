import { expect, test } from 'vitest';
import { type Lifetime, layOut } from '../../src/gpu/arena.js';

const limits = { alignment: 256, maxLane: 2 ** 28 };
const sum = (list: readonly number[]) => list.reduce((a, b) => a + b, 0);
const roundUp = (bytes: number) => Math.ceil(Math.max(bytes, 1) / 256) * 256;

/** A recording: each step reads some of the values made before it and writes new ones, or adds to an old one. */
interface Graph {
  readonly values: Lifetime[];
  readonly steps: { readonly reads: number[]; readonly writes: number[] }[];
  readonly conflicts: [number, number][];
}

function randomGraph(seed: number): Graph {
  let state = seed * 2654435761 + 1;
  const next = (below: number) => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9;
    return ((state ^ (state >>> 13)) >>> 0) % below;
  };
  const values: { bytes: number; birth: number; death: number }[] = [];
  const steps: { reads: number[]; writes: number[] }[] = [];
  const constants = next(3);
  for (let i = 0; i < constants; i++) values.push({ bytes: 1 + next(5000), birth: -1, death: -1 });
  const count = 1 + next(30);
  for (let at = 0; at < count; at++) {
    const reads = new Set<number>();
    for (let r = next(4); r > 0 && values.length > 0; r--) {
      reads.add(next(3) ? Math.max(0, values.length - 1 - next(4)) : next(values.length));
    }
    const writes: number[] = [];
    for (let w = 1 + next(2); w > 0; w--) {
      const old = next(values.length + 1);
      if (next(6) === 0 && old < values.length && !reads.has(old) && !writes.includes(old)) {
        writes.push(old); // into a part of it
      } else {
        writes.push(values.length);
        values.push({ bytes: next(4) ? 1 + next(100_000) : 1 + next(300), birth: at, death: at });
      }
    }
    for (const v of [...reads, ...writes]) values[v].death = at;
    steps.push({ reads: [...reads], writes });
  }
  const conflicts = steps.flatMap(({ reads, writes }) =>
    writes.flatMap((w) => reads.map((r): [number, number] => [w, r])),
  );
  return { values, steps, conflicts };
}

test('no two values that live at once overlap, and no step reads and writes one lane', () => {
  let shared = 0;
  for (let seed = 1; seed <= 400; seed++) {
    const { values, steps, conflicts } = randomGraph(seed);
    const { placements, lanes } = layOut(values, conflicts, limits);
    expect(placements).toHaveLength(values.length);
    placements.forEach(({ lane, offset }, i) => {
      expect(offset % limits.alignment, `seed ${seed}: offset of ${i}`).toBe(0);
      expect(offset + values[i].bytes).toBeLessThanOrEqual(lanes[lane]);
      for (let j = 0; j < i; j++) {
        if (placements[j].lane !== lane) continue;
        const bothLive = values[i].birth <= values[j].death && values[j].birth <= values[i].death;
        const overlap =
          offset < placements[j].offset + values[j].bytes &&
          placements[j].offset < offset + values[i].bytes;
        if (overlap) shared++;
        if (bothLive && overlap) expect.fail(`seed ${seed}: ${j} and ${i} overlap while both live`);
      }
    });
    for (const { reads, writes } of steps) {
      const read = new Set(reads.map((v) => placements[v].lane));
      for (const w of writes) expect(read.has(placements[w].lane), `seed ${seed}`).toBe(false);
    }
    // Never more than without sharing.
    expect(sum(lanes)).toBeLessThanOrEqual(sum(values.map((v) => roundUp(v.bytes))));
  }
  expect(shared, 'nothing was ever reused').toBeGreaterThan(1000);
});

function chain(sizes: readonly number[]) {
  const values = sizes.map((bytes, i) => ({ bytes, birth: i, death: i + 1 }));
  const conflicts = sizes.slice(1).map((_, i): [number, number] => [i, i + 1]);
  return sum(layOut(values, conflicts, limits).lanes);
}

test('a chain needs two lanes taken in turn, not all its values', () => {
  const kib = (sizes: number[]) => sizes.map((size) => size * 1024);
  // Shrinking, as networks do: the two largest.
  expect(chain(kib([900, 800, 700, 300, 200, 100, 50]))).toBe((900 + 800) * 1024);
  expect(chain(kib([150, 900, 800, 300, 700, 200, 400, 50]))).toBe((900 + 800) * 1024);
  // The largest of every other value is a lower bound: neighbours may not share a lane.
  expect(chain(kib([100, 900, 800, 300, 700, 200, 900, 50]))).toBe((900 + 900) * 1024);
  for (let seed = 1; seed <= 50; seed++) {
    const sizes = Array.from({ length: 12 }, (_, i) => 256 * (1 + ((seed * 7919 * (i + 1)) % 97)));
    const largest = (parity: number) => Math.max(...sizes.filter((_, i) => i % 2 === parity));
    expect(chain(sizes)).toBeLessThanOrEqual(largest(0) + largest(1));
  }
});

test('layouts are the same every time', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const { values, conflicts } = randomGraph(seed);
    expect(layOut(values, conflicts, limits)).toEqual(layOut(values, conflicts, limits));
  }
});

test('a lane stays within the largest buffer', () => {
  const values = Array.from({ length: 5 }, () => ({ bytes: 1000, birth: 0, death: 9 }));
  const { lanes } = layOut(values, [], { alignment: 256, maxLane: 2048 });
  expect(lanes).toEqual([2048, 2048, 1024]);
  // Two would end within it, were the second's end not aligned.
  const odd = layOut(values, [], { alignment: 256, maxLane: 2040 });
  expect(odd.lanes).toEqual([1024, 1024, 1024, 1024, 1024]);
});

test('values of no bytes and no values at all are laid out too', () => {
  expect(layOut([], [], limits)).toEqual({ placements: [], lanes: [] });
  expect(layOut([{ bytes: 0, birth: 0, death: 0 }], [], limits).lanes).toEqual([256]);
});
