import { WeightsError } from '../errors.js';
import type { Architecture } from './architecture.js';
import type { ParamSource } from './params.js';
import { alignPrefix, matchWeights } from './weights/match.js';
import type { WeightEntry, Weights } from './weights/types.js';
import { networks } from './zoo/index.js';

/** An architecture and the tensors of a file that are its parameters. */
export interface Fit {
  /** As the weights have it: a transformer's number of patches is read off its position embedding. */
  readonly architecture: Architecture;
  /** Rows of the last layer's weight. */
  readonly classes: number;
  readonly sources: ReadonlyMap<string, ParamSource>;
}

/**
 * Fits weights to an architecture: names of other libraries are translated, what the tensors' shapes tell is read off them.
 *
 * @throws WeightsError that lists all missing, extra and misshapen tensors.
 */
export function fitWeights(given: Architecture, weights: Weights): Fit {
  const entries = entriesFor(given, weights.entries);
  const shapeOf = (name: string) => entries.get(name)?.shape;
  const architecture = given.adapt?.(shapeOf) ?? given;
  const classes = shapeOf(`${architecture.head}.weight`)?.[0] ?? architecture.classes;
  const { params } = architecture.build(classes);
  const options = { network: architecture.name };
  return { architecture, classes, sources: matchWeights({ ...weights, entries }, params, options) };
}

/** The networks of the zoo that a file's tensors fit; first those whose publishers use the names that the file has. */
export function fittingNetworks(weights: Weights): Fit[] {
  const fits = [...networks.values()].flatMap((architecture) => {
    try {
      return [fitWeights(architecture, weights)];
    } catch (error) {
      if (error instanceof WeightsError) return [];
      throw error;
    }
  });
  const likely = ({ architecture }: Fit) =>
    usesOtherNames(architecture, weights) === (architecture.publishedUnderOtherNames ?? false);
  return [...fits.filter(likely), ...fits.filter((fit) => !likely(fit))];
}

function usesOtherNames({ rename = same }: Architecture, { entries }: Weights): boolean {
  return [...entries.keys()].some((name) => rename(name) !== name);
}

function entriesFor(
  { rename = same, build, classes }: Architecture,
  entries: ReadonlyMap<string, WeightEntry>,
): ReadonlyMap<string, WeightEntry> {
  const { params } = build(classes);
  const aligned = alignPrefix(entries, (name) => params.has(rename(name)));
  return new Map(
    [...aligned].map(([name, entry]) => [rename(name), { ...entry, name: rename(name) }]),
  );
}

const same = (name: string): string => name;
