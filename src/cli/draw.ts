import type { SaliencyMap } from '../cam/saliency-map.js';
import { encodePng } from '../image/encode-node.js';
import { crossOut } from '../image/mark.js';
import type { PaintOptions, Photo, RgbaImage } from '../image/photo.js';

/** A picture as the bytes of a PNG file. */
type Png = Uint8Array;

/** Map `n` of an explanation, over its photo and alone. */
export async function drawMap(
  explained: SaliencyMap,
  photo: Photo,
  paint: PaintOptions,
  n: number,
): Promise<{ overlay: Png; heatmap: Png }> {
  const [, H, W] = explained.map.shape;
  const [overlay, heatmap] = await Promise.all([
    explained.overlay(photo, paint, n),
    explained.heatmap(paint, n),
  ]);
  return {
    overlay: encodePng(overlay, photo.width, photo.height),
    heatmap: encodePng(heatmap, W, H),
  };
}

/** In place of a map that is blank or not finite: the photo in grey and a grey field, both crossed out. */
export function drawNoMap(
  { width, height, rgba }: RgbaImage,
  [H, W]: readonly number[],
): { overlay: Png; heatmap: Png } {
  const field = new Uint8Array(4 * W * H).fill(128);
  return {
    overlay: encodePng(crossOut(Uint8Array.from(rgba), width, height), width, height),
    heatmap: encodePng(crossOut(field, W, H), W, H),
  };
}
