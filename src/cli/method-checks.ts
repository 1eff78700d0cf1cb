/** What is refused of methods and flags that do not go together, before anything is computed. */
import type { Method, OptionValues } from '../cam/method.js';
import { LayerError } from '../errors.js';
import type { Net } from '../net/net.js';
import { networks } from '../net/zoo/index.js';
import { UsageError } from './io.js';

/** A method that was asked for, with the values of all its options. */
export interface AskedMethod {
  readonly name: string;
  readonly method: Method;
  readonly values: OptionValues;
}

/** Options that `--seed` sets: a method's `seed`, a wrapper's `noiseSeed`, which has more prefixes where the wrapped method has one already. */
export const isSeed = (option: string): boolean => /^seed$|Seed$/.test(option);

/**
 * A flag that changes nothing is a slip, as an option is that a method does not have. A layer or a seed may be meant for one of several methods;
 * a probability is what is explained, and would stand in the summary of a map that is of something else.
 *
 * @throws UsageError
 */
export function checkFlagsTaken(
  asked: readonly AskedMethod[],
  flags: {
    readonly layerName?: readonly string[] | undefined;
    readonly seed?: string | undefined;
    readonly probability?: boolean | undefined;
  },
): void {
  const all = asked.map(({ name }) => name).join(', ');
  if (flags.layerName && asked.every(({ method }) => method.layers === 'none')) {
    throw new UsageError(`--layer-name: none of the methods takes a layer (${all})`);
  }
  const hasSeed = ({ options }: Method) => Object.keys(options).some(isSeed);
  if (flags.seed !== undefined && !asked.some(({ method }) => hasSeed(method))) {
    throw new UsageError(`--seed: none of the methods has a seed (${all})`);
  }
  const ignoring = asked.filter(({ method, values }) => method.ignoresProbability?.(values));
  if (flags.probability && ignoring.length > 0) {
    throw new UsageError(
      `--probability: would change nothing for ${ignoring.map(({ name }) => name).join(', ')}: ask for that without it, or choose options that score by the probability where there are any`,
    );
  }
}

/** @throws LayerError for a method that cannot explain the network. */
export function checkSuits(
  asked: readonly { readonly name: string; readonly method: Method }[],
  net: Net,
): void {
  for (const { name, method } of asked) {
    const { suits } = method;
    if (!suits || suits(net.graph)) continue;
    const others = [...networks.values()].filter(({ build, classes }) => suits(build(classes)));
    throw new LayerError(
      `${name}: does not suit ${net.name}: it explains ${others.map((other) => other.name).join(', ')}`,
    );
  }
}
