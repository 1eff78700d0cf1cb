/**
 * EXIF orientation: how a camera was held, told beside the pixels, so that they must be turned before
 * anything looks at them.
 */

/** 1 is upright; 2 mirrored, 3 upside down, 4 flipped, 5 transposed, 6 to be turned right, 7 transversed, 8 left. */
export type Orientation = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

const ORIENTATION_TAG = 0x0112;
const SHORT = 3;

/**
 * The orientation in an EXIF block: a TIFF header with its directory, with or without "Exif\0\0" before it.
 * A damaged block or one without the tag is 1, as photo programs take it.
 */
export function exifOrientation(exif: Uint8Array): Orientation {
  const prefixed = exif[0] === 0x45 && exif[1] === 0x78 && exif[4] === 0 && exif[5] === 0;
  const tiff = prefixed ? exif.subarray(6) : exif;
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.byteLength);
  if (view.byteLength < 8) return 1;
  const order = view.getUint16(0);
  if (order !== 0x4949 && order !== 0x4d4d) return 1;
  const little = order === 0x4949;
  const directory = view.getUint32(4, little);
  if (directory + 2 > view.byteLength) return 1;
  const entries = view.getUint16(directory, little);
  for (let k = 0; k < entries; k++) {
    const entry = directory + 2 + 12 * k;
    if (entry + 12 > view.byteLength) return 1;
    if (view.getUint16(entry, little) !== ORIENTATION_TAG) continue;
    const value = view.getUint16(entry + 8, little);
    const isValid = view.getUint16(entry + 2, little) === SHORT && value >= 1 && value <= 8;
    return isValid ? (value as Orientation) : 1;
  }
  return 1;
}

/**
 * Turns RGBA pixels [height, width, 4] upright, as Pillow's `exif_transpose` does. From 5 on, width and
 * height swap. The input is returned as it is for 1, and never changed.
 */
export function orient(
  image: { width: number; height: number; rgba: Uint8Array },
  orientation: Orientation,
): { width: number; height: number; rgba: Uint8Array } {
  if (orientation === 1) return image;
  const { width: W, height: H } = image;
  const swaps = orientation >= 5;
  const [width, height] = swaps ? [H, W] : [W, H];
  // The source pixel of (x, y) is at start + x * stepX + y * stepY.
  const [left, right, top, bottom] = [0, W - 1, 0, (H - 1) * W];
  const [start, stepX, stepY] = {
    2: [right + top, -1, W],
    3: [right + bottom, -1, -W],
    4: [left + bottom, 1, -W],
    5: [left + top, W, 1],
    6: [left + bottom, -W, 1],
    7: [right + bottom, -W, -1],
    8: [right + top, W, -1],
  }[orientation];
  const from = image.rgba;
  const rgba = new Uint8Array(from.length);
  let to = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = 4 * (start + x * stepX + y * stepY);
      for (let c = 0; c < 4; c++) rgba[to++] = from[at + c];
    }
  }
  return { width, height, rgba };
}
