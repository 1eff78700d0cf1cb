/** What commands that measure methods row by row have in common: which methods, kept rows, files that appear whole. */
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Method, methodNamed, methods, optionsOf } from '../src/cam/index.js';
import { methodChoices } from '../src/cli/flags.js';
import { WebgpuCamError } from '../src/errors.js';
import type { Gpu } from '../src/gpu/device.js';

/** A method, with options, under the name its row has. */
export interface Job {
  readonly label: string;
  readonly method: Method;
  readonly options: Readonly<Record<string, string>>;
}

/** What is measured of one method on one network. */
interface Row {
  readonly network: string;
  readonly method: string;
}

/** Methods by commas, with options as in `rise:masks=500`. @throws LayerError for what there is not. */
export function jobsNamed(text: string): Job[] {
  return methodChoices(text).map(({ name, options }) => {
    const method = methodNamed(name);
    optionsOf(method, options);
    const given = Object.entries(options).map(([key, value]) => `${key}=${value}`);
    return { method, options, label: given.length ? `${name}:${given.join(',')}` : name };
  });
}

/** Labels in the order of the registry, those with options behind the method's own. */
export function inOrder(rows: readonly Row[], more: readonly string[] = []): string[] {
  const labels = new Set(rows.map(({ method }) => method));
  return [...methods.keys(), ...more].flatMap((name) => [
    name,
    ...[...labels].filter((label) => label.startsWith(`${name}:`)),
  ]);
}

/** @throws RangeError with one line. */
export function wholeNumber(flag: string, text: string, least: number, most: number): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= least && number <= most) return number;
  throw new RangeError(`--${flag} ${text}: should be a whole number from ${least} to ${most}`);
}

/** Reads a command line. @throws RangeError, LayerError with one line on what is wrong. */
export function parsed<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof WebgpuCamError) throw error;
    throw new RangeError((error as Error).message.split('\n')[0]);
  }
}

/** Runs a command. @returns its exit code; 2 after one line on bad usage, 1 after anything else. */
export async function exitCodeOf(name: string, run: () => Promise<number>): Promise<number> {
  try {
    return await run();
  } catch (error) {
    const { message, stack, code } = error as Error & { code?: string };
    const isUsage =
      error instanceof RangeError || error instanceof WebgpuCamError || code === 'ENOENT';
    process.stderr.write(`${name}: ${isUsage ? message : (stack ?? message)}\n`);
    return isUsage ? 2 : 1;
  }
}

/** Where finished rows are kept. */
interface Kept<R extends Row> {
  readonly gpu: Gpu;
  readonly rows: R[];
  /** File that holds them between runs. */
  readonly json: string | undefined;
  /** Whether a row that there is will do. */
  suffices(row: R, job: Job): boolean;
  measure(job: Job): Promise<R>;
  tell(row: R): void;
}

/** Measures the jobs that no row is there of. @returns what went wrong with methods that failed. */
export async function measureMissing<R extends Row>(
  network: string,
  jobs: readonly Job[],
  { gpu, rows, json, suffices, measure, tell }: Kept<R>,
): Promise<string[]> {
  const failures: string[] = [];
  for (const job of jobs) {
    const at = rows.findIndex((r) => r.network === network && r.method === job.label);
    if (at >= 0 && suffices(rows[at], job)) continue;
    try {
      const row = await measure(job);
      if (at >= 0) rows[at] = row;
      else rows.push(row);
      tell(row);
    } catch (error) {
      if (gpu.lostError) throw error;
      // The others can still be measured.
      failures.push(`${network} ${job.label} failed: ${(error as Error).message}`);
      continue;
    }
    if (json !== undefined) await replaceFile(json, `${JSON.stringify({ rows }, null, 2)}\n`);
  }
  return failures;
}

/** The rows of an earlier run; none if there is no such file. @throws RangeError for another kind of file. */
export function readRows<R extends Row>(path: string | undefined): R[] {
  if (path === undefined || !existsSync(path)) return [];
  let rows: unknown;
  try {
    ({ rows } = JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    throw new RangeError(`--json ${path}: is no JSON`);
  }
  if (!Array.isArray(rows)) {
    throw new RangeError(`--json ${path}: has no rows, was not written by this command`);
  }
  return rows;
}

/** Writes a file that appears whole or not at all. */
export async function replaceFile(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const aside = `${path}.${process.pid}`;
  await writeFile(aside, text);
  await rename(aside, path);
}
