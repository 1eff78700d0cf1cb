import type { OptionValues } from '../cam/method.js';
import type { Prediction } from '../cam/predict.js';
import type { RgbaImage } from '../image/photo.js';

/** What the demo has computed: what its contact sheet and its page show. */
export interface DemoResult {
  readonly network: string;
  readonly adapter: string;
  readonly isSoftware: boolean;
  readonly version: string;
  readonly totalMs: number;
  /** The classes explained, in the order of a row's cells. */
  readonly classes: readonly { readonly classId: number; readonly label: string }[];
  readonly pictures: readonly DemoPicture[];
  readonly rows: readonly DemoRow[];
}

/** A picture, and what the network says of it. */
export interface DemoPicture {
  /** Its folder in the output. */
  readonly name: string;
  /** What it shows, in words. */
  readonly title: string;
  readonly image: RgbaImage;
  readonly png: Uint8Array;
  readonly top5: readonly Prediction[];
  /** Logit of each of the explained classes. */
  readonly logits: readonly number[];
}

/** One method (with one choice of layers) over all pictures and classes. */
export interface DemoRow {
  readonly network: string;
  readonly method: string;
  readonly title: string;
  readonly paper: string;
  readonly layers: readonly string[];
  readonly options: OptionValues;
  /** False if the method knows no class: then each picture has one cell. */
  readonly usesTarget: boolean;
  /** Whether the maps have a sign, and so diverging colours. */
  readonly signed: boolean;
  /** Of a batch of all pictures, one class, until the maps could be read. */
  readonly timeMs: number;
  /** By picture, then by class, undefined for what is not shown; empty if the method does not apply, or not to the picture. */
  readonly cells: readonly (readonly (DemoCell | undefined)[])[];
  /** Options that are not the method's own, as the command takes them: `masks=80`. */
  readonly given: readonly string[];
  /** Index of the only picture it is shown on; undefined if on all. */
  readonly picture?: number | undefined;
  /** Title of an earlier row that no eye can tell from this one: some formulas agree on some networks. */
  readonly sameAs?: string;
  /** Why the method does not apply to this network. */
  readonly refusal?: string;
}

/** One map over its picture. */
export interface DemoCell {
  readonly overlay: RgbaImage;
  readonly png: Uint8Array;
  /** In the picture's folder. */
  readonly file: string;
  /** What was explained: the logit of the class. */
  readonly score: number;
  readonly rawMin: number;
  readonly rawMax: number;
  /** Why the map should not be trusted; the overlay is crossed out then. */
  readonly warnings: readonly string[];
}

/** What the colours of maps with a sign mean. */
export const signedNote = 'red speaks for it, blue against it';

/** All maps of a row. */
export const mapsOf = ({ cells }: DemoRow): DemoCell[] =>
  cells.flat().filter((cell) => cell !== undefined);

/** Whether two rows show the same maps, but for rounding of colours. */
export function areAlike(a: DemoRow, b: DemoRow): boolean {
  const [x, y] = [mapsOf(a), mapsOf(b)];
  return x.length > 0 && x.length === y.length && x.every((cell, i) => looksLike(cell, y[i]));
}

const looksLike = ({ overlay: { rgba: a } }: DemoCell, { overlay: { rgba: b } }: DemoCell) =>
  a.length === b.length && a.every((value, i) => Math.abs(value - b[i]) <= 3);

/** `97.3 %` */
export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** `+7.31`: a logit's sign tells whether it speaks for the class. */
export const signed = (value: number): string =>
  `${value < 0 ? '-' : '+'}${Math.abs(value).toFixed(2)}`;
