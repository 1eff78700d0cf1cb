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

export const Linear = (inFeatures: number, outFeatures: number): Module<'linear'> => ({
  kind: 'linear',
  options: {},
  params: { weight: [outFeatures, inFeatures], bias: [outFeatures] },
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
