/**
 * The memory plan: which bytes each intermediate value of a recorded computation gets.
 *
 * WebGPU tracks whole buffers: one that a dispatch both reads and writes is refused, wherever the ranges lie.
 * So the arena is made of a few lanes (buffers), and a value never shares a lane with one that is on the other side
 * of the same dispatch. Values whose lifetimes do not overlap share bytes.
 *
 * Placement is greedy, in two orders of which the smaller result is kept: largest first suits graphs with many long lives,
 * order of birth suits chains (there it finds the optimum, two lanes taken in turn).
 */
export interface Lifetime {
  readonly bytes: number;
  /** First step that writes it. */
  readonly birth: number;
  /** Last step that touches it. */
  readonly death: number;
}

export interface Placement {
  readonly lane: number;
  readonly offset: number;
}

export interface Layout {
  readonly placements: readonly Placement[];
  /** Bytes of each lane. */
  readonly lanes: readonly number[];
}

/**
 * @param values lifetimes, indexed as in `conflicts`
 * @param conflicts pairs of value indices that may not share a lane
 * @param limits alignment of binding offsets and largest buffer, bytes
 */
export function layOut(
  values: readonly Lifetime[],
  conflicts: Iterable<readonly [number, number]>,
  limits: { alignment: number; maxLane: number },
): Layout {
  const enemies = values.map(() => new Set<number>());
  for (const [a, b] of conflicts) {
    enemies[a].add(b);
    enemies[b].add(a);
  }
  const indices = values.map((_, i) => i);
  const bySize = [...indices].sort((a, b) => values[b].bytes - values[a].bytes || a - b);
  const byBirth = [...indices].sort((a, b) => values[a].birth - values[b].birth || a - b);
  // Largest first looks at every value for every other: long recordings, which are chains, do without it.
  const orders = values.length > manyValues ? [byBirth] : [byBirth, bySize];
  const layouts = orders.map((order) => place(values, enemies, order, limits));
  const total = ({ lanes }: Layout) => lanes.reduce((a, b) => a + b, 0);
  return layouts.reduce((best, layout) => (total(layout) <= total(best) ? layout : best));
}

const manyValues = 4000;

/** Gives each value in turn the lowest gap in the lane that grows least. */
function place(
  values: readonly Lifetime[],
  enemies: readonly ReadonlySet<number>[],
  order: readonly number[],
  limits: { alignment: number; maxLane: number },
): Layout {
  const lanes: { size: number; held: { index: number; offset: number; end: number }[] }[] = [];
  const placements: Placement[] = new Array(values.length);
  const isByBirth = order.every((v, i) => i === 0 || values[order[i - 1]].birth <= values[v].birth);

  for (const index of order) {
    const { bytes, birth, death } = values[index];
    // What died before this was born meets neither it nor what comes after it.
    if (isByBirth) {
      for (const lane of lanes) {
        if (lane.held.some((h) => values[h.index].death < birth)) {
          lane.held = lane.held.filter((h) => values[h.index].death >= birth);
        }
      }
    }
    const taken = new Set([...enemies[index]].map((enemy) => placements[enemy]?.lane));
    const size = Math.ceil(Math.max(bytes, 1) / limits.alignment) * limits.alignment;
    let best: { lane: number; offset: number; growth: number } | undefined;
    for (let lane = 0; lane < lanes.length; lane++) {
      const { held, size: laneSize } = lanes[lane];
      if (taken.has(lane)) continue;
      const alive = held
        .filter((h) => values[h.index].birth <= death && birth <= values[h.index].death)
        .sort((a, b) => a.offset - b.offset);
      let offset = 0;
      for (const h of alive) {
        if (h.offset - offset >= size) break;
        offset = Math.max(offset, h.end);
      }
      if (offset + size > limits.maxLane) continue;
      const growth = Math.max(0, offset + size - laneSize);
      if (!best || growth < best.growth) best = { lane, offset, growth };
    }
    if (!best) {
      best = { lane: lanes.length, offset: 0, growth: size };
      lanes.push({ size: 0, held: [] });
    }
    const lane = lanes[best.lane];
    lane.held.push({ index, offset: best.offset, end: best.offset + size });
    lane.size = Math.max(lane.size, best.offset + size);
    placements[index] = { lane: best.lane, offset: best.offset };
  }
  return { placements, lanes: lanes.map((l) => l.size) };
}
