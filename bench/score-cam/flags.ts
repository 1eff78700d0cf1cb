import { parseArgs } from 'node:util';
import type { ScoreCamSettings } from './profile.js';

export const usageText = `Profiles how fast Score-CAM asks a network, by batch size. See bench/README.md.

  --network NAMES  by commas (default toy_vgg; the toy networks have trained weights, others seeded ones)
  --batches LIST   masked copies in one pass, by commas (default 1,4,16,64)
  --masks N        at most so many masks, of the layer's first channels (default 64)
  --rounds N       rounds of measuring (default 3)
  --size N         height and width of the input, pixels (default the network's own)
  --json FILE      where to write the figures (default bench/results/score-cam-<runtime>.json)
  --svg FILE       where to write the chart (default bench/results/score-cam-<runtime>.svg)
  --help           this text`;

export interface ScoreCamFlags {
  readonly settings: ScoreCamSettings;
  readonly json?: string;
  readonly svg?: string;
  readonly help: boolean;
}

/** Reads the command line behind `score-cam`. @throws RangeError with one line on what is wrong. */
export function parseFlags(args: readonly string[]): ScoreCamFlags {
  const text = { type: 'string' } as const;
  let values: Readonly<Record<string, string | boolean | undefined>>;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        ...{ network: text, batches: text, masks: text, rounds: text, size: text },
        ...{ json: text, svg: text, help: { type: 'boolean' } },
      },
    }));
  } catch (error) {
    throw new RangeError(`bench score-cam: ${(error as Error).message.split('\n')[0]}`);
  }
  const { network, batches, masks, rounds, size, json, svg, help } = values as Partial<
    Record<string, string>
  >;
  return {
    settings: {
      networks: namesOf(network ?? 'toy_vgg'),
      batches: (batches ?? '1,4,16,64').split(',').map((one) => count('batches', one)),
      masks: count('masks', masks ?? '64'),
      rounds: count('rounds', rounds ?? '3'),
      ...(size !== undefined && { side: count('size', size) }),
    },
    ...(json !== undefined && { json }),
    ...(svg !== undefined && { svg }),
    help: help !== undefined,
  };
}

function namesOf(text: string): string[] {
  const names = text.split(',');
  if (names.includes('')) throw new RangeError(`bench score-cam: --network ${text}: a name lacks`);
  return [...new Set(names)];
}

function count(name: string, text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  throw new RangeError(
    `bench score-cam: --${name} has ${JSON.stringify(text)}, should be whole numbers of at least 1`,
  );
}
