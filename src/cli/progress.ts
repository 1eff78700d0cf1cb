import cliProgress from 'cli-progress';
import type { Sink } from './io.js';

const patienceMs = 1000;

/** A bar on a terminal for work that takes over a second; elsewhere, and before that, nothing is shown. */
export class Progress {
  #bar: cliProgress.SingleBar | undefined;
  #timer: NodeJS.Timeout | undefined;
  #done = 0;
  #note = '';

  /**
   * @param total units of work, or undefined if not known yet
   * @param unit word after the numbers
   */
  constructor(
    private readonly sink: Sink,
    private readonly title: string,
    private total: number | undefined,
    private readonly unit = '',
  ) {
    if (!sink.isTTY) return;
    this.#timer = setTimeout(() => this.#show(), patienceMs);
    this.#timer.unref();
  }

  /** Tells how many units are done (fractions move the bar only), and what is being worked on. */
  update(done: number, note = '', total = this.total): void {
    this.#done = done;
    this.#note = note;
    this.total = total;
    this.#bar?.setTotal(total ?? 0);
    this.#bar?.update(done, this.#words());
  }

  /** Takes the bar away while something else is printed. */
  around(print: () => void): void {
    const isShown = this.#bar !== undefined;
    this.#bar?.stop();
    print();
    if (isShown) this.#show();
  }

  /** Takes the bar away. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#bar?.stop();
    this.#bar = undefined;
  }

  #words(): { whole: number; note: string } {
    return { whole: Math.floor(this.#done), note: this.#note };
  }

  #show(): void {
    this.#bar = new cliProgress.SingleBar({
      format: `${this.title} {bar} {whole}/{total}${this.unit && ` ${this.unit}`} {duration_formatted} {note}`,
      stream: this.sink as unknown as NodeJS.WritableStream,
      clearOnComplete: true,
      hideCursor: true,
      barsize: 24,
    });
    this.#bar.start(this.total ?? 0, this.#done, this.#words());
  }
}
