import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodePng } from '../../src/image/encode-node.js';
import { encodeSafetensors } from '../../src/net/weights/index.js';
import { networkNamed } from '../../src/net/zoo/index.js';
import { scratch } from './run-cli.js';

/** A photo of 96 x 72 pixels: a bright disc on a gradient. */
export function writePhoto(name: string): string {
  const [width, height] = [96, 72];
  const rgba = new Uint8Array(4 * width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const inside = Math.hypot(x - 60, y - 30) < 18;
      rgba.set(inside ? [240, 200, 40, 255] : [x, 2 * y, 120, 255], 4 * (y * width + x));
    }
  }
  return write(name, encodePng(rgba, width, height));
}

/** Weights of tiny_vgg, small numbers from a formula, changed by `edit` (name, values). */
export function writeTinyVgg(
  name: string,
  edit: (tensor: string, values: Float32Array) => void = () => {},
  metadata?: Record<string, string>,
): string {
  const params = [...networkNamed('tiny_vgg').build(10).params];
  const tensors = params.map(([tensor, shape], t) => {
    const size = shape.reduce((a, b) => a * b, 1);
    const fanIn = size / shape[0];
    const data = Float32Array.from({ length: size }, (_, i) => {
      const hash = Math.sin(12.9898 * (i + 1) + 78.233 * (t + 1)) * 43758.5453;
      return (hash - Math.floor(hash) - 0.45) * (4 / Math.sqrt(fanIn));
    });
    edit(tensor, data);
    return [tensor, { shape, data }] as const;
  });
  return write(name, encodeSafetensors(new Map(tensors), metadata));
}

/** Writes a file into the scratch folder and returns its path. */
export function write(name: string, content: Uint8Array | string): string {
  const path = join(scratch, name);
  writeFileSync(path, content);
  return path;
}
