export { type ExplainOptions, explain, planExplain } from './explain.js';
export type { NetInput } from './input.js';
export {
  activationsAt,
  type Features,
  featuresAt,
  fromGradients,
  type Method,
  type OptionSpec,
  type OptionValues,
  type Scene,
} from './method.js';
export { optionsOf } from './options.js';
export { type Prediction, predict } from './predict.js';
export { type Profile, type ProfileSpec, profiles } from './profiles.js';
export { methodNamed, methods } from './registry.js';
export { type MapInfo, type MapSummary, SaliencyMap } from './saliency-map.js';
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
