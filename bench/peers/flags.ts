import { parseArgs } from 'node:util';
import { type PeerName, peerNames } from './peer.js';

export const usageText = `Measures this library beside onnxruntime-web and TensorFlow.js in one page. See bench/README.md.

  --cases LIST     ids, ids with *, groups (layers, networks, cams) or all, by commas
                   (default: all on a GPU, on a software adapter what takes about 15 minutes)
  --peers LIST     by commas, of ${peerNames.join(', ')} (default all)
  --rounds N       rounds of measuring (default 3; 2 on a software adapter)
  --runs N         times that all cases are measured, each time in fresh browsers (default 1)
  --limit-s N      seconds that a peer may take for a case (default 60)
  --maps N         maps of Score-CAM, 1 to 256 (default 256; 4 on a software adapter)
  --chrome PATH    the Chrome to use (default CHROME_PATH, else one that is found)
  --gpu            use the machine's GPU, not the software adapter (as CHROME_ADAPTER=gpu)
  --out FOLDER     where to write peers.json, peers.md and peers.svg (default bench/results)
  --add            keep the cases of an earlier peers.json there that are not measured now
  --write          put the table into docs/performance.md, peers.json and the chart beside it
  --list           print the cases and stop
  --help           this text`;

export interface PeersFlags {
  readonly cases?: readonly string[];
  readonly peers: readonly PeerName[];
  readonly rounds?: number;
  readonly runs: number;
  readonly limitS: number;
  readonly maps?: number;
  readonly chrome?: string;
  readonly gpu: boolean;
  readonly out?: string;
  readonly add: boolean;
  readonly write: boolean;
  readonly list: boolean;
  readonly help: boolean;
}

/** Reads the command line. @throws RangeError with one line on what is wrong. */
export function parseFlags(args: readonly string[]): PeersFlags {
  const text = { type: 'string' } as const;
  const yes = { type: 'boolean' } as const;
  let values: Readonly<Record<string, string | boolean | undefined>>;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        ...{ cases: text, peers: text, rounds: text, runs: text, 'limit-s': text, maps: text },
        ...{ chrome: text, out: text, gpu: yes, add: yes, write: yes, list: yes, help: yes },
      },
    }));
  } catch (error) {
    throw new RangeError(`${(error as Error).message.split('\n')[0]}`);
  }
  const { cases, peers, rounds, runs, maps, chrome, out } = values as Partial<
    Record<string, string>
  >;
  if (out !== undefined && values.write === true) {
    throw new RangeError(
      '--out and --write: the one says where the report goes, the other that it goes into docs; give one',
    );
  }
  const limit = values['limit-s'] as string | undefined;
  return {
    ...(cases !== undefined && { cases: namesOf('cases', cases) }),
    peers: peers === undefined ? peerNames : peersOf(namesOf('peers', peers)),
    ...(rounds !== undefined && { rounds: count('rounds', rounds) }),
    runs: runs === undefined ? 1 : count('runs', runs),
    limitS: limit === undefined ? 60 : count('limit-s', limit),
    ...(maps !== undefined && { maps: count('maps', maps, 256) }),
    ...(chrome !== undefined && { chrome }),
    ...(out !== undefined && { out }),
    gpu: values.gpu === true,
    add: values.add === true,
    write: values.write === true,
    list: values.list === true,
    help: values.help === true,
  };
}

function namesOf(flag: string, text: string): string[] {
  const names = text.split(',').map((name) => name.trim());
  if (names.includes('')) throw new RangeError(`--${flag} ${text}: a name lacks`);
  return [...new Set(names)];
}

function peersOf(names: readonly string[]): PeerName[] {
  for (const name of names) {
    if (peerNames.includes(name as PeerName)) continue;
    throw new RangeError(`--peers ${name}: should be of ${peerNames.join(', ')}`);
  }
  return peerNames.filter((name) => names.includes(name));
}

function count(flag: string, text: string, most = Number.POSITIVE_INFINITY): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  const range = most === Number.POSITIVE_INFINITY ? 'of at least 1' : `from 1 to ${most}`;
  throw new RangeError(`--${flag} is ${text}, should be a whole number ${range}`);
}
