export { backToInput } from './backprop.js';
export { type ExplainOptions, explain, planExplain } from './explain.js';
export { type FusePart, fuse } from './fuse.js';
export type { NetInput } from './input.js';
export { lrpBy } from './lrp.js';
export {
  batchWithin,
  maskedScores,
  type Place,
  type ScoreKind,
  type Scoring,
  scoreOf,
  scoresOf,
} from './masked-scores.js';
export { mapMasks } from './masks.js';
export {
  activationsAt,
  type Features,
  featuresAt,
  fromGradients,
  isOfPixels,
  isSigned,
  type Method,
  type OptionSpec,
  type OptionValues,
  type Scene,
} from './method.js';
export { optionsOf } from './options.js';
export { type Prediction, predict } from './predict.js';
export { type Profile, type ProfileSpec, profiles } from './profiles.js';
export { methodNamed, methods, wrappers } from './registry.js';
export {
  colormapFor,
  type MapInfo,
  type MapSummary,
  paintFor,
  SaliencyMap,
} from './saliency-map.js';
export { type SlidingWindowOptions, slidingWindow } from './sliding-window.js';
export { smooth } from './smooth.js';
export {
  type ClassChoice,
  type ClassChoices,
  classTarget,
  cosineTarget,
  linearTarget,
  probabilityTarget,
  type Seed,
  type Target,
  type TargetPart,
  topFiveTarget,
  topFiveWeights,
  weightedTarget,
} from './target.js';
