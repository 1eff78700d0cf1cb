import { Command, Option } from 'commander';
import { ShapeError } from '../errors.js';
import { Net } from '../net/net.js';
import { count, jsonOption, networkOption } from './flags.js';
import { type Io, json, table } from './io.js';

interface LayersFlags {
  readonly network?: string;
  readonly inputSize?: number;
  readonly json?: boolean;
}

/** `webgpu-cam layers`: needs neither a GPU nor weights. */
export function layersCommand(io: Io): Command {
  return new Command('layers')
    .description("list a network's layers: names for --layer-name, shapes, parameters")
    .addOption(networkOption())
    .addOption(
      new Option(
        '--input-size <pixels>',
        'side of the input (default: what it was trained for)',
      ).argParser(count),
    )
    .addOption(jsonOption())
    .action((flags: LayersFlags) => {
      const net = Net.describe(flags.network ?? 'toy_vgg');
      const side = flags.inputSize ?? net.inputSize[0];
      if (side > 8192) throw new ShapeError(`--input-size ${side}: should be at most 8192`);
      const layers = net.layers([side, side]);
      if (flags.json) {
        io.stdout.write(json({ network: net.name, inputSize: [side, side], layers }));
        return;
      }
      const rows = layers.map((layer) => [
        layer.name,
        layer.kind,
        layer.shape.slice(1).join(' x '),
        layer.params > 0 ? String(layer.params) : '',
        layer.isDefault ? 'default of --layer-name' : '',
      ]);
      io.stdout.write(table([['layer', 'kind', 'output', 'parameters', ''], ...rows]));
    });
}
