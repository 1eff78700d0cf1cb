import { LayerError, nearest } from '../../errors.js';
import type { Architecture } from '../architecture.js';
import { alexnet } from './alexnet.js';
import { squeezenets } from './squeezenet.js';
import { tinyVgg } from './tiny-vgg.js';
import { toyAlexnet, toyVgg, toyVit } from './toy.js';
import { vggs } from './vgg.js';
import { vits } from './vit.js';

/** Every network there is, by name. */
export const networks: ReadonlyMap<string, Architecture> = new Map(
  [alexnet, ...vggs, ...squeezenets, ...vits, tinyVgg, toyAlexnet, toyVgg, toyVit].map((a) => [
    a.name,
    a,
  ]),
);

export { embeddedNetworks } from './toy.js';

/** @throws LayerError that offers the nearest names. */
export function networkNamed(name: string): Architecture {
  const architecture = networks.get(name);
  if (!architecture) {
    throw new LayerError(
      `no network ${name}: nearest are ${nearest(name, [...networks.keys()]).join(', ')}`,
    );
  }
  return architecture;
}
