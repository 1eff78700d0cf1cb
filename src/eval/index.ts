/** Measures of how good maps are. */
export {
  energyShare,
  type Judgement,
  type JudgeOptions,
  judgeMaps,
  type Localisation,
  type LocalisationCase,
  LocalisationTally,
  type Mask,
  pointsAt,
  positivePart,
} from './localisation.js';
export { reinitialised } from './reinitialise.js';
export {
  meanSimilarity,
  type SanityMode,
  type SanityOptions,
  type SanityResult,
  type SanityStep,
  type Similarity,
  sanity,
  sanityLayers,
} from './sanity.js';
export {
  fewestMaps,
  keptLimit,
  measures,
  type SanityVerdict,
  sanityVerdict,
} from './sanity-verdict.js';
export {
  hog,
  hogSimilarity,
  type MapSize,
  type SsimOptions,
  spearman,
  ssim,
} from './similarity.js';
export { onePetCases, twoPetCases } from './toypets.js';
