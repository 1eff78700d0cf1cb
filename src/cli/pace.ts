/** How far a long run is, in words: `448 of 4000 masks, 52.1 a second, 1 min 9 s left`. */
export class Pace {
  readonly #start: number;
  #first: { readonly done: number; readonly at: number } | undefined;

  /**
   * @param unit word after the numbers
   * @param now the clock, in milliseconds
   */
  constructor(
    private readonly unit: string,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.#start = now();
  }

  /**
   * Takes note of what is done. The rate counts from the first report on: what comes before it includes compiling shaders.
   *
   * @param done of `total`, both above 0
   */
  tell(done: number, total: number): string {
    const at = this.now();
    const since = this.#first ?? { done: 0, at: this.#start };
    this.#first ??= { done, at };
    const seconds = (at - since.at) / 1000;
    const rate = (done - since.done) / seconds;
    const count = `${done} of ${total} ${this.unit}`;
    if (!(rate > 0 && Number.isFinite(rate))) return count;
    const left = done < total ? `, ${duration((total - done) / rate)} left` : '';
    return `${count}, ${rate < 100 ? rate.toPrecision(3) : Math.round(rate)} a second${left}`;
  }
}

/** Seconds in words, to the second: `45 s`, `1 min 9 s`, `2 h 3 min`. */
function duration(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** What a method's long run counts: masked copies, or passes through the network. */
export const unitOf = ({ options }: { readonly options: object }): string =>
  'batch' in options ? 'masks' : 'passes';
