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
} from './localisation.js';
export { onePetCases, twoPetCases } from './toypets.js';
