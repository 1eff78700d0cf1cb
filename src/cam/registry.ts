import { LayerError, nearest } from '../errors.js';
import { ablationCam } from './ablation-cam.js';
import { attentionGradCam } from './attention-grad-cam.js';
import { attentionRollout } from './attention-rollout.js';
import { cam } from './cam.js';
import { cameras } from './cameras.js';
import { deconvnet } from './deconvnet.js';
import { deepLiftMethod } from './deeplift.js';
import { eigenCam } from './eigen-cam.js';
import { extremalPerturbation } from './extremal-perturbation.js';
import { genericAttention } from './generic-attention.js';
import { gradCam } from './grad-cam.js';
import { gradCamPlusPlus } from './grad-cam-plus-plus.js';
import { vanillaGradient } from './gradient.js';
import { gradientXInput } from './gradient-x-input.js';
import { groupCam } from './group-cam.js';
import { guidedBackprop } from './guided-backprop.js';
import { guidedGradCam } from './guided-grad-cam.js';
import { hiResCam } from './hires-cam.js';
import { integratedGradients } from './integrated-gradients.js';
import { isCam } from './is-cam.js';
import { kernelShap } from './kernel-shap.js';
import { layerCam } from './layer-cam.js';
import { lime } from './lime.js';
import { lrp } from './lrp.js';
import { meaningfulPerturbation } from './meaningful-perturbation.js';
import type { Method } from './method.js';
import { msgCam } from './msg-cam.js';
import { occlusion } from './occlusion.js';
import { partialLrp } from './partial-lrp.js';
import { rawAttention } from './raw-attention.js';
import { relevanceCam } from './relevance-cam.js';
import { rise } from './rise.js';
import { scoreCam } from './score-cam.js';
import { slidingWindow } from './sliding-window.js';
import { smooth } from './smooth.js';
import { smoothGradCamPlusPlus } from './smooth-grad-cam-plus-plus.js';
import { smoothGrad } from './smoothgrad.js';
import { ssCam } from './ss-cam.js';
import { transformerAttribution } from './transformer-attribution.js';
import { varGrad } from './vargrad.js';
import { xGradCam } from './x-grad-cam.js';

/** Every method, by name: what the command, the page and the evaluation offer. */
export const methods: ReadonlyMap<string, Method> = new Map(
  [
    gradCam,
    gradCamPlusPlus,
    smoothGradCamPlusPlus,
    xGradCam,
    hiResCam,
    layerCam,
    eigenCam,
    cam,
    cameras,
    scoreCam,
    ssCam,
    isCam,
    ablationCam,
    groupCam,
    msgCam,
    rise,
    occlusion,
    lime,
    kernelShap,
    meaningfulPerturbation,
    extremalPerturbation,
    vanillaGradient,
    gradientXInput,
    guidedBackprop,
    deconvnet,
    guidedGradCam,
    smoothGrad,
    varGrad,
    integratedGradients,
    deepLiftMethod,
    lrp,
    relevanceCam,
    rawAttention,
    attentionRollout,
    attentionGradCam,
    genericAttention,
    partialLrp,
    transformerAttribution,
  ].map((m) => [m.name, m]),
);

/** What makes another method of any, by the first part of the name it gives: `enhanced-grad-cam`. */
export const wrappers: ReadonlyMap<string, (method: Method) => Method> = new Map([
  ['enhanced', (method) => slidingWindow(method)],
  ['smooth', (method) => smooth(method)],
]);

/**
 * A method by name, or one wrapped by way of its name: `enhanced-...` for {@link slidingWindow}, `smooth-...` for {@link smooth}.
 *
 * @throws LayerError that offers the nearest names.
 */
export function methodNamed(name: string): Method {
  const method = methods.get(name);
  if (method) return method;
  for (const [prefix, wrap] of wrappers) {
    if (name.startsWith(`${prefix}-`)) return wrap(methodNamed(name.slice(prefix.length + 1)));
  }
  throw new LayerError(
    `no method ${name}: nearest are ${nearest(name, [...methods.keys()]).join(', ')}; \`webgpu-cam methods\` lists all`,
  );
}
