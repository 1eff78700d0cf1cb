import { LayerError, nearest } from '../errors.js';
import { cam } from './cam.js';
import { eigenCam } from './eigen-cam.js';
import { gradCam } from './grad-cam.js';
import { gradCamPlusPlus } from './grad-cam-plus-plus.js';
import { vanillaGradient } from './gradient.js';
import { hiResCam } from './hires-cam.js';
import { layerCam } from './layer-cam.js';
import type { Method } from './method.js';
import { scoreCam } from './score-cam.js';
import { smoothGradCamPlusPlus } from './smooth-grad-cam-plus-plus.js';
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
    scoreCam,
    vanillaGradient,
  ].map((m) => [m.name, m]),
);

/** @throws LayerError that offers the nearest names. */
export function methodNamed(name: string): Method {
  const method = methods.get(name);
  if (!method) {
    throw new LayerError(
      `no method ${name}: nearest are ${nearest(name, [...methods.keys()]).join(', ')}; \`webgpu-cam methods\` lists all`,
    );
  }
  return method;
}
