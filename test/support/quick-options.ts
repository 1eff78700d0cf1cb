import type { OptionValues } from '../../src/cam/method.js';

/** Options that make slow methods quick, for tests that are not about their quality; all sizes are kept, whatever the class. */
export const quickOptions: Readonly<Record<string, OptionValues>> = {
  cameras: { keep: 'all', steps: 2 },
  'msg-cam': { keep: 'all', steps: 2 },
  'ss-cam': { copies: 2 },
  'is-cam': { steps: 2 },
  smoothgrad: { copies: 3 },
  vargrad: { copies: 3 },
  'integrated-gradients': { steps: 4 },
  rise: { masks: 24 },
  lime: { samples: 40, segments: 12 },
  'kernel-shap': { samples: 40, segments: 12 },
  'meaningful-perturbation': { steps: 3 },
  'extremal-perturbation': { steps: 3 },
};
