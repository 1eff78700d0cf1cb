import type { Preprocessing } from '../image/preprocessing.js';
import type { Graph } from './graph.js';

export { imagenetPreprocessing, type Preprocessing } from '../image/preprocessing.js';

/** A kind of network: its graph for a number of classes, and the conventions that go with it. */
export interface Architecture {
  readonly name: string;
  /** The paper. */
  readonly paper: string;
  readonly classes: number;
  /** Node whose weight has a row a class. */
  readonly head: string;
  /** Layer the CAM methods explain by default. */
  readonly defaultLayer: string;
  readonly preprocessing: Preprocessing;
  /** Smallest side of an input the network accepts, pixels. */
  readonly minInput: number;
  build(classes: number): Graph;
  /** Translates a parameter's name in files of other libraries to the one here; names it does not know stay. */
  readonly rename?: (name: string) => string;
  /** Whether its publishers' files have those other names: what tells it from a network of the same shapes. */
  readonly publishedUnderOtherNames?: boolean;
  /** The same architecture as the shapes of a file's tensors have it (names translated); undefined if they say nothing. */
  readonly adapt?: (
    shapeOf: (name: string) => readonly number[] | undefined,
  ) => Architecture | undefined;
}
