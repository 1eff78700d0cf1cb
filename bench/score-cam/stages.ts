/** Parts of a Score-CAM, in the order they run. */
export const stages = ['maps', 'masks', 'forward', 'weights', 'tail'] as const;
export type Stage = (typeof stages)[number];

/** Masking that is a dispatch of its own: the rest rides in the first convolution. */
const masking = new Set(['stretchMasks', 'expandMasks', 'blend']);

/** From logits to the weight of each map: which class, what it scores, and the sum. */
const weighting = new Set([
  ...['argmaxRows', 'oneHot', 'repeatRows', 'rowDot'],
  ...['softmax', 'selectedScores', 'scoresByMap', 'scoreWeights', 'weightedSum'],
]);

/**
 * The stage of each dispatch of a Score-CAM, by its place and its kernel: what comes before the masks is `maps`, what comes after the weighted
 * sum is `tail`; between them what neither masks nor weighs is `forward`, the black image's pass included.
 *
 * @param kernels names in the order of the dispatches
 * @throws RangeError if they are not those of a Score-CAM.
 */
export function stagesOf(kernels: readonly string[]): Stage[] {
  const masked = kernels.indexOf('stretchMasks');
  const summed = kernels.lastIndexOf('weightedSum');
  if (masked < 0 || summed < masked) {
    throw new RangeError(
      'bench: stretchMasks should come before weightedSum: is this no recording of a Score-CAM?',
    );
  }
  return kernels.map((kernel, i) => {
    if (i < masked) return 'maps';
    if (i > summed) return 'tail';
    if (masking.has(kernel)) return 'masks';
    return weighting.has(kernel) ? 'weights' : 'forward';
  });
}

/** Milliseconds by stage. */
export type StageTimes = Readonly<Record<Stage, number>>;

/** Sums the dispatches' times by stage. */
export function stageTimes(
  times: readonly { readonly kernel: string; readonly timeMs: number }[],
): StageTimes {
  const sums = Object.fromEntries(stages.map((stage) => [stage, 0])) as Record<Stage, number>;
  stagesOf(times.map(({ kernel }) => kernel)).forEach((stage, i) => {
    sums[stage] += times[i].timeMs;
  });
  return sums;
}
