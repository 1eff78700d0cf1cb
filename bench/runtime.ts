import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BenchResult, Host } from './bench.js';
import type { Selection } from './cases.js';
import type { ScoreCamResult, ScoreCamSettings } from './score-cam/profile.js';

/** A result, and what it was found in. */
export interface Ran<Result> {
  readonly result: Result;
  /** `node` or `chrome`, with its version. */
  readonly runtime: string;
  readonly versions: Record<string, string>;
}

/** Runs things somewhere: in this process or in a browser. */
export interface Runtime {
  readonly name: 'node' | 'chrome';
  run(selection: Selection, host: Host): Promise<Ran<BenchResult>>;
  scoreCam(settings: ScoreCamSettings, host: Host): Promise<Ran<ScoreCamResult>>;
}

/** Progress overwrites itself on a terminal, and stays away from a log. */
export function progressOn(print: (line: string) => void): Host {
  const { stderr } = process;
  const wipe = () => stderr.isTTY && stderr.write('\r\x1b[K');
  return {
    say: (line) => {
      wipe();
      print(line);
    },
    progress: (line) => {
      wipe();
      if (stderr.isTTY) stderr.write(line.slice(0, (stderr.columns ?? 80) - 1));
    },
  };
}

/** This package's version. */
export const ownVersion = (root: string): string =>
  JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version;
