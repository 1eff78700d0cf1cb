/**
 * Errors a user can meet. Each message is one line: the operation, what came, what was expected and,
 * where there is one, the way out.
 */
export class WebgpuCamError extends Error {
  override readonly name: string = 'WebgpuCamError';
}

/** A tensor's shape, or an option that decides a shape, does not fit. */
export class ShapeError extends WebgpuCamError {
  override readonly name = 'ShapeError';
}

/** A weights file is damaged, hostile, of an unknown format, or does not fit the network. */
export class WeightsError extends WebgpuCamError {
  override readonly name = 'WeightsError';
}

/** The thing to be explained (class, probability, scalar) does not exist or has no gradient. */
export class TargetError extends WebgpuCamError {
  override readonly name = 'TargetError';
}

/** A network, layer or method of that name does not exist, or the layer does not suit the method. */
export class LayerError extends WebgpuCamError {
  override readonly name = 'LayerError';
}

/** No adapter, a lost device, out of memory, or a shader the device refuses. */
export class DeviceError extends WebgpuCamError {
  override readonly name = 'DeviceError';
}

/** An image cannot be decoded, or is too small or too large. */
export class ImageError extends WebgpuCamError {
  override readonly name = 'ImageError';
}

/**
 * Up to `count` of `names` that look most like `wanted`, nearest first, by edit distance; for "did you mean".
 */
export function nearest(wanted: string, names: readonly string[], count = 3): string[] {
  return names
    .map((name) => ({ name, distance: editDistance(wanted.toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)
    .slice(0, count)
    .map(({ name }) => name);
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, swap));
    }
    row = next;
  }
  return row[b.length];
}
