import { featuresAt, type Method } from '../../src/cam/method.js';

/** A method of a test: of one layer and a target, in one pass, finished by ReLU, unless `more` says otherwise. */
export const ownMethod = (
  name: string,
  record: Method['record'],
  more: Partial<Method> = {},
): Method => ({
  name,
  title: '',
  paper: '',
  options: {},
  layers: 'one',
  finish: 'relu',
  passes: 'one',
  usesTarget: true,
  ...more,
  record,
});

/** Hands out a layer's activations or gradients as if they were a map. */
export const handOut = (what: 'A' | 'G'): Method =>
  ownMethod(what, (scene) => {
    const value = featuresAt(scene, scene.trace, scene.layers[0])[what];
    const [N, K, h, w] = value.shape;
    return value.reshape([N, K * h, w]);
  });
