/** Which kernels a golden case is for: one function an operator, from the case's JSON to calls of kernels. */
import type { Recorder } from '../../src/gpu/recorder.js';
import type { Value } from '../../src/gpu/value.js';
import { preprocessGeometry, sampleMatrix } from '../../src/image/transform.js';
import { adaptiveAvgPool2d } from '../../src/kernels/adaptive-avg-pool2d.js';
import { adaptiveAvgPool2dBackward } from '../../src/kernels/adaptive-avg-pool2d-backward.js';
import { attention } from '../../src/kernels/attention.js';
import {
  attentionOutput,
  attentionProbabilitiesGradient,
} from '../../src/kernels/attention-products.js';
import { attentionBackward, attentionProbabilities } from '../../src/kernels/attention-steps.js';
import { avgPool2d } from '../../src/kernels/avg-pool2d.js';
import { avgPool2dBackward } from '../../src/kernels/avg-pool2d-backward.js';
import { batchNorm2d } from '../../src/kernels/batch-norm2d.js';
import {
  batchNorm2dBackward,
  batchNorm2dBackwardParams,
} from '../../src/kernels/batch-norm2d-backward.js';
import { channelSum } from '../../src/kernels/channel-sum.js';
import { conv2d } from '../../src/kernels/conv2d.js';
import { conv2dBackwardInput } from '../../src/kernels/conv2d-backward-input.js';
import { conv2dBackwardWeight } from '../../src/kernels/conv2d-backward-weight.js';
import { blurColumns, blurRows, gaussianWeights } from '../../src/kernels/gaussian-blur.js';
import { gelu } from '../../src/kernels/gelu.js';
import { geluBackward } from '../../src/kernels/gelu-backward.js';
import { layerNorm, layerNormMoments } from '../../src/kernels/layer-norm.js';
import {
  layerNormBackward,
  layerNormBackwardParams,
} from '../../src/kernels/layer-norm-backward.js';
import { linear } from '../../src/kernels/linear.js';
import { linearBackwardInput } from '../../src/kernels/linear-backward-input.js';
import { linearBackwardWeight } from '../../src/kernels/linear-backward-weight.js';
import { maxPool2d } from '../../src/kernels/max-pool2d.js';
import { maxPool2dBackward } from '../../src/kernels/max-pool2d-backward.js';
import { maxPool2dValues } from '../../src/kernels/max-pool2d-values.js';
import { normalizeRows } from '../../src/kernels/normalize-rows.js';
import { percentileRows } from '../../src/kernels/percentile-rows.js';
import { rankPixels } from '../../src/kernels/rank-pixels.js';
import { relu } from '../../src/kernels/relu.js';
import { reluBackward } from '../../src/kernels/relu-backward.js';
import { resizeBilinear } from '../../src/kernels/resize-bilinear.js';
import { resizeBilinearBackward } from '../../src/kernels/resize-bilinear-backward.js';
import { imageNet, sampleAffine } from '../../src/kernels/sample-affine.js';
import { logSoftmax, softmax } from '../../src/kernels/softmax.js';
import { logSoftmaxBackward, softmaxBackward } from '../../src/kernels/softmax-backward.js';
import { thresholdRows } from '../../src/kernels/threshold-rows.js';
import { topK } from '../../src/kernels/top-k.js';
import { fftParts } from './fft-ops.js';
import {
  type CaseJson,
  type GoldenArray,
  largestDifference,
  type Part,
  type Read,
} from './kernels.js';

/** From a case to its parts, and names of what it asks for and is not built (an empty name: all of it). */
export type Op = (c: CaseJson) => { parts?: readonly Part[]; notBuilt?: readonly string[] };

type Two = readonly [number, number];

/** Tensors of a case by the kernel's names. */
const from =
  (names: Readonly<Record<string, string>>, shaped: (a: GoldenArray) => GoldenArray = (a) => a) =>
  (read: Read) =>
    Object.fromEntries(
      Object.entries(names).map(([name, key]) => {
        const array = read(key);
        return [name, array && shaped(array)];
      }),
    );

/** All leading axes as rows. */
const asRows = (a: GoldenArray): GoldenArray => {
  const columns = a.shape.at(-1) ?? 1;
  return a.shape.length === 1 ? a : { ...a, shape: [a.data.length / columns, columns] };
};

/** A tensor of a case in a recording. */
const constant = (
  r: Recorder,
  array: GoldenArray | undefined,
  shaped: (a: GoldenArray) => GoldenArray = (a) => a,
): Value => {
  if (!array) throw new Error('golden kernels: a case lacks its input');
  const { data, shape } = shaped(array);
  return r.constant(data, shape);
};

const integers = (a: GoldenArray | undefined): GoldenArray | undefined =>
  a && { ...a, data: Uint32Array.from(a.data) };

const sides = ({ tensors }: CaseJson, key: string): Two | undefined => {
  const shape = tensors[key];
  return shape && [shape[2], shape[3]];
};

export const ops: Readonly<Record<string, Op>> = {
  conv2d: (c) => {
    const { stride = 1, padding: pad = 0, dilation = 1, groups = 1 } = c.params;
    const options = { stride, pad, dilation, groups };
    const [inputSize, filterSize] = [sides(c, 'x'), sides(c, 'w')];
    return {
      parts: [
        { kernel: conv2d, reads: from({ x: 'x', w: 'w', b: 'b' }), options, results: { y: 'y' } },
        {
          kernel: conv2dBackwardInput,
          reads: from({ dy: 'gy', w: 'w' }),
          options: { ...options, inputSize },
          results: { dx: 'gx' },
        },
        {
          kernel: conv2dBackwardWeight,
          reads: from({ x: 'x', dy: 'gy' }),
          options: { ...options, filterSize },
          results: { dw: 'gw' },
        },
        { kernel: channelSum, reads: from({ dy: 'gy' }), results: { db: 'gb' } },
      ],
    };
  },

  linear: () => ({
    parts: [
      { kernel: linear, reads: from({ x: 'x', w: 'w', b: 'b' }, asRows), results: { y: 'y' } },
      {
        kernel: linearBackwardInput,
        reads: from({ dy: 'gy', w: 'w' }, asRows),
        results: { dx: 'gx' },
      },
      {
        kernel: linearBackwardWeight,
        reads: from({ x: 'x', dy: 'gy' }, asRows),
        results: { dw: 'gw' },
      },
      {
        kernel: channelSum,
        reads: from({ dy: 'gy' }, (a) => ({ ...a, shape: [...asRows(a).shape, 1, 1] })),
        results: { db: 'gb' },
      },
    ],
  }),

  maxpool: (c) => {
    const { kernel: size, stride, padding: pad, dilation, ceil_mode: ceilMode } = c.params;
    const options = {
      size,
      stride: stride ?? size,
      pad: pad ?? 0,
      dilation: dilation ?? 1,
      ceilMode,
    };
    const exactly = largestDifference(0);
    return {
      parts: [
        {
          kernel: maxPool2d,
          reads: from({ x: 'x' }),
          options,
          results: { y: 'y', positions: 'idx' },
          compare: exactly,
        },
        {
          kernel: maxPool2dValues,
          reads: from({ x: 'x' }),
          options,
          results: { y: 'y' },
          compare: exactly,
        },
        {
          kernel: maxPool2dBackward,
          reads: (read) => ({ dy: read('gy'), positions: integers(read('idx')) }),
          options: { ...options, inputSize: sides(c, 'gx') },
          results: { dx: 'gx' },
        },
      ],
    };
  },

  avgpool: (c) => {
    const { params } = c;
    const inputSize = sides(c, 'gx');
    if (params.kind === 'adaptive') {
      const [P, Q] = [params.out].flat();
      return {
        parts: [
          {
            kernel: adaptiveAvgPool2d,
            reads: from({ x: 'x' }),
            options: { outputSize: [P, Q ?? P] },
            results: { y: 'y' },
          },
          {
            kernel: adaptiveAvgPool2dBackward,
            reads: from({ dy: 'gy' }),
            options: { inputSize },
            results: { dx: 'gx' },
          },
        ],
      };
    }
    if (params.kind !== 'avg') return { notBuilt: [''] };
    const options = {
      size: params.kernel,
      stride: params.stride ?? params.kernel,
      pad: params.padding ?? 0,
      ceilMode: params.ceil_mode ?? false,
      countIncludePad: params.count_include_pad ?? true,
    };
    return {
      parts: [
        { kernel: avgPool2d, reads: from({ x: 'x' }), options, results: { y: 'y' } },
        {
          kernel: avgPool2dBackward,
          reads: from({ dy: 'gy' }),
          options: { ...options, inputSize },
          results: { dx: 'gx' },
        },
      ],
    };
  },

  activations: ({ params }) => {
    if (params.fn === 'relu') {
      return {
        parts: [
          { kernel: relu, reads: from({ x: 'x' }), results: { y: 'y' } },
          { kernel: reluBackward, reads: from({ dy: 'gy', y: 'y' }), results: { dx: 'gx' } },
        ],
      };
    }
    if (params.fn === 'gelu') {
      return {
        parts: [
          { kernel: gelu, reads: from({ x: 'x' }), results: { y: 'y' } },
          { kernel: geluBackward, reads: from({ dy: 'gy', x: 'x' }), results: { dx: 'gx' } },
        ],
      };
    }
    return { notBuilt: [''] };
  },

  layernorm: ({ params }) => {
    const options = { eps: params.eps };
    return {
      parts: [
        {
          kernel: layerNorm,
          reads: (read) => {
            const [x, w, b] = [read('x'), read('w'), read('b')];
            return x && { x: asRows(x), w, b };
          },
          options,
          results: { y: 'y' },
        },
        {
          kernel: layerNormBackward,
          reads: (read) => {
            const [dy, x, w] = [read('gy'), read('x'), read('w')];
            return dy && x && { dy: asRows(dy), x: asRows(x), w };
          },
          options,
          results: { dx: 'gx' },
        },
        {
          name: 'layerNormMoments, layerNormBackwardParams',
          record: (r, read) => {
            const [dy, x] = [constant(r, read('gy'), asRows), constant(r, read('x'), asRows)];
            const moments = r.k(layerNormMoments, { x }, options);
            return r.k(layerNormBackwardParams, { dy, x, moments });
          },
          results: { dw: 'gw', db: 'gb' },
        },
      ],
    };
  },

  attention: (c) => {
    const options = { heads: c.params.heads };
    const [N, T, D] = c.tensors.x;
    // The projections around attention, and attention between them.
    const forward = (r: Recorder, read: Read) => {
      const x = constant(r, read('x'), asRows);
      const [w, b] = [constant(r, read('wqkv')), constant(r, read('bqkv'))];
      const qkv = r.k(linear, { x, w, b }).reshape([N, T, 3 * D]);
      return { x, w, qkv, p: attentionProbabilities(r, qkv, options) };
    };
    const projected = (r: Recorder, read: Read, y: Value) => {
      const [w, b] = [constant(r, read('wo')), constant(r, read('bo'))];
      return r.k(linear, { x: y.reshape([N * T, D]), w, b });
    };
    const backTo = (r: Recorder, read: Read) => {
      const gy = constant(r, read('gy'), asRows);
      return r.k(linearBackwardInput, { dy: gy, w: constant(r, read('wo')) }).reshape([N, T, D]);
    };
    return {
      parts: [
        {
          name: 'attention',
          record: (r, read) => {
            const { qkv } = forward(r, read);
            return { y: projected(r, read, r.k(attention, { qkv }, options)) };
          },
          results: { y: 'y' },
        },
        {
          name: 'attentionProbabilities, attentionOutput',
          record: (r, read) => {
            const { p, qkv } = forward(r, read);
            return { p, y: projected(r, read, r.k(attentionOutput, { a: p, b: qkv })) };
          },
          results: { p: 'p', y: 'y' },
        },
        {
          name: 'attentionProbabilitiesGradient',
          record: (r, read) => {
            const { qkv } = forward(r, read);
            const dy = backTo(r, read);
            return { dp: r.k(attentionProbabilitiesGradient, { a: dy, b: qkv }, options) };
          },
          results: { dp: 'gp' },
        },
        {
          name: 'attentionBackward',
          record: (r, read) => {
            const { x, w, p, qkv } = forward(r, read);
            const dy = attentionBackward(r, { dy: backTo(r, read), qkv, p }, options);
            const dqkv = dy.reshape([N * T, 3 * D]);
            return {
              dx: r.k(linearBackwardInput, { dy: dqkv, w }),
              dw: r.k(linearBackwardWeight, { x, dy: dqkv }),
              db: r.k(channelSum, { dy: dqkv.reshape([N * T, 3 * D, 1, 1]) }),
            };
          },
          results: { dx: 'gx', dw: 'gwqkv', db: 'gbqkv' },
        },
      ],
    };
  },

  batchnorm: ({ params }) => {
    const options = params.eps === undefined ? {} : { eps: params.eps };
    return {
      parts: [
        {
          kernel: batchNorm2d,
          reads: from({ x: 'x', w: 'w', b: 'b', mean: 'mean', variance: 'var' }),
          options,
          results: { y: 'y' },
        },
        {
          kernel: batchNorm2dBackward,
          reads: from({ dy: 'gy', w: 'w', variance: 'var' }),
          options,
          results: { dx: 'gx' },
        },
        {
          kernel: batchNorm2dBackwardParams,
          reads: from({ dy: 'gy', x: 'x', mean: 'mean', variance: 'var' }),
          options,
          results: { dw: 'gw', db: 'gb' },
        },
      ],
    };
  },

  softmax: ({ params }) => {
    const kernels = {
      softmax: [softmax, softmaxBackward],
      log_softmax: [logSoftmax, logSoftmaxBackward],
    };
    const [forward, backward] = kernels[params.kind as keyof typeof kernels] ?? [];
    if (!forward) return { notBuilt: [''] };
    return {
      parts: [
        { kernel: forward, reads: from({ x: 'x' }, asRows), results: { y: 'y' } },
        { kernel: backward, reads: from({ dy: 'gy', y: 'y' }, asRows), results: { dx: 'gx' } },
      ],
    };
  },

  resize: (c) => {
    if (c.params.mode !== 'bilinear') return { notBuilt: [''] };
    const alignCorners = c.params.align_corners ?? false;
    return {
      parts: [
        {
          kernel: resizeBilinear,
          reads: from({ x: 'x' }),
          options: { alignCorners, outputSize: c.params.out },
          results: { y: 'y' },
        },
        {
          kernel: resizeBilinearBackward,
          reads: from({ dy: 'gy' }),
          options: { alignCorners, inputSize: sides(c, 'gx') },
          results: { dx: 'gx' },
        },
      ],
    };
  },

  blur: ({ params: { k, sigma } }) => {
    const weights = gaussianWeights(k, sigma);
    return {
      parts: [
        {
          name: 'blurRows, blurColumns',
          record: (r, read) => {
            const x = constant(r, read('x'));
            const w = r.constant(weights);
            return { y: r.k(blurColumns, { x: r.k(blurRows, { x, w }), w }) };
          },
          results: { y: 'y' },
        },
      ],
    };
  },

  fft: (c) => ({ parts: fftParts(c) }),

  stats: ({ params }) => {
    const row = (a: GoldenArray): GoldenArray => ({ ...a, shape: [1, a.data.length] });
    const [k, q]: [number, number[]] = [params.k, params.q];
    const exactly = largestDifference(0);
    return {
      parts: [
        {
          kernel: normalizeRows,
          reads: (read) => {
            const x = read('x');
            return x && { x: row(x), range: rangeOf(x) };
          },
          results: { y: 'minmax' },
        },
        ...q.map(
          (percent, i): Part => ({
            name: `percentileRows ${percent}`,
            record: (r, read) => ({
              y: r.k(percentileRows, { x: constant(r, read('x'), row) }, { percent }),
            }),
            results: { y: 'percentile' },
            goldenPart: (golden) => [golden[i]],
          }),
        ),
        {
          name: 'percentileRows, thresholdRows',
          record: (r, read) => {
            const x = constant(r, read('x'), row);
            const threshold = r.k(percentileRows, { x }, { percent: params.threshold_q });
            return { y: r.k(thresholdRows, { x, threshold }) };
          },
          results: { y: 'threshold' },
          compare: exactly,
        },
        {
          name: 'rankPixels',
          record: (r, read) => ({ order: rankPixels(r, constant(r, read('x'), row)) }),
          results: { order: 'topk' },
          beginning: true,
          compare: exactly,
        },
        ...(k <= 16
          ? [
              {
                kernel: topK,
                reads: from({ x: 'x' }, row),
                options: { k },
                results: { indices: 'topk' },
                compare: exactly,
              },
            ]
          : []),
      ],
    };
  },

  preprocess: (c) => {
    const { resize, crop } = c.params;
    const [height, width] = c.tensors.rgb;
    const geometry = preprocessGeometry({ width, height }, { resize, crop });
    const outputSize: Two = [geometry.crop.height, geometry.crop.width];
    const area = outputSize[0] * outputSize[1];
    const reads = (read: Read) => {
      const rgb = read('rgb')?.data;
      if (!rgb) return undefined;
      const data = Uint32Array.from(
        { length: width * height },
        (_, i) => rgb[3 * i] | (rgb[3 * i + 1] << 8) | (rgb[3 * i + 2] << 16),
      );
      const m = { shape: [1, 12], data: sampleMatrix(geometry) };
      return { photo: { shape: [height, width], data }, m };
    };
    return {
      parts: [
        {
          kernel: sampleAffine,
          reads,
          options: { outputSize, mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255] },
          results: { y: 'crop' },
          // The golden has colours innermost. One 8-bit step, and the rounding of a normalised number.
          compare: (got, golden) =>
            largestDifference(1 + 1e-3)(
              Array.from(
                { length: golden.length },
                (_, i) => got[(i % 3) * area + Math.floor(i / 3)],
              ),
              golden,
            ),
        },
        {
          kernel: sampleAffine,
          reads,
          options: { outputSize },
          results: { y: 'y' },
          compare: (got, golden) => {
            const inSteps = (y: ArrayLike<number>) =>
              Array.from(y, (v, i) => v * 255 * imageNet.std[Math.floor(i / area)]);
            return largestDifference(1 + 1e-3)(inSteps(got), inSteps(golden));
          },
        },
      ],
    };
  },
};

/** What `rowRange` gives for a map of finite numbers. */
function rangeOf({ data }: GoldenArray): GoldenArray {
  let [least, most, count] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0];
  for (const v of data) {
    least = Math.min(least, v);
    most = Math.max(most, v);
    if (v !== 0) count++;
  }
  return { shape: [1, 4], data: Float32Array.of(least, most, 0, count) };
}
