import { WebgpuCamError } from '../errors.js';

/** A stream as the command needs it: `process.stdout`, or a collector in tests. */
export interface Sink {
  write(text: string): unknown;
  /** Whether a person watches: progress is shown only then. */
  readonly isTTY?: boolean;
}

/** What a command talks to. */
export interface Io {
  readonly stdout: Sink;
  readonly stderr: Sink;
  /** The WebGPU entry point; default that of the platform. */
  readonly gpu?: GPU;
  /** Aborted by Ctrl-C: files begun but not finished are removed at once. */
  readonly signal?: AbortSignal;
}

/** The command line, an input file or the output folder is not as it should be: exit status 2. */
export class UsageError extends WebgpuCamError {
  override readonly name = 'UsageError';
}

/** Rows with their columns aligned; no trailing blanks. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length);
    });
  }
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('');
}

/** A value as the one JSON document of `--json`. */
export const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
