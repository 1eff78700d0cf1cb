import type { Caps } from '../gpu/caps.js';
import type { Value } from '../gpu/value.js';
import { adaptiveAvgPool2d } from '../kernels/adaptive-avg-pool2d.js';
import { adaptiveAvgPool2dBackward } from '../kernels/adaptive-avg-pool2d-backward.js';
import { add } from '../kernels/add.js';
import { attention } from '../kernels/attention.js';
import {
  attentionKeyGradient,
  attentionOutput,
  attentionProbabilitiesGradient,
  attentionQueryGradient,
  attentionValueGradient,
} from '../kernels/attention-products.js';
import { asRows, attentionProbabilities } from '../kernels/attention-steps.js';
import { avgPool2d } from '../kernels/avg-pool2d.js';
import { avgPool2dBackward } from '../kernels/avg-pool2d-backward.js';
import { batchNorm2d } from '../kernels/batch-norm2d.js';
import { batchNorm2dBackward } from '../kernels/batch-norm2d-backward.js';
import { channelSlice } from '../kernels/channel-slice.js';
import { concat } from '../kernels/concat.js';
import { gelu } from '../kernels/gelu.js';
import { geluBackward } from '../kernels/gelu-backward.js';
import { interpolatePositions } from '../kernels/interpolate-positions.js';
import type { Activation } from '../kernels/kernel.js';
import { layerNorm } from '../kernels/layer-norm.js';
import { layerNormBackward } from '../kernels/layer-norm-backward.js';
import { type LinearActivation, linear } from '../kernels/linear.js';
import { linearBackwardInput } from '../kernels/linear-backward-input.js';
import { maxPool2d } from '../kernels/max-pool2d.js';
import { maxPool2dBackward } from '../kernels/max-pool2d-backward.js';
import { maxPool2dValues } from '../kernels/max-pool2d-values.js';
import { mixParts } from '../kernels/mix-parts.js';
import { patchesToTokens, patchesToTokensBackward } from '../kernels/patches-to-tokens.js';
import { relu } from '../kernels/relu.js';
import { reluBackward } from '../kernels/relu-backward.js';
import { softmaxBackward } from '../kernels/softmax-backward.js';
import { tokenGather } from '../kernels/token-gather.js';
import { tokenGatherBackward } from '../kernels/token-gather-backward.js';
import { backwardRoutes, forwardRoutes } from './conv-routes.js';
import { type Node, type OpKind, paramName } from './graph.js';
import type { Trace } from './trace.js';

/** Where in a concatenation a result goes; `value` is missing for the first to be written. */
export interface Place {
  readonly value: Value | undefined;
  readonly k0: number;
  readonly kTotal: number;
}

/** What rides along in the dispatch that computes a node. */
export interface Epilogue {
  /** `gelu` for linear layers only. */
  readonly act?: LinearActivation;
  /** What is added to the result; for linear layers only. */
  readonly residual?: Value;
  readonly into?: Place;
  /** The batch norm behind it, to be merged into its weights; for convolutions only. */
  readonly folded?: Node<'batchNorm2d'>;
  /** The largest of each 2 x 2 is all that is wanted; for convolutions only. */
  readonly pool?: boolean;
}

/** How one kind of node is computed, forward and backward. */
export interface Op<K extends OpKind> {
  /** Records the node and returns its value. */
  forward(trace: Trace, node: Node<K>, epilogue: Epilogue): Value;
  /** Whether {@link forward} honours an epilogue; without it, never. */
  takesEpilogue?: boolean;
  /** Records d/d input i for each input that `needs` it, from dy = d/d output; see {@link Rule} for `arrived`. */
  gradient(
    trace: Trace,
    node: Node<K>,
    dy: Value,
    needs: (input: number) => boolean,
    arrived: (input: number) => Value | undefined,
  ): (Value | undefined)[];
}

/** x [...,C] as rows [M,C]. */
export const rowsOf = (x: Value): Value => {
  const C = x.shape[x.shape.length - 1];
  return x.reshape([x.size / C, C]);
};

/** Every element times a number. */
const scaled = (t: Trace, x: Value, by: number): Value =>
  t.k(mixParts, { x, c: t.recorder.constant(Float32Array.of(by, 0, 0, 0, 0)) });

const lastTwo = (x: Value) => [x.shape[2], x.shape[3]] as const;

/** Nodes that only rename their input. */
const pass: Op<'dropout'> = {
  forward: (t, node) => t.value(node.inputs[0]),
  gradient: (_t, _node, dy) => [dy],
};

/** The operations by kind: a table, so that a new one is one row. */
export const ops: { readonly [K in OpKind]: Op<K> } = {
  input: {
    forward: (t) => t.input,
    gradient: () => [],
  },

  conv2d: {
    takesEpilogue: true,
    forward: (t, node, { into, folded, pool, ...epilogue }) => {
      const act = epilogue.act as Activation; // a GELU is merged into linear layers only
      const weights = t.weights(node, folded);
      const { b } = weights;
      const place = { k0: into?.k0, kTotal: into?.kTotal };
      const masked = t.masked(node.inputs[0]); // never with a pool
      if (masked) {
        return masked.conv2d({ w: weights.w, b }, { ...node.options, act, ...place }, into?.value);
      }
      const options = { ...node.options, act, pool, ...place };
      const x = t.value(node.inputs[0]);
      return t.recorder.fork(forwardRoutes(t.recorder.caps, x, weights, options), into?.value);
    },
    gradient: (t, node, dy) => {
      const inputSize = lastTwo(t.value(node.inputs[0]));
      const weights = t.weights(node, t.foldOf(node));
      const options = { ...node.options, inputSize };
      return [t.recorder.fork(backwardRoutes(t.recorder.caps, dy, weights, options))];
    },
  },

  linear: {
    takesEpilogue: true,
    forward: (t, node, { act, into, residual }) => {
      const given = t.value(node.inputs[0]);
      const x = rowsOf(given);
      const kTotal = into?.kTotal ?? node.params.weight[0];
      // Weights larger than a binding come in runs of rows, each of which fills its columns of y.
      const y = into?.value ?? t.blank([x.shape[0], kTotal]);
      const r = residual && rowsOf(residual);
      for (const { first, w, b } of t.rowRuns(node)) {
        t.k(linear, { x, w, b, r }, { act, k0: (into?.k0 ?? 0) + first, kTotal }, { into: y });
      }
      return y.reshape([...given.shape.slice(0, -1), kTotal]);
    },
    gradient: (t, node, grad) => {
      const dy = rowsOf(grad);
      let dx: Value | undefined;
      for (const { first, w } of t.rowRuns(node)) {
        const options = { k0: first, kTotal: dy.shape[1], accumulate: dx !== undefined };
        dx = t.k(linearBackwardInput, { dy, w }, options, { into: dx });
      }
      return [dx!.reshape(t.value(node.inputs[0]).shape)];
    },
  },

  batchNorm2d: {
    forward: (t, node) =>
      t.k(
        batchNorm2d,
        {
          x: t.value(node.inputs[0]),
          w: t.param(node, 'weight'),
          b: t.param(node, 'bias'),
          mean: t.param(node, 'running_mean'),
          variance: t.param(node, 'running_var'),
        },
        node.options,
      ),
    gradient: (t, node, dy) => {
      if (t.isFolded(node)) return [dy]; // the convolution's folded weights pass it on
      const [w, variance] = [t.param(node, 'weight'), t.param(node, 'running_var')];
      return [t.k(batchNorm2dBackward, { dy, w, variance }, node.options)];
    },
  },

  relu: {
    forward: (t, node) => t.k(relu, { x: t.value(node.inputs[0]) }),
    gradient: (t, node, dy) => [t.k(reluBackward, { dy, y: t.value(node.name) })],
  },

  maxPool2d: {
    forward: (t, node) => {
      const x = t.value(node.inputs[0]);
      if (!t.keepsForBackward(node)) return t.k(maxPool2dValues, { x }, node.options);
      const { y, positions } = t.k(maxPool2d, { x }, node.options);
      t.save(node, 'positions', positions);
      return y;
    },
    gradient: (t, node, dy) => {
      const x = t.value(node.inputs[0]);
      const positions = t.saved(node, 'positions') ?? t.k(maxPool2d, { x }, node.options).positions;
      return [
        t.k(maxPool2dBackward, { dy, positions }, { ...node.options, inputSize: lastTwo(x) }),
      ];
    },
  },

  avgPool2d: {
    forward: (t, node) => t.k(avgPool2d, { x: t.value(node.inputs[0]) }, node.options),
    gradient: (t, node, dy) => {
      const inputSize = lastTwo(t.value(node.inputs[0]));
      return [t.k(avgPool2dBackward, { dy }, { ...node.options, inputSize })];
    },
  },

  adaptiveAvgPool2d: {
    forward: (t, node) => {
      const x = t.value(node.inputs[0]);
      return isIdentity(node, x) ? x : t.k(adaptiveAvgPool2d, { x }, node.options);
    },
    gradient: (t, node, dy) => {
      const x = t.value(node.inputs[0]);
      if (isIdentity(node, x)) return [dy];
      return [t.k(adaptiveAvgPool2dBackward, { dy }, { inputSize: lastTwo(x) })];
    },
  },

  dropout: pass,

  flatten: {
    forward: (t, node) => {
      const x = t.value(node.inputs[0]);
      return x.reshape([x.shape[0], x.size / x.shape[0]]);
    },
    gradient: (t, node, dy) => [dy.reshape(t.value(node.inputs[0]).shape)],
  },

  add: {
    forward: (t, node) => t.k(add, { a: t.value(node.inputs[0]), b: t.value(node.inputs[1]) }),
    gradient: (_t, _node, dy) => [dy, dy],
  },

  mean: {
    forward: (t, { inputs }) => {
      const sum = inputs.map((x) => t.value(x)).reduce((a, b) => t.k(add, { a, b }));
      return scaled(t, sum, 1 / inputs.length);
    },
    gradient: (t, { inputs }, dy) => {
      const dx = scaled(t, dy, 1 / inputs.length);
      return inputs.map(() => dx);
    },
  },

  layerNorm: {
    forward: (t, node) => {
      const x = t.value(node.inputs[0]);
      const reads = { x: rowsOf(x), w: t.param(node, 'weight'), b: t.param(node, 'bias') };
      return t.k(layerNorm, reads, node.options).reshape(x.shape);
    },
    gradient: (t, node, dy) => {
      const x = t.value(node.inputs[0]);
      const reads = { dy: rowsOf(dy), x: rowsOf(x), w: t.param(node, 'weight') };
      return [t.k(layerNormBackward, reads, node.options).reshape(x.shape)];
    },
  },

  gelu: {
    forward: (t, node) => t.k(gelu, { x: t.value(node.inputs[0]) }),
    gradient: (t, node, dy) => [t.k(geluBackward, { dy, x: t.value(node.inputs[0]) })],
  },

  patchTokens: {
    forward: (t, node) => {
      return t.k(patchesToTokens, { x: t.value(node.inputs[0]), ...tokenParts(t, node) });
    },
    gradient: (t, node, dy) => [
      patchesToTokensBackward(t.recorder, dy, { grid: lastTwo(t.value(node.inputs[0])) }),
    ],
  },

  token: {
    forward: (t, node) => t.k(tokenGather, { x: t.value(node.inputs[0]) }, node.options),
    gradient: (t, node, dy) => {
      const tokens = t.value(node.inputs[0]).shape[1];
      return [t.k(tokenGatherBackward, { dy }, { ...node.options, tokens })];
    },
  },

  attentionMap: {
    forward: (t, node) => attentionProbabilities(t.recorder, t.value(node.inputs[0]), node.options),
    gradient: (t, node, dy, _needs, arrived) => {
      const qkv = t.value(node.inputs[0]);
      const p = t.value(node.name);
      const ds = t.k(softmaxBackward, { dy: asRows(dy), y: asRows(p) }).reshape(p.shape);
      // v's columns are there already, unless the backward pass began here.
      const into = arrived(0) ?? scaled(t, qkv, 0);
      t.k(attentionQueryGradient, { a: ds, b: qkv }, {}, { into });
      t.k(attentionKeyGradient, { a: ds, b: qkv }, {}, { into });
      return [into];
    },
  },

  attentionOutput: {
    forward: (t, { inputs }) => {
      const [map, projection] = inputs;
      const qkv = t.value(projection);
      const { heads } = t.graph.get(map).options as { heads: number };
      // One pass over the keys, without the probabilities in memory, where nothing else asks for them.
      if (t.canSkip(map) && isOnePass(qkv.shape[2] / 3 / heads, t.recorder.caps)) {
        return t.k(attention, { qkv }, { heads });
      }
      return t.k(attentionOutput, { a: t.value(map), b: qkv });
    },
    gradient: (t, { inputs }, dy, needs) => {
      const [p, qkv] = inputs.map((input) => t.value(input));
      const { heads } = t.graph.get(inputs[0]).options as { heads: number };
      const dp = needs(0)
        ? t.k(attentionProbabilitiesGradient, { a: dy, b: qkv }, { heads })
        : undefined;
      if (!needs(1)) return [dp, undefined];
      // v's columns only; those of q and k are written by the node of the probabilities, which comes next.
      const into = t.blank(qkv.shape);
      t.k(attentionValueGradient, { a: p, b: dy }, {}, { into });
      return [dp, into];
    },
  },

  concat: {
    forward: (t, node) =>
      t.concat(node, (x, { k0, kTotal, value }) =>
        t.k(concat, { x }, { k0, kTotal }, { into: value }),
      ),
    gradient: (t, node, dy, needs) => {
      let k0 = 0;
      return node.inputs.map((input, i) => {
        const k = t.value(input).shape[1];
        const dx = needs(i) ? t.k(channelSlice, { x: dy }, { k0, channels: k }) : undefined;
        k0 += k;
        return dx;
      });
    },
  },
};

/** Whether attention with heads of such a width is one dispatch: of wide ones a software adapter has the readable variant alone, up to ten times slower than three dispatches. */
const isOnePass = (width: number, { kind }: Caps): boolean => kind === 'gpu' || width <= 64;

/** What is put before the tokens of patches, cls [EXTRA,D], and what is added to all of them, pos [T,D]. */
export function tokenParts(t: Trace, node: Node<'patchTokens'>) {
  const x = t.value(node.inputs[0]);
  const { pos_embedding: shape, ...extra } = node.params;
  const names = Object.keys(extra);
  const cls = t.derived(names.join(' and '), [names.length, x.shape[1]], (params) =>
    Float32Array.from(names.flatMap((name) => [...params.read(paramName(node, name))])),
  );
  return { cls, pos: positions(t, node, lastTwo(x), names.length, shape) };
}

/** The position embedding for a grid of patches: the trained one, or bicubic between its rows. */
function positions(
  t: Trace,
  node: Node<'patchTokens'>,
  grid: readonly [number, number],
  extra: number,
  shape: readonly number[],
) {
  const from = node.options.grid;
  const name = paramName(node, 'pos_embedding');
  const D = shape[2];
  if (grid[0] === from[0] && grid[1] === from[1]) {
    return t.derived(name, [shape[1], D], (params) => params.read(name));
  }
  const rows = extra + grid[0] * grid[1];
  return t.derived(
    `${name} for ${grid[0]} x ${grid[1]}`,
    [rows, D],
    (params) =>
      interpolatePositions({ data: params.read(name), shape }, { extra, grid, from }).data,
  );
}

function isIdentity(node: Node<'adaptiveAvgPool2d'>, x: Value): boolean {
  const [P, Q] = node.options.outputSize;
  return x.shape[2] === P && x.shape[3] === Q;
}
