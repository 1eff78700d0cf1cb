import { appendFileSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseWeights } from '../../src/net/weights/index.js';
import { type GoldenTensors, goldenTensors } from '../golden/format.js';

const root = resolve(import.meta.dirname, '../..');

/** The folder of golden files: `GOLDEN_DIR`, by default beside the checkout. */
export const goldenDir = resolve(root, process.env.GOLDEN_DIR ?? '../shared/golden');

/** The folder of real weights and photos: `REAL_DIR`, by default beside the checkout. */
export const realDir = resolve(root, process.env.REAL_DIR ?? '../shared/real');

/**
 * Whether a folder of reference files is there. When `CI` is set its absence is an error; elsewhere it is said once and the
 * tests that need it are skipped.
 */
export function hasFolder(folder: string): boolean {
  if (existsSync(folder)) return true;
  if (process.env.CI) throw new Error(`${folder} is missing: tests need it when CI is set`);
  console.warn(`${folder} is missing: tests that need it are skipped`);
  return false;
}

export const readJson = <T>(path: string): T => JSON.parse(readFileSync(path, 'utf8')) as T;

/** A safetensors file as tensors by name. */
export const readTensors = (path: string): GoldenTensors =>
  goldenTensors(parseWeights(readFileSync(path), { name: path }));

/** The cases of a golden sub-folder: each JSON file with its tensors, if it has any. */
export function goldenCases<T>(
  folder: string,
): { name: string; json: T; tensors: GoldenTensors }[] {
  const dir = join(goldenDir, folder);
  if (!existsSync(dir)) return [];
  return readdirSync(dir)
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => {
      const name = file.slice(0, -'.json'.length);
      const data = join(dir, `${name}.safetensors`);
      return {
        name,
        json: readJson<T>(join(dir, file)),
        tensors: existsSync(data) ? readTensors(data) : () => undefined,
      };
    });
}

/**
 * What one golden test file did: how many comparisons, and which cases need something that is not built yet. A whole run
 * (`npm run test:golden`) adds the files up and fails if there were none; a file alone fails by itself.
 */
export function reportGolden(
  what: string,
  checked: number,
  missing: Readonly<Record<string, readonly string[]>>,
): void {
  const report = process.env.GOLDEN_REPORT;
  if (report) {
    appendFileSync(report, `${JSON.stringify({ what, checked, missing })}\n`);
    return;
  }
  for (const [kind, names] of Object.entries(missing)) {
    if (names.length > 0)
      console.log(`not built yet, ${names.length} ${kind}: ${names.join(', ')}`);
  }
  if (checked === 0) throw new Error(`${what}: nothing was checked`);
}
