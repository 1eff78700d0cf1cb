import { join } from 'node:path';
import type { OptionValues } from '../cam/method.js';
import type { Prediction } from '../cam/predict.js';
import type { Profile } from '../cam/profiles.js';
import type { Storage } from '../gpu/tensor.js';
import type { Times } from './stopwatch.js';
import { shortly } from './top-five.js';

/** One map in `summary.json`; keys that the README promises keep their names. */
export interface ResultSummary {
  readonly method: string;
  readonly options: OptionValues;
  readonly profile: Profile;
  /** Several are joined by commas; `input` for gradients of the pixels, null for methods that choose themselves. */
  readonly layer: string | null;
  /** What was explained, in words. */
  readonly target: string;
  /** Null where several classes are explained as one. */
  readonly classId: number | null;
  readonly label: string | null;
  /** Null, as its range, where the method refused: there is no map, and the warnings say why. */
  readonly score: number | null;
  /** Whether the map has a sign: 0.5 is 0, above speaks for the target, below against it. */
  readonly signed: boolean;
  readonly rawMin: number | null;
  readonly rawMax: number | null;
  /** What the method tells beside its map, by name: `convergenceDelta`. */
  readonly numbers: Readonly<Record<string, number>>;
  readonly seed: string | number | null;
  readonly timesMs: Times;
  readonly peakGpuBytes: number;
  /** Why the map should not be trusted; empty if it is fine. */
  readonly warnings: readonly string[];
  /** File names in the same folder. */
  readonly files: Readonly<Record<string, string>>;
}

/** `summary.json`: one a photo. The first result's keys stand at the top too, for programs that ask for one map. */
export interface Summary extends ResultSummary {
  readonly image: string;
  readonly network: string;
  /** Of weights and the values between layers. */
  readonly storage: Storage;
  readonly weightsSha256: string;
  readonly adapter: string;
  readonly version: string;
  readonly top5: readonly Prediction[];
  readonly results: readonly ResultSummary[];
}

/** A photo's results for people: what the network says, and a line a map. */
export function described({ image, network, top5, results }: Summary, folder: string): string {
  const lines = results.map(({ method, layer, classId, label, target, score, ...rest }) => {
    const what = classId === null ? target : `${classId} ${label}`;
    const blank = rest.warnings.length > 0 ? ' (no map: see the warning)' : '';
    const path = join(folder, rest.files.overlay);
    const notes = [
      `${method} of ${what}`,
      score === null ? '' : `score ${score.toPrecision(5)}`,
      layer === null ? '' : `at ${layer}`,
      ...Object.entries(rest.numbers).map(([name, value]) => `${name} ${value.toPrecision(3)}`),
    ];
    return `  ${notes.filter(Boolean).join(', ')}: ${path}${blank}\n`;
  });
  return `${image}: ${network} says ${top5.map(shortly).join(', ')}\n${lines.join('')}`;
}

/** A line for each map that should not be trusted. */
export const warningsOf = ({ image, results }: Summary): string[] =>
  results.flatMap(({ method, classId, warnings }) =>
    warnings.map(
      (warning) =>
        `webgpu-cam: warning: ${image}: ${method}${classId === null ? '' : ` of class ${classId}`}: ${warning}\n`,
    ),
  );
