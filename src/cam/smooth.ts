import type { Value } from '../gpu/value.js';
import { fuseMaps } from '../kernels/fuse-maps.js';
import { mostPasses } from './budget.js';
import { type Method, wrapperOptions } from './method.js';

/**
 * Any method, averaged over noisy copies of the image: D. Smilkov et al., "SmoothGrad: removing noise by adding noise", 2017.
 *
 *   raw = mean over j of raw_f(I + n_j),  n_j ~ N(0, sigma^2); all copies are explained for the class of the image without noise
 *
 * A method that adds noise itself adds other noise to each copy than these have.
 *
 * Its name is `smooth-` and the method's; so are its options, and the noise's; a name that both have is the method's, and the noise's begins with
 * `noise`.
 */
export function smooth(
  method: Method,
  defaults: { readonly samples?: number; readonly noise?: number } = {},
): Method {
  const specs = {
    samples: {
      default: defaults.samples ?? 8,
      min: 1,
      max: mostPasses,
      about: 'number of noisy copies',
    },
    noise: {
      default: defaults.noise ?? 0.3,
      min: 0,
      whole: false,
      about: 'standard deviation of the noise on the normalised input',
    },
    noiseSeed: { default: 'noise', about: 'name that seeds the noise' },
  };
  const { options, own, inner } = wrapperOptions(method, specs, 'noise');
  return {
    ...method,
    base: method.base ?? method.name,
    name: `smooth-${method.name}`,
    title: `${method.title}, smoothed`,
    paper: `${method.paper}; noise: Smilkov et al., "SmoothGrad", 2017`,
    options,
    passes: method.passes === 'many' ? 'many' : 'several',
    record: (scene, values) => {
      const { recorder } = scene;
      const { noise: sigma, noiseSeed, samples: count } = own(values);
      const samples = count as number;
      let sum: Value | undefined;
      for (let sample = 0; sample < samples; sample++) {
        recorder.cut(1);
        const noisy = scene.noisy(`${noiseSeed}:${sample}`, sigma as number);
        const raw = method.record(noisy, inner(values));
        const share = { mode: 'sum', weight: 1 / samples, first: sample === 0 } as const;
        sum = recorder.k(fuseMaps, { x: raw }, share, { into: sum });
      }
      recorder.cut();
      return sum!;
    },
  };
}
