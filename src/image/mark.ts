/**
 * Pictures for what must not be drawn as if it were a fine map: the picture in grey, crossed out in red.
 */

const red = [220, 0, 0] as const;

/** Turns RGBA pixels [height, width, 4] grey and crosses them out, in place; alpha becomes opaque. */
export function crossOut(rgba: Uint8Array, width: number, height: number): Uint8Array {
  const thickness = Math.max(1, Math.round(Math.min(width, height) / 50));
  for (let y = 0; y < height; y++) {
    const across = ((y + 0.5) / height) * width;
    for (let x = 0; x < width; x++) {
      const at = 4 * (y * width + x);
      // The diagonals, measured along the row; their slope makes them about `thickness` thick.
      const reach = (thickness * Math.hypot(width, height)) / (2 * height);
      const isCross =
        Math.abs(x + 0.5 - across) <= reach || Math.abs(width - x - 0.5 - across) <= reach;
      const grey = Math.round(0.299 * rgba[at] + 0.587 * rgba[at + 1] + 0.114 * rgba[at + 2]);
      for (let c = 0; c < 3; c++) rgba[at + c] = isCross ? red[c] : grey;
      rgba[at + 3] = 255;
    }
  }
  return rgba;
}
