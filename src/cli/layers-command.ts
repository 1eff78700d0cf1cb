import { Command } from 'commander';
import { Net } from '../net/net.js';
import { inputSide, inputSizeOption, jsonOption, networkOption } from './flags.js';
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
    .addOption(inputSizeOption())
    .addOption(jsonOption())
    .action((flags: LayersFlags) => {
      const net = Net.describe(flags.network ?? 'toy_vgg');
      const side = inputSide(net, flags);
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
