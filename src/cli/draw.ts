import { Recorder } from '../gpu/recorder.js';
import type { Tensor } from '../gpu/tensor.js';
import { encodePng } from '../image/encode-node.js';
import { crossOut } from '../image/mark.js';
import {
  type PaintOptions,
  type Photo,
  paintHeatmap,
  paintOverlay,
  type RgbaImage,
  readPainting,
} from '../image/photo.js';
import type { Net } from '../net/net.js';

/** A picture as the bytes of a PNG file. */
type Png = Uint8Array;

/** A finished map [H,W], over its photo and alone. */
export async function drawMap(
  net: Net,
  photo: Photo,
  map: Tensor,
  paint: PaintOptions,
): Promise<{ overlay: Png; heatmap: Png }> {
  const [H, W] = map.shape;
  const over = Recorder.on(photo.pixels.gpu);
  const alone = Recorder.on(photo.pixels.gpu);
  const [overlay, heatmap] = await Promise.all([
    readPainting(over, paintOverlay(over, photo, map, net.preprocessing, paint)),
    readPainting(alone, paintHeatmap(alone, map, paint.colormap)),
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
