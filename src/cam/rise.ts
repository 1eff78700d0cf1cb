import type { Value } from '../gpu/value.js';
import { masksAt } from '../kernels/mask-source.js';
import { type MaskSumOptions, maskSum } from '../kernels/mask-sum.js';
import { type MaskSource, masksAtFullSize } from '../net/masked-input.js';
import { batchOption, maskedScores } from './masked-scores.js';
import type { Method, Scene } from './method.js';

/**
 * RISE: V. Petsiuk et al., "RISE: Randomized Input Sampling for Explanation of Black-box Models", BMVC 2018.
 *
 *   raw = sum over n of p_c(I * m_n) m_n / (N p),  m_n random grids of 0 and 1 (a cell is 1 with probability p), enlarged and shifted
 */
export const rise: Method = {
  name: 'rise',
  title: 'RISE',
  paper: 'Petsiuk et al., "RISE", BMVC 2018',
  options: {
    masks: { default: 4000, min: 1, max: 1_000_000, about: 'number of random masks N' },
    cells: { default: 7, min: 1, about: "cells along a mask's side" },
    p: { default: 0.5, above: 0, max: 1, about: 'probability that a cell shows the image' },
    seed: { default: 'rise', about: 'name that seeds the masks' },
    ...batchOption,
  },
  layers: 'none',
  finish: 'none',
  passes: 'many',
  usesTarget: true,
  record: (scene, options) => {
    const [count, p] = [options.masks as number, options.p as number];
    const masks: MaskSource = {
      kind: 'rise',
      count,
      rise: { key: options.seed as string, p, grid: options.cells as number },
    };
    const scores = maskedScores(scene, masks, { options });
    return masksTimesScores(scene, masks, scores, { scale: 1 / (count * p) });
  },
};

/** Masks that all images share, each times what its image scores, added up: [N,H,W]. They are made again, some at a time. */
export function masksTimesScores(
  scene: Scene,
  masks: MaskSource,
  scores: Value,
  options: Omit<MaskSumOptions, 'start'>,
  over?: Value,
): Value {
  const { recorder, input } = scene;
  const [N, , H, W] = input.shape;
  const most = 64;
  let sum: Value | undefined;
  for (let first = 0; first < masks.count; first += most) {
    const count = Math.min(most, masks.count - first);
    const isLast = first + count === masks.count;
    const place = { image: 0, first, count };
    sum = recorder.k(
      maskSum,
      {
        masks: masksAtFullSize(recorder, masks, [H, W], place, N),
        scores,
        at: recorder.constant(masksAt(0, first)),
        over: isLast ? over : undefined,
      },
      { ...options, start: first === 0 },
      { into: sum },
    );
  }
  return sum!;
}
