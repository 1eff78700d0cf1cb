import type { Value } from '../gpu/value.js';
import { adaptiveAvgPool2d } from '../kernels/adaptive-avg-pool2d.js';
import { adaptiveAvgPool2dBackward } from '../kernels/adaptive-avg-pool2d-backward.js';
import { add } from '../kernels/add.js';
import { avgPool2d } from '../kernels/avg-pool2d.js';
import { avgPool2dBackward } from '../kernels/avg-pool2d-backward.js';
import { batchNorm2d } from '../kernels/batch-norm2d.js';
import { batchNorm2dBackward } from '../kernels/batch-norm2d-backward.js';
import { channelSlice } from '../kernels/channel-slice.js';
import { concat } from '../kernels/concat.js';
import { conv2d } from '../kernels/conv2d.js';
import { conv2dBackwardInput } from '../kernels/conv2d-backward-input.js';
import type { Activation } from '../kernels/kernel.js';
import { linear } from '../kernels/linear.js';
import { linearBackwardInput } from '../kernels/linear-backward-input.js';
import { maxPool2d } from '../kernels/max-pool2d.js';
import { maxPool2dBackward } from '../kernels/max-pool2d-backward.js';
import { maxPool2dValues } from '../kernels/max-pool2d-values.js';
import { relu } from '../kernels/relu.js';
import { reluBackward } from '../kernels/relu-backward.js';
import type { Node, OpKind } from './graph.js';
import type { Trace } from './trace.js';

/** Where in a concatenation a result goes; `value` is missing for the first to be written. */
export interface Place {
  readonly value: Value | undefined;
  readonly k0: number;
  readonly kTotal: number;
}

/** What rides along in the dispatch that computes a node. */
export interface Epilogue {
  readonly act?: Activation;
  readonly into?: Place;
  /** The batch norm behind a convolution is merged into its weights. */
  readonly folded?: boolean;
}

/** How one kind of node is computed, forward and backward. */
export interface Op<K extends OpKind> {
  /** Records the node and returns its value. */
  forward(trace: Trace, node: Node<K>, epilogue: Epilogue): Value;
  /** Whether {@link forward} honours an epilogue; without it, never. */
  takesEpilogue?: boolean;
  /** Records d/d input i for each input that `needs` it, from dy = d/d output. */
  gradient(
    trace: Trace,
    node: Node<K>,
    dy: Value,
    needs: (input: number) => boolean,
  ): (Value | undefined)[];
}

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
    forward: (t, node, { act, into, folded }) => {
      const { w, b } = t.weights(node, folded ? t.foldOf(node) : undefined);
      const place = into && { k0: into.k0, kTotal: into.kTotal };
      const masked = t.masked(node.inputs[0]);
      if (masked) return masked.conv2d({ w, b }, { ...node.options, act, ...place }, into?.value);
      const x = t.value(node.inputs[0]);
      return t.k(conv2d, { x, w, b }, { ...node.options, act, ...place }, { into: into?.value });
    },
    gradient: (t, node, dy) => {
      const inputSize = lastTwo(t.value(node.inputs[0]));
      const { w } = t.weights(node, t.foldOf(node));
      return [t.k(conv2dBackwardInput, { dy, w }, { ...node.options, inputSize })];
    },
  },

  linear: {
    takesEpilogue: true,
    forward: (t, node, { act, into }) => {
      const x = t.value(node.inputs[0]);
      const kTotal = into?.kTotal ?? node.params.weight[0];
      // Weights larger than a binding come in runs of rows, each of which fills its columns of y.
      const y = into?.value ?? t.blank([x.shape[0], kTotal]);
      for (const { first, w, b } of t.rowRuns(node)) {
        t.k(linear, { x, w, b }, { act, k0: (into?.k0 ?? 0) + first, kTotal }, { into: y });
      }
      return y;
    },
    gradient: (t, node, dy) => {
      let dx: Value | undefined;
      for (const { first, w } of t.rowRuns(node)) {
        const options = { k0: first, kTotal: dy.shape[1], accumulate: dx !== undefined };
        dx = t.k(linearBackwardInput, { dy, w }, options, { into: dx });
      }
      return [dx];
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

function isIdentity(node: Node<'adaptiveAvgPool2d'>, x: Value): boolean {
  const [P, Q] = node.options.outputSize;
  return x.shape[2] === P && x.shape[3] === Q;
}
