/** Milliseconds by stage. */
export type Times = Readonly<Record<string, number>>;

/** Takes the time of one stage after another. */
export class Stopwatch {
  #laps: Record<string, number> = {};
  #last = performance.now();

  lap(stage: string): void {
    const now = performance.now();
    this.#laps[stage] = now - this.#last;
    this.#last = now;
  }

  /** The laps since the last time, as one of `shares` has them. */
  take(shares = 1): Times {
    const laps = Object.entries(this.#laps).map(([stage, ms]) => [stage, ms / shares]);
    this.#laps = {};
    return Object.fromEntries(laps);
  }
}

export function sumOf(list: readonly Times[]): Times {
  const sum: Record<string, number> = {};
  for (const times of list) {
    for (const stage in times) sum[stage] = (sum[stage] ?? 0) + times[stage];
  }
  return sum;
}

/** To the microsecond: more digits are noise. */
export const rounded = (times: Times): Times =>
  Object.fromEntries(
    Object.entries(times).map(([stage, ms]) => [stage, Math.round(1000 * ms) / 1000]),
  );
