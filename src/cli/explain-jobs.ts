import { type ExplainOptions, planExplain } from '../cam/explain.js';
import type { Method } from '../cam/method.js';
import { optionsOf } from '../cam/options.js';
import type { Profile } from '../cam/profiles.js';
import { methodNamed } from '../cam/registry.js';
import { slidingWindow } from '../cam/sliding-window.js';
import { classTarget, probabilityTarget, type Target, topFiveTarget } from '../cam/target.js';
import { LayerError, TargetError } from '../errors.js';
import { placeholder } from '../gpu/value.js';
import type { Net } from '../net/net.js';
import type { MethodChoice } from './flags.js';
import { distinct } from './images.js';
import { type AskedMethod, checkFlagsTaken, checkSuits, isSeed } from './method-checks.js';

/** What the command was asked for. */
export interface JobFlags {
  readonly layerName?: readonly string[];
  readonly classId?: readonly number[];
  readonly topFive?: boolean;
  readonly probability?: boolean;
  readonly method?: readonly MethodChoice[];
  readonly enhance?: boolean;
  readonly profile: Profile;
  readonly seed?: string;
  /** MiB. */
  readonly memory?: number;
}

/** One map to be made of each photo. */
export interface Ask {
  readonly target: Target;
  /** Undefined for the predicted class, null if it is not one class that is explained. */
  readonly classId: number | null | undefined;
  /** Of the files, without extension. */
  readonly stem: string;
}

/** Maps to be made of each photo at once: several classes by one method. */
export interface Job {
  readonly method: Method;
  readonly options: Readonly<Record<string, string>>;
  readonly layer: readonly string[] | undefined;
  /** Of all the asks, for as many times the photo. */
  readonly target: Target;
  readonly asks: readonly Ask[];
}

/** Classes that a method of many passes explains at once: it masks the photo once for all, and memory for its own few passes grows with them. */
const classesAtOnce = 4;

/** @throws LayerError for an unknown method, or an option that it does not have or allow; UsageError for a flag that none takes. */
export function methodsOf(flags: JobFlags): (MethodChoice & AskedMethod)[] {
  const choices = flags.method ?? [{ name: 'grad-cam', options: {} }];
  const asked = choices.map(({ name, options }) => {
    const named = methodNamed(name);
    // Another wrapper may be around the windows.
    const isEnhanced = named.name.includes('enhanced-');
    const method = flags.enhance && !isEnhanced ? slidingWindow(named) : named;
    const all: Record<string, string> = { ...options };
    for (const option of Object.keys(method.options).filter(isSeed)) {
      if (flags.seed !== undefined) all[option] ??= flags.seed;
    }
    const values = optionsOf(method, all, flags.profile);
    return { name: method.name, method, options: all, values };
  });
  checkFlagsTaken(asked, flags);
  return asked;
}

/** @throws LayerError for a method that does not suit the network, an unknown layer, or one too many; TargetError for an unknown class. */
export function jobsOf(
  methods: readonly (MethodChoice & { method: Method })[],
  flags: JobFlags,
  net: Net,
): Job[] {
  checkSuits(methods, net);
  for (const layer of flags.layerName ?? []) net.graph.get(layer);
  for (const { name, method } of methods) {
    const given = flags.layerName?.length ?? 0;
    if (given > 1 && method.layers === 'one') {
      throw new LayerError(`${name}: ${given} layers given, should be one`);
    }
  }
  for (const classId of flags.classId ?? []) {
    if (classId >= net.classes) {
      throw new TargetError(
        `--class-id ${classId} is out of range: ${net.name} has classes 0 .. ${net.classes - 1}`,
      );
    }
  }
  const makeTarget = flags.probability ? probabilityTarget : classTarget;
  const ids: readonly (number | null | undefined)[] = flags.topFive
    ? [null]
    : (flags.classId ?? [undefined]);
  const targetOf = (some: readonly (number | null | undefined)[]) =>
    some[0] === null
      ? topFiveTarget(net.classes)
      : makeTarget(some.length > 1 ? (some as number[]) : some[0]);
  const suffix = (classId: Ask['classId']) => (ids.length > 1 ? `.class-${classId}` : '');
  const stems = distinct(
    methods.flatMap(({ method }) => ids.map((id) => `${method.name}${suffix(id)}`)),
  ).values();
  return methods.flatMap(({ method, options }) => {
    const most = method.passes === 'many' ? classesAtOnce : 1;
    return chunks(ids, most).map((some) => ({
      ...{ method, options, layer: flags.layerName, target: targetOf(some) },
      asks: some.map((classId) => ({
        ...{ target: targetOf([classId]), classId, stem: stems.next().value! },
      })),
    }));
  });
}

/** How a job is explained. */
export const explainOptions = (
  { method, options, layer, target }: Job,
  { profile, memory }: Pick<JobFlags, 'profile' | 'memory'>,
): ExplainOptions => ({
  ...{ method, options, target, profile },
  ...(method.layers !== 'none' && layer && { layer }),
  ...(memory !== undefined && { memoryBytes: memory * 2 ** 20 }),
});

/** The maps of a job as jobs of their own. */
export const apart = (job: Job): Job[] =>
  job.asks.map((ask) => ({ ...job, target: ask.target, asks: [ask] }));

/**
 * Plans each method but the first, once: what it finds wrong with its layer, the network or its options is said before the first one has run,
 * maybe for minutes. The first one says it by itself, before it runs.
 *
 * @throws what `explain` would
 */
export function checkLaterJobs(net: Net, jobs: readonly Job[], flags: JobFlags): void {
  const input = placeholder([1, 3, ...net.inputSize]);
  for (const [j, job] of jobs.entries()) {
    if (j === 0 || job.options === jobs[j - 1].options) continue;
    planExplain(net, input, explainOptions(apart(job)[0], flags));
  }
}

/** `list` in parts of at most `size`. */
const chunks = <T>(list: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(list.length / size) }, (_, i) =>
    list.slice(i * size, (i + 1) * size),
  );
