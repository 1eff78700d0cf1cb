import { LayerError } from '../errors.js';
import type { Value } from '../gpu/value.js';
import { fuseMaps } from '../kernels/fuse-maps.js';
import { isSigned, type Method, type OptionValues, type Scene } from './method.js';
import { optionsOf } from './options.js';
import { amountsOf, stretch } from './scene.js';
import type { Target } from './target.js';

/** One map of a fusion. */
export interface FusePart {
  readonly method: Method;
  /** The method's options; default its own. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** Layer it explains; default the one asked for. */
  readonly layer?: string;
  /** What it explains; default what is asked for. */
  readonly target?: Target;
  /** 1 by default. */
  readonly weight?: number;
}

/**
 * Several maps as one: of methods, of layers, of classes, each finished to 0..1 and added with its weight. Those that have a sign are added as
 * -1..1; if all have, so does the fusion.
 *
 *   raw = sum over parts i of weight_i map_i
 *
 * Parts follow the profile that is asked for, but are finished, and added, at the input's size, whatever their layers'.
 *
 * @throws LayerError for no parts, or a weight that is no number.
 */
export function fuse(name: string, parts: readonly FusePart[]): Method {
  if (parts.length === 0) throw new LayerError('fuse: no parts given: name at least one method');
  for (const { method, weight = 1 } of parts) {
    if (!Number.isFinite(weight)) {
      throw new LayerError(`fuse: weight of ${method.name} is ${weight}, should be a number`);
    }
  }
  // Once here, so that what does not fit is told at once.
  for (const { method, options } of parts) optionsOf(method, options);
  const titles = [...new Set(parts.map((p) => p.method.title))];
  return {
    name,
    title: titles.join(' + '),
    paper: [...new Set(parts.map((p) => p.method.paper))].join('; '),
    options: {},
    layers: parts.every((p) => p.method.layers === 'none') ? 'none' : 'one',
    finish: parts.every((p) => isSigned(p.method)) ? 'signed' : 'none',
    passes: parts.some((p) => p.method.passes === 'many') ? 'many' : 'several',
    usesTarget: parts.some((p) => p.method.usesTarget),
    suits: (graph) => parts.every((p) => p.method.suits?.(graph) ?? true),
    taps: (graph) =>
      parts.flatMap(({ method, layer, target }) => [
        ...(method.taps?.(graph) ?? []),
        ...[layer, target?.node].filter((node) => node !== undefined),
      ]),
    record: (scene) => {
      let sum: Value | undefined;
      parts.forEach(({ method, options, layer, target, weight = 1 }, i) => {
        const own = scene.about({ ...(layer && { layers: [layer] }), ...(target && { target }) });
        const map = mapOf(own, method, optionsOf(method, options, scene.profile), target);
        const share = { mode: 'sum', weight, first: i === 0 } as const;
        sum = scene.recorder.k(fuseMaps, { x: map }, share, { into: sum });
      });
      return sum!;
    },
  };
}

/** A method's finished amounts; of a target of several parts the sum of theirs, finished again. */
function mapOf(scene: Scene, method: Method, values: OptionValues, target?: Target): Value {
  const amountsIn = (own: Scene) => own.amounts(method, method.record(own, values));
  if (!target || target.parts.length === 1) return amountsIn(scene);
  const { recorder } = scene;
  let sum: Value | undefined;
  target.parts.forEach((part, i) => {
    const map = amountsIn(scene.about({ target: { ...target, parts: [part] } }));
    const share = { mode: 'sum', weight: part.weight, first: i === 0 } as const;
    sum = recorder.k(fuseMaps, { x: map }, share, { into: sum });
  });
  return amountsOf(recorder, method, stretch(recorder, sum!, isSigned(method), true).map);
}
