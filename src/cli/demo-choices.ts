import type { OptionValues } from '../cam/method.js';

/** What the demo asks of a method, where that is not a map of each picture and each class with the method's own options. */
export interface DemoChoice {
  readonly options?: OptionValues;
  /** Layer, if not the network's own. */
  readonly layer?: string;
  /** The classes' names; all if undefined. */
  readonly classes?: readonly string[];
}

/** The picture that slow methods are shown on. */
export const slowPicture = 'cat-and-dog';

/**
 * Methods that ask the network many times, with counts small enough for a software adapter: RISE alone looks 4000 times by default, all of
 * these together some 650 times. MSG-CAM and CAMERAS keep all sizes, because they are asked about a class that is not the predicted one, too.
 * Counts are multiples of 16, the batch that fits `batchBytes`: another size of batch has pipelines of its own to compile.
 */
export const slowChoices: Readonly<Record<string, DemoChoice>> = {
  'enhanced-grad-cam': {},
  'msg-cam': { options: { keep: 'all', steps: 2, groups: 16 } },
  'group-cam': { options: { groups: 16 } },
  cameras: { options: { keep: 'all', steps: 2 } },
  'ablation-cam': {},
  'enhanced-layer-cam': { classes: ['dog'] },
  'score-cam': { classes: ['dog'] },
  'ss-cam': { options: { copies: 1, sigma: 0.1 }, layer: 'features.9', classes: ['dog'] },
  'is-cam': { options: { steps: 2 }, layer: 'features.9', classes: ['dog'] },
  rise: { options: { masks: 48, cells: 5 }, classes: ['dog'] },
  occlusion: { options: { size: 28, stride: 12 }, classes: ['dog'] },
  lime: { options: { samples: 48, segments: 20 }, classes: ['dog'] },
  'kernel-shap': { options: { samples: 48, segments: 20 }, classes: ['dog'] },
  'meaningful-perturbation': {
    options: { steps: 12, rate: 0.4, cells: 14, l1: 0.002 },
    classes: ['dog'],
  },
  smoothgrad: { options: { copies: 4 }, classes: ['dog'] },
  vargrad: { options: { copies: 4 }, classes: ['dog'] },
  'integrated-gradients': { options: { steps: 8, rule: 'middle' }, classes: ['dog'] },
  'gradient-x-input': { classes: ['dog'] },
  'guided-backprop': { classes: ['dog'] },
  deconvnet: { classes: ['dog'] },
  'guided-grad-cam': { classes: ['dog'] },
  deeplift: { classes: ['dog'] },
  lrp: { classes: ['dog'] },
  'relevance-cam': { classes: ['dog'] },
  'raw-attention': {},
  'attention-rollout': {},
  'attention-grad-cam': { options: { block: 2 }, classes: ['dog'] },
  'generic-attention': {},
  'partial-lrp': {},
  'transformer-attribution': {},
  'extremal-perturbation': { options: { steps: 12, rate: 0.4 }, classes: ['dog'] },
};

/** The transformer that is shown beside the convolutional network. */
export const transformerName = 'toy_vit';

/** Methods that are shown on the transformer, too; those that explain nothing else are shown there anyway. */
export const transformerChoices: Readonly<Record<string, DemoChoice>> = {
  'grad-cam': {},
  lrp: {},
  'msg-cam': { options: { keep: 'all', steps: 2, groups: 16 } },
  'enhanced-transformer-attribution': {},
};

/** Any other method of many passes, so that a new one cannot make the demo slow before somebody has chosen its counts. */
export const slowDefault: DemoChoice = { classes: ['dog'] };
