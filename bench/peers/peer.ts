import type { PeerCase } from './cases.js';
import type { Material } from './material.js';

/** A case on a peer, loaded and able to run. */
export interface Ready {
  /** Runs it so many times in a row; done when the device is. What it reads and its weights stay where they are. */
  run(times: number): Promise<void>;
  /** What the last run computed, in PyTorch's order: maps as [N,C,H,W]. */
  read(): Promise<Float32Array>;
  dispose(): void | Promise<void>;
}

/** A library, on one of its backends. */
export interface Peer {
  readonly name: string;
  /** False for one that computes on the CPU's own account. */
  readonly isOnAdapter?: boolean;
  /** Loads the library's own code, which no time is taken of. @returns its version. */
  open(): Promise<string>;
  /** Why it does not do a case, or undefined. */
  refuses?(c: PeerCase): string | undefined;
  /**
   * Brings a case into the form in which the library's users have it at hand: a file's bytes, weights in its layout. No time is taken of this.
   *
   * @returns what loads it: from there to the first result is the cold start.
   */
  pack(c: PeerCase, material: Material): Promise<() => Promise<Ready>>;
}

/** What peers are called, in the order of the tables. */
export const peerNames = ['ours', 'ort-wasm', 'tfjs-webgpu', 'ort-webgpu', 'ort-plain'] as const;
export type PeerName = (typeof peerNames)[number];

/** For tables. */
export const peerTitles: Readonly<Record<PeerName, string>> = {
  ours: 'webgpu-cam',
  'ort-wasm': 'ORT Web WASM',
  'tfjs-webgpu': 'TensorFlow.js WebGPU',
  'ort-webgpu': 'ORT Web WebGPU',
  'ort-plain': 'ORT Web WebGPU, plain attention',
};
