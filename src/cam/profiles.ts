import type { OptionValues } from './method.js';

/** Whose conventions to follow where the libraries disagree. */
export type Profile = 'paper' | 'pytorch-grad-cam' | 'torch-cam' | 'captum';

export interface ProfileSpec {
  readonly about: string;
  /** Options of methods that differ from the paper's, by method name. */
  readonly options: Readonly<Record<string, OptionValues>>;
  /** Negative values of the raw map are kept (captum's `relu_attributions` is off by default). */
  readonly keepsNegative: boolean;
  /** Side of the finished map: the input's, or the layer's (torch-cam and captum leave the enlarging to the user). */
  readonly size: 'input' | 'layer';
}

export const profiles: Readonly<Record<Profile, ProfileSpec>> = {
  paper: { about: "the papers' formulas", options: {}, keepsNegative: false, size: 'input' },
  'pytorch-grad-cam': {
    about: "1e-6 in Grad-CAM++'s denominator, EigenCAM centred, layers of LayerCAM averaged",
    options: {
      'grad-cam++': { form: 'stabilised' },
      'eigen-cam': { centred: true },
      'layer-cam': { fuse: 'mean' },
    },
    keepsNegative: false,
    size: 'input',
  },
  'torch-cam': {
    about: "sum of A G^3 in Grad-CAM++'s denominator, maps at the layer's size",
    options: { 'grad-cam++': { form: 'torch-cam' } },
    keepsNegative: false,
    size: 'layer',
  },
  captum: {
    about:
      "no ReLU on the map, maps at the layer's size; DeepLIFT with the gradient of max-pooling",
    options: { deeplift: { pooling: 'gradient' } },
    keepsNegative: true,
    size: 'layer',
  },
};
