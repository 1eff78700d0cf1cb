import { Command, Option } from 'commander';
import type { Caps } from '../gpu/caps.js';
import { memoryTable, planTable } from '../gpu/plan-table.js';
import type { Storage } from '../gpu/tensor.js';
import { Net } from '../net/net.js';
import {
  count,
  inputSide,
  inputSizeOption,
  jsonOption,
  networkOption,
  storageOption,
} from './flags.js';
import { type Io, json, table } from './io.js';

interface PlanFlags {
  readonly network?: string;
  readonly batch: number;
  readonly inputSize?: number;
  readonly backwardTo?: string;
  readonly adapter: Caps['kind'];
  readonly storage: Storage;
  readonly json?: boolean;
}

/** `webgpu-cam plan`: needs neither a GPU nor weights. */
export function planCommand(io: Io): Command {
  return new Command('plan')
    .description('what a pass costs before it runs: dispatches, operations, bytes, memory')
    .addOption(networkOption())
    .addOption(new Option('--batch <images>', 'images in a pass').argParser(count).default(1))
    .addOption(inputSizeOption())
    .addOption(new Option('--backward-to <layer>', 'with the gradient of a layer, or of `input`'))
    .addOption(
      new Option('--adapter <kind>', 'plan for a GPU with core limits, or a software adapter')
        .choices(['gpu', 'software'])
        .default('gpu'),
    )
    .addOption(storageOption())
    .addOption(jsonOption())
    .action((flags: PlanFlags) => {
      const { storage } = flags;
      const net = Net.describe(flags.network ?? 'toy_vgg', undefined, { storage });
      const side = inputSide(net, flags);
      const plan = net.plan(flags.batch, {
        caps: { ...net.caps, kind: flags.adapter },
        inputSize: [side, side],
        ...(flags.backwardTo !== undefined && { backwardTo: [flags.backwardTo] }),
      });
      if (flags.json) {
        const steps = plan.steps.map(({ part, kernel, variant, results, flops, bytes }) => ({
          ...{ part, kernel, variant, results, flops, bytes },
        }));
        io.stdout.write(json({ network: net.name, storage, batch: flags.batch, ...plan, steps }));
        return;
      }
      io.stdout.write(`${table(planTable(plan))}\n${table(memoryTable(plan))}`);
    });
}
