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
}
