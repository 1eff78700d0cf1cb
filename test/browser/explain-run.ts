/** Explains a picture: the same code in Node and in the page. */
import { classTarget, explain, type Gpu, Net, type Photo, predict } from '../../src/index.js';

export interface Explanation {
  readonly top5: readonly { readonly classId: number; readonly probability: number }[];
  readonly score: number;
  readonly warnings: readonly string[];
  /** [H,W] in 0..1. */
  readonly map: Float32Array;
  /** RGBA of the photo's size. */
  readonly overlay: Uint8Array;
}

/** Grad-CAM of a class, with the five best guesses. `network` may be left to the weights file. */
export async function explainPhoto(
  gpu: Gpu,
  network: string | undefined,
  weights: Uint8Array,
  photo: Photo,
  classId: number,
): Promise<Explanation> {
  const net = Net.load(gpu, network, weights);
  try {
    const [top5] = await predict(net, photo);
    using saliency = await explain(net, photo, { target: classTarget(classId) });
    const [{ score, warnings }] = await saliency.summaries();
    const map = await saliency.read();
    return { top5, score, warnings, map, overlay: await saliency.overlay(photo) };
  } finally {
    net.destroy();
  }
}
