/**
 * Golden kernel cases as data and functions: no test framework and no file system, so that the same cases run in Node and in a
 * browser. The caller hands in each `<op>.json` and its tensors; what to check is read from them.
 */
import type { Gpu } from '../../src/gpu/device.js';
import { Recorder } from '../../src/gpu/recorder.js';
import type { Value } from '../../src/gpu/value.js';
import type { AnyKernel } from '../../src/kernels/kernel.js';
import { parseWeights } from '../../src/net/weights/index.js';
import { hasTurn } from '../support/turns.js';
import { ops } from './kernel-ops.js';

/** One comparison with a golden tensor; it holds if `error <= tolerance`. */
export interface Check {
  /** The golden tensor's key and the kernel's variant. */
  readonly key: string;
  readonly error: number;
  readonly tolerance: number;
  /** What `error` is. */
  readonly measure: 'relative L2' | 'largest difference';
}

/** A case of a golden file. */
export interface GoldenCase {
  /** `op/case`. */
  readonly name: string;
  /** Runs the variants of every kernel that the case has tensors for. */
  run(gpu: Gpu): Promise<Check[]>;
}

/** What a golden file asks for: cases that can run, and names of those, or parts of them, nothing is built for. */
export interface GoldenFile {
  readonly cases: readonly GoldenCase[];
  readonly notBuilt: readonly string[];
}

/** An array and its shape. */
export interface GoldenArray {
  readonly shape: readonly number[];
  readonly data: Float32Array | Uint32Array;
}

export interface CaseJson {
  readonly name: string;
  // biome-ignore lint/suspicious/noExplicitAny: parameters differ from operator to operator
  readonly params: Readonly<Record<string, any>>;
  readonly tensors: Readonly<Record<string, readonly number[]>>;
}

/**
 * Turns the text of `<op>.json` and the bytes of `<op>.safetensors` into cases.
 *
 * @param all whether variants that are slow to compile run every case; else they take turns, see {@link hasTurn}
 */
export function goldenKernels(
  op: string,
  json: string,
  safetensors: Uint8Array,
  all = false,
): GoldenFile {
  const { cases } = JSON.parse(json) as { cases: readonly CaseJson[] };
  const known = ops[op];
  if (!known) return { cases: [], notBuilt: cases.map((c) => `${op}/${c.name}`) };
  const { entries } = parseWeights(safetensors, { name: `${op}.safetensors` });
  const parts = cases.map((c, i) => {
    const { parts: run = [], notBuilt = [] } = known(c);
    const name = `${op}/${c.name}`;
    const takes: Takes = (kernel, variant) => all || hasTurn(kernel, variant, i);
    return {
      name,
      run,
      takes,
      notBuilt: notBuilt.map((part) => (part ? `${name} ${part}` : name)),
      c,
    };
  });
  return {
    cases: parts
      .filter(({ run }) => run.length > 0)
      .map(({ name, run, takes, c }) => ({
        name,
        run: async (gpu) => {
          const read = (key: string): GoldenArray | undefined => {
            const entry = entries.get(`${c.name}/${key}`);
            return entry && { shape: entry.shape, data: entry.read() };
          };
          const r = Recorder.on(gpu);
          const pending = run.flatMap((part) => recordPart(r, part, read, takes));
          if (pending.length === 0) return [];
          const tensors = await r.run(pending.map(({ value }) => value));
          const results = await gpu.read(tensors);
          for (const tensor of tensors) tensor.destroy();
          return pending.map(({ check }, i) => check(results[i]));
        },
      })),
    notBuilt: parts.flatMap((p) => p.notBuilt),
  };
}

/** One kernel of a case: how to call it, and which golden each of its results is. */
export interface KernelPart extends Comparison {
  readonly kernel: { readonly name: string };
  /** Inputs by name from the case's tensors; undefined if one that is needed is not there. */
  readonly reads: (read: Read) => Readonly<Record<string, GoldenArray | undefined>> | undefined;
  readonly options?: object;
}

/** Several kernels of a case, one after the other, each in the variant a plan would take. */
export interface StepsPart extends Comparison {
  /** What they are called together. */
  readonly name: string;
  /** Records them on an array of the case, and returns their results by name. */
  readonly record: (r: Recorder, read: Read) => Readonly<Record<string, Value>>;
}

/** What of a case is compared, and how. */
interface Comparison {
  /** Golden key by result name. */
  readonly results: Readonly<Record<string, string | undefined>>;
  /** How to compare; the relative L2 norm if not given. */
  readonly compare?: (got: ArrayLike<number>, golden: ArrayLike<number>) => Omit<Check, 'key'>;
  /** The elements of the golden that the result is compared with; all if not given. */
  readonly goldenPart?: (golden: ArrayLike<number>) => ArrayLike<number>;
  /** Whether only the result's beginning is in the golden. */
  readonly beginning?: boolean;
}

export type Part = KernelPart | StepsPart;

export type Read = (key: string) => GoldenArray | undefined;

/** A recorded result and how it is compared once it is there. */
interface Pending {
  readonly value: Value;
  readonly check: (got: ArrayLike<number>) => Check;
}

/** Whether a variant of a kernel runs a case. */
type Takes = (kernel: AnyKernel, variant: string) => boolean;

/** Records every variant of a part that takes it; nothing if tensors it needs are not in the case. */
function recordPart(r: Recorder, part: Part, read: Read, takes: Takes): Pending[] {
  const wanted = Object.entries(part.results).filter(
    (e): e is [string, string] => e[1] !== undefined && read(e[1]) !== undefined,
  );
  if (wanted.length === 0) return [];
  const pending = (values: Readonly<Record<string, Value>>, by: string): Pending[] =>
    wanted.map(([result, key]) => ({
      value: values[result],
      check: (got) => ({
        key: `${key} (${by})`,
        ...compared(part, got, (read(key) as GoldenArray).data),
      }),
    }));
  if ('record' in part) return pending(part.record(r, read), part.name);

  const { options } = part;
  const kernel = part.kernel as AnyKernel;
  const given = part.reads(read);
  if (!given) return [];
  const arrays = Object.entries(given).filter(
    (e): e is [string, GoldenArray] => e[1] !== undefined,
  );
  const names = new Set(arrays.map(([name]) => name));
  if (!Object.keys(kernel.spec.reads).every((name) => name.endsWith('?') || names.has(name)))
    return [];

  const reads = Object.fromEntries(
    arrays.map(([name, a]) => [name, r.constant(a.data as Float32Array, a.shape)]),
  );
  const variants = kernel.variantsFor(reads, options, r.caps);
  return variants
    .filter((variant) => takes(kernel, variant))
    .flatMap((variant) => {
      const recorded = r.k(kernel, reads, options, { variant }) as unknown;
      const values = (
        kernel.resultNames.length === 1 ? { [kernel.resultNames[0]]: recorded } : recorded
      ) as Record<string, Value>;
      return pending(values, `${kernel.name}, ${variant}`);
    });
}

function compared(part: Comparison, got: ArrayLike<number>, whole: ArrayLike<number>) {
  const { compare = relativeL2, goldenPart, beginning } = part;
  const golden = goldenPart?.(whole) ?? whole;
  const fits = beginning ? got.length >= golden.length : got.length === golden.length;
  return fits ? compare(got, golden) : misshapen;
}

const misshapen: Omit<Check, 'key'> = {
  error: Number.POSITIVE_INFINITY,
  tolerance: 0,
  measure: 'largest difference',
};

/** The public contract: 2e-5 of the golden's norm, or 1e-6 in each element where the golden is all zero. */
export function relativeL2(got: ArrayLike<number>, golden: ArrayLike<number>): Omit<Check, 'key'> {
  let [difference, norm] = [0, 0];
  for (let i = 0; i < golden.length; i++) {
    difference += (got[i] - golden[i]) ** 2;
    norm += golden[i] ** 2;
  }
  if (norm === 0) return largestDifference(1e-6)(got, golden);
  const error = Math.sqrt(difference / norm);
  return {
    error: Number.isNaN(error) ? Number.POSITIVE_INFINITY : error,
    tolerance: 2e-5,
    measure: 'relative L2',
  };
}

/** Every element within `tolerance`. */
export const largestDifference =
  (tolerance: number) =>
  (got: ArrayLike<number>, golden: ArrayLike<number>): Omit<Check, 'key'> => {
    let error = 0;
    for (let i = 0; i < golden.length; i++) {
      const d = Math.abs(got[i] - golden[i]);
      error = Number.isNaN(d) ? Number.POSITIVE_INFINITY : Math.max(error, d);
    }
    return { error, tolerance, measure: 'largest difference' };
  };
