import { type ConvOptions, type Pair, pair } from '../kernels/conv-shape.js';
import type { PoolOptions } from '../kernels/pool-shape.js';
import type { Module } from './graph.js';

/** Constructors of modules, with PyTorch's names, argument orders and defaults. */

export const Conv2d = (
  inChannels: number,
  outChannels: number,
  kernelSize: Pair,
  options: ConvOptions & { bias?: boolean } = {},
): Module<'conv2d'> => {
  const { bias = true, ...geometry } = options;
  const weight = [outChannels, inChannels / (options.groups ?? 1), ...pair(kernelSize)];
  return {
    kind: 'conv2d',
    options: geometry,
    params: bias ? { weight, bias: [outChannels] } : { weight },
  };
};

/** @param paramNames full names of `weight` and `bias` where they are not the node's */
export const Linear = (
  inFeatures: number,
  outFeatures: number,
  paramNames?: { readonly weight: string; readonly bias: string },
): Module<'linear'> => ({
  kind: 'linear',
  options: {},
  params: { weight: [outFeatures, inFeatures], bias: [outFeatures] },
  paramNames,
});

export const BatchNorm2d = (features: number, eps = 1e-5): Module<'batchNorm2d'> => ({
  kind: 'batchNorm2d',
  options: { eps },
  params: {
    weight: [features],
    bias: [features],
    running_mean: [features],
    running_var: [features],
  },
});

export const ReLU: Module<'relu'> = { kind: 'relu', options: {} };

export const Dropout: Module<'dropout'> = { kind: 'dropout', options: {} };

export const Flatten: Module<'flatten'> = { kind: 'flatten', options: {} };

export const Add: Module<'add'> = { kind: 'add', options: {} };

/** The mean of two outputs, as a distilled transformer's two heads give it. */
export const Mean: Module<'mean'> = { kind: 'mean', options: {} };

export const LayerNorm = (features: number, eps = 1e-6): Module<'layerNorm'> => ({
  kind: 'layerNorm',
  options: { eps },
  params: { weight: [features], bias: [features] },
});

/** The exact one, by the error function. */
export const GELU: Module<'gelu'> = { kind: 'gelu', options: {} };

/**
 * Maps of patch embeddings [N,D,P,Q] as tokens [N,T,D] with the extra tokens before them and positions added; for a grid other than the trained
 * one the positions are interpolated.
 *
 * @param extra names of the tokens before the patches, which are parameters [1,1,D]
 * @param prefix of the module that has `pos_embedding` [1,T,D]
 */
export const PatchTokens = (
  features: number,
  grid: readonly [number, number],
  extra: readonly string[],
  prefix: string,
): Module<'patchTokens'> => {
  const tokens = extra.length + grid[0] * grid[1];
  const params = Object.fromEntries(extra.map((name) => [name, [1, 1, features]]));
  const names = Object.fromEntries(extra.map((name) => [name, name]));
  return {
    kind: 'patchTokens',
    options: { grid },
    params: { ...params, pos_embedding: [1, tokens, features] },
    paramNames: { ...names, pos_embedding: `${prefix}.pos_embedding` },
  };
};

/** One token of each image. */
export const Token = (token: number): Module<'token'> => ({ kind: 'token', options: { token } });

/** Probabilities of multi-head attention [N,heads,T,T] from the projections [N,T,3 D]. */
export const AttentionMap = (heads: number): Module<'attentionMap'> => ({
  kind: 'attentionMap',
  options: { heads },
});

/** Multi-head attention's result [N,T,D] from its probabilities and the projections, in this order. */
export const AttentionOutput: Module<'attentionOutput'> = { kind: 'attentionOutput', options: {} };

/** Concatenation along the channels. */
export const Concat: Module<'concat'> = { kind: 'concat', options: {} };

export const MaxPool2d = (
  size: Pair,
  stride: Pair = size,
  options: Omit<PoolOptions, 'size' | 'stride'> = {},
): Module<'maxPool2d'> => ({
  kind: 'maxPool2d',
  options: { size, stride, ...options },
});

export const AdaptiveAvgPool2d = (
  outputSize: readonly [number, number],
): Module<'adaptiveAvgPool2d'> => ({
  kind: 'adaptiveAvgPool2d',
  options: { outputSize },
});
