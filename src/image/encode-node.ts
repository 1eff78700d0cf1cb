import { encode } from 'fast-png';
import { ImageError } from '../errors.js';

/**
 * An 8-bit PNG of `pixels` [height, width, 3 or 4] (RGB, or RGBA with straight alpha).
 * Throws `ImageError` where the number of bytes fits neither.
 */
export function encodePng(
  pixels: Uint8Array | Uint8ClampedArray,
  width: number,
  height: number,
): Uint8Array {
  const channels = pixels.length / (width * height);
  if (channels !== 3 && channels !== 4) {
    throw new ImageError(
      `encodePng: ${pixels.length} bytes should be ${height} x ${width} pixels of 3 or 4`,
    );
  }
  return encode({ width, height, data: pixels, channels, depth: 8 });
}
