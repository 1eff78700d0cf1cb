import { LayerError, ShapeError } from '../errors.js';
import type { Recorder } from '../gpu/recorder.js';
import { bytesOf, type Storage, type Tensor } from '../gpu/tensor.js';
import { placeholder, type Value } from '../gpu/value.js';
import { add } from '../kernels/add.js';
import { channelSlice } from '../kernels/channel-slice.js';
import { halves } from '../kernels/pool-shape.js';
import { rowRange } from '../kernels/row-range.js';
import { tokensToMaps } from '../kernels/tokens-to-maps.js';
import { ConvWeights } from './conv-weights.js';
import { type Graph, type Node, type OpKind, paramName } from './graph.js';
import { MaskedInput } from './masked-input.js';
import { type Epilogue, type Op, ops, type Place } from './ops.js';
import { type Params, rowRuns } from './params.js';
import { gradient, type RuleSet, ruleFor } from './rules.js';
import { narrowed, widened } from './seam.js';

export interface TraceOptions {
  /** Nodes whose own output will be asked for: they are not merged into what follows them. */
  readonly taps?: readonly string[];
  /** Nodes a backward pass will go to: what it needs is kept on the way. */
  readonly backwardTo?: readonly string[];
  /** How the network's values are stored; default f32. Parameters must be stored alike. */
  readonly storage?: Storage;
}

type Param = Value | Tensor;

/** Stand-ins for the parameters of graphs that are planned without weights. */
const standIns = new WeakMap<Graph, Map<string, Value>>();

/**
 * One recorded run of a network: forward from the values it is fed to whatever is asked for, and backward from there.
 *
 * Nodes are recorded when first asked for. A convolution or linear layer takes the activation and concatenation that follow it into its own
 * dispatch when nothing else reads it; a convolution also a batch norm that follows it directly, and on a GPU 2 x 2 max pooling.
 *
 * With 16-bit storage all that is recorded for a node, forward and backward, reads and writes 16-bit values. What goes in or comes out (feeds,
 * {@link value}, {@link output}, {@link backward}'s gradients) has 32 bits all the same, narrowed or widened at the seam.
 */
export class Trace {
  readonly k: Recorder['k'];
  readonly storage: Storage;
  /** Outputs of nodes as they are stored. */
  readonly #values = new Map<string, Value>();
  /** The same as callers see them, where that differs. */
  readonly #wide = new Map<string, Value>();
  readonly #masked: MaskedInput | undefined;
  /** Nodes whose result was written straight into a concatenation. */
  readonly #inside = new Map<string, { concat: string; k0: number; k: number }>();
  readonly #saved = new Map<string, Value>();
  readonly #taps: ReadonlySet<string>;
  readonly #keeps = new Set<string>();

  /**
   * @param feeds values of nodes: the `input` [N,3,H,W] or masked copies for it, or any node to start from
   * @param params undefined when the recording is only planned
   */
  constructor(
    readonly graph: Graph,
    readonly recorder: Recorder,
    readonly params: Params | undefined,
    feeds: Readonly<Record<string, Value | MaskedInput>>,
    options: TraceOptions = {},
  ) {
    this.k = recorder.k;
    this.storage = options.storage ?? 'f32';
    for (const [name, value] of Object.entries(feeds)) {
      graph.get(name);
      if (value instanceof MaskedInput) this.#masked = value;
      else this.#feed(name, value);
    }
    this.#taps = new Set(options.taps);
    for (const name of this.#taps) graph.get(name);
    for (const to of options.backwardTo ?? []) {
      for (const name of graph.descendants(to)) this.#keeps.add(name);
    }
  }

  #feed(name: string, value: Value): void {
    if (this.storage === 'f32') {
      this.#values.set(name, value);
      return;
    }
    this.#values.set(name, narrowed(this.recorder, value));
    if (value.dtype !== 'f16') this.#wide.set(name, value);
  }

  /** The network's input. */
  get input(): Value {
    if (!this.#isInside) return this.value('input');
    const value = this.#values.get('input') ?? this.#masked?.value();
    if (!value)
      throw new LayerError('the forward pass was started behind the input, which is needed');
    return value;
  }

  /** The masked copies that a node stands for, if they need not be written out. */
  masked(name: string): MaskedInput | undefined {
    return name === 'input' && !this.#values.has(name) ? this.#masked : undefined;
  }

  /** The network's output: logits [N,classes]. */
  get output(): Value {
    return this.value(this.graph.output);
  }

  /** A node's output. @throws LayerError if there is no such node. */
  value(name: string): Value {
    if (this.#isInside) return this.#stored(name);
    let value = this.#wide.get(name);
    if (!value) {
      value = widened(this.recorder, this.#stored(name));
      this.#wide.set(name, value);
    }
    return value;
  }

  /** Whether values are seen as they are stored: by what is recorded for a node, not by callers. */
  get #isInside(): boolean {
    return this.storage === this.recorder.storage;
  }

  #stored(name: string): Value {
    let value = this.#values.get(name);
    if (!value) {
      const inside = this.#inside.get(name);
      value = inside
        ? this.recorder.storing(this.storage, () =>
            this.k(
              channelSlice,
              { x: this.#stored(inside.concat) },
              { k0: inside.k0, channels: inside.k },
            ),
          )
        : this.#emit(this.graph.get(name), {});
      this.#values.set(name, value);
    }
    return value;
  }

  /** @param after nodes that ride along in its dispatch */
  #emit<K extends OpKind>(node: Node<K>, epilogue: Epilogue, after: readonly string[] = []): Value {
    const names = [node.name, ...after];
    const before = node.inputs[0];
    if (node.kind === 'relu' && this.#merges(before)) {
      return this.#emit(this.graph.get(before), { ...epilogue, act: 'relu' }, names);
    }
    // A backward pass reads what GELU was given, and a relevance rule the terms of a sum.
    const isForward = !this.#keeps.has(node.name);
    if (node.kind === 'gelu' && isForward && this.#isFreeLinear(before)) {
      return this.#emit(this.graph.get(before), { ...epilogue, act: 'gelu' }, names);
    }
    if (node.kind === 'add' && isForward) {
      const sum = this.#addsIn(node.inputs, names);
      if (sum) return sum;
    }
    if (
      node.kind === 'maxPool2d' &&
      isForward &&
      this.#poolsIn(node as Node as Node<'maxPool2d'>)
    ) {
      return this.#emit(this.graph.get(before), { pool: true }, names);
    }
    if (node.kind === 'batchNorm2d' && this.#foldsIn(before)) {
      const folded = node as Node as Node<'batchNorm2d'>;
      return this.#emit(this.graph.get(before), { ...epilogue, folded }, names);
    }
    const op = ops[node.kind] as unknown as Op<K>;
    return this.#within(names.join(' + '), () => op.forward(this, node, epilogue));
  }

  /** Records for a node. */
  #within<T>(part: string, record: () => T): T {
    return this.recorder.storing(this.storage, () => this.recorder.during(part, record));
  }

  /** Whether nothing but its only reader asks for a node's output. */
  #isFree(name: string): boolean {
    return (
      this.graph.consumers(name).length === 1 && !this.#taps.has(name) && !this.#values.has(name)
    );
  }

  #isFreeLinear(name: string): boolean {
    return this.graph.get(name).kind === 'linear' && this.#isFree(name);
  }

  /** Records a sum of two within the linear layer that makes one of them, if there is one. */
  #addsIn([a, b]: readonly string[], names: readonly string[]): Value | undefined {
    for (const [branch, other] of [
      [b, a],
      [a, b],
    ]) {
      let name = branch;
      while (this.graph.get(name).kind === 'dropout' && this.#isFree(name)) {
        [name] = this.graph.get(name).inputs;
      }
      if (this.#isFreeLinear(name)) {
        return this.#emit(this.graph.get(name), { residual: this.#stored(other) }, names);
      }
    }
    return undefined;
  }

  /** Whether a node's computation can end with what its only reader does. */
  #merges(name: string): boolean {
    const node = this.graph.get(name);
    if (!this.#isFree(name)) return false;
    if (ops[node.kind].takesEpilogue) return true;
    const [before] = node.inputs;
    return node.kind === 'batchNorm2d'
      ? this.#foldsIn(before)
      : node.kind === 'relu' && this.#merges(before);
  }

  /** Whether a node is a convolution whose weights can be those of its only reader, a batch norm, too: behind an activation it is another function. */
  #foldsIn(name: string): boolean {
    return this.graph.get(name).kind === 'conv2d' && this.#isFree(name);
  }

  /**
   * Whether a pooling can be done by the convolution before it, which then writes a quarter: on a GPU, whose kernels have windows in an invocation's
   * registers, and where the convolution does not mask its input meanwhile.
   */
  #poolsIn({ inputs, options }: Node<'maxPool2d'>): boolean {
    if (this.recorder.caps.kind !== 'gpu' || !halves(options) || !this.#merges(inputs[0])) {
      return false;
    }
    let node = this.graph.get(inputs[0]);
    while (node.kind === 'relu' || node.kind === 'batchNorm2d') {
      node = this.graph.get(node.inputs[0]);
    }
    return node.kind === 'conv2d' && !this.masked(node.inputs[0]);
  }

  /** Where the backward pass that is being recorded begins and ends: what arrives there is of the node's own output. */
  #ends: ReadonlySet<string> = new Set();

  /**
   * The batch norm that a convolution's weights can be those of, too: its only reader. A backward pass takes the two as one however they were computed
   * forward, but not where it begins or ends between them.
   */
  foldOf(conv: Node<'conv2d'>): Node<'batchNorm2d'> | undefined {
    const [reader, ...others] = this.graph.consumers(conv.name);
    if (!reader || others.length > 0 || this.#ends.has(conv.name)) return undefined;
    const node: Node = this.graph.get(reader);
    return node.kind === 'batchNorm2d' ? (node as Node<'batchNorm2d'>) : undefined;
  }

  /** Whether what arrives at a batch norm is left to the convolution before it: see {@link foldOf}. */
  isFolded(norm: Node<'batchNorm2d'>): boolean {
    const before: Node = this.graph.get(norm.inputs[0]);
    return before.kind === 'conv2d' && this.foldOf(before as Node<'conv2d'>) !== undefined;
  }

  /** Records a concatenation: inputs that can are computed straight into their channels, the others are copied there. */
  concat(node: Node<'concat'>, copy: (x: Value, place: Place) => Value): Value {
    const channels = node.inputs.map((input) => this.#channels(input));
    const kTotal = channels.reduce((a, b) => a + b, 0);
    let value: Value | undefined;
    let k0 = 0;
    node.inputs.forEach((input, i) => {
      const place = { value, k0, kTotal };
      if (this.#merges(input)) {
        value = this.#emit(this.graph.get(input), { into: place });
        this.#inside.set(input, { concat: node.name, k0, k: channels[i] });
      } else {
        value = copy(this.#stored(input), place);
      }
      k0 += channels[i];
    });
    return value!;
  }

  #channels(name: string): number {
    const node = this.graph.get(name);
    const known = this.#values.get(name) ?? this.masked(name);
    if (known) return known.shape[1];
    if (node.kind === 'conv2d' || node.kind === 'linear') return node.params.weight[0];
    return node.inputs
      .map((input) => this.#channels(input))
      .reduce((a, b) => (node.kind === 'concat' ? a + b : a));
  }

  /** A parameter of a node as a tensor (a stand-in while only planning). */
  param(node: Node, name: string): Param {
    const key = paramName(node, name);
    const stored = this.params?.tensor(key) ?? this.#standIn(key, node.params[name]);
    return this.#isInside ? stored : widened(this.recorder, this.recorder.value(stored));
  }

  /** A tensor computed once from parameters on the CPU (a stand-in while only planning). */
  derived(key: string, shape: readonly number[], compute: (params: Params) => Float32Array): Param {
    const { params } = this;
    return params?.derived(key, shape, () => compute(params)) ?? this.#standIn(key, shape);
  }

  /** The same stand-in whenever a parameter is planned with, so that its bytes count once. */
  #standIn(key: string, shape: readonly number[]): Value {
    let known = standIns.get(this.graph);
    if (!known) {
      known = new Map();
      standIns.set(this.graph, known);
    }
    const stored = `${key} ${this.storage}`;
    let value = known.get(stored);
    if (!value) {
      value = placeholder(shape, this.storage);
      known.set(stored, value);
    }
    return value;
  }

  /** Weight and bias of a convolution, with the batch norm `folded` merged in if there is one. */
  weights(node: Node<'conv2d'>, folded: Node<'batchNorm2d'> | undefined): ConvWeights {
    return new ConvWeights(this, node, folded);
  }

  /** Weight and bias of a linear layer in runs of rows that each fit a binding of the device. */
  rowRuns(node: Node<'linear'>): { first: number; w: Param; b?: Param }[] {
    const { maxStorageBufferBindingSize } = this.recorder.caps.limits;
    const bytes = bytesOf(this.storage);
    const runs = rowRuns(node.params.weight, maxStorageBufferBindingSize, bytes);
    const parts = (param: string): readonly Param[] =>
      this.params?.rows(paramName(node, param), runs) ??
      runs.map(({ first, count }) =>
        this.#standIn(`${paramName(node, param)} ${first} ${count}`, [
          count,
          ...node.params[param].slice(1),
        ]),
      );
    const w = parts('weight');
    const b = node.params.bias && parts('bias');
    return runs.map(({ first }, i) => ({ first, w: w[i], ...(b && { b: b[i] }) }));
  }

  /**
   * Rows and columns of the grid that the last tokens of a node stand for; undefined if its output is not a sequence of patches.
   *
   * @throws LayerError if the forward pass was started behind the patches.
   */
  grid(name: string): readonly [number, number] | undefined {
    const node = this.graph.get(name);
    if (node.kind === 'patchTokens') {
      const [, , P, Q] = this.#stored(node.inputs[0]).shape;
      return [P, Q];
    }
    if (node.kind === 'token' || node.inputs.length === 0) return undefined;
    return this.grid(node.inputs[0]);
  }

  /** A node's output as feature maps [N,K,h,w]: tokens of patches lie in their grid, the tokens before them are dropped. Undefined if it is neither. */
  maps(name: string): Value | undefined {
    return this.asMaps(name, this.value(name));
  }

  /** A value of a node's shape, its gradient say, as {@link maps} has its output. */
  asMaps(name: string, value: Value): Value | undefined {
    if (this.graph.get(name).kind === 'attentionMap') return undefined;
    if (value.shape.length !== 3) return value.shape.length === 4 ? value : undefined;
    const grid = this.grid(name);
    return grid && this.k(tokensToMaps, { x: value }, { grid });
  }

  /** A value to be filled through `into`. */
  blank(shape: readonly number[]): Value {
    return this.recorder.blank(shape);
  }

  /** Whether a backward pass through this node was announced. */
  keepsForBackward(node: Node): boolean {
    return this.#keeps.has(node.name);
  }

  /** Whether a node's output is needed by what reads it only, forward: a kernel that skips it may do for both. */
  canSkip(name: string): boolean {
    return !this.#keeps.has(name) && !this.#taps.has(name) && !this.#values.has(name);
  }

  /** Keeps a by-product of a node's forward pass for its backward pass. */
  save(node: Node, what: string, value: Value): void {
    this.#saved.set(`${node.name} ${what}`, value);
  }

  saved(node: Node, what: string): Value | undefined {
    return this.#saved.get(`${node.name} ${what}`);
  }

  /**
   * Records a backward pass.
   *
   * With 16-bit storage `dy` is scaled by a power of two for each image and its gradients are scaled back, so that small ones do not vanish: rules must be
   * homogeneous, twice what comes in twice what goes out.
   *
   * @param from the node whose output `dy` belongs to
   * @param dy d target / d output of `from`, of its shape
   * @param to nodes whose gradient (or relevance) is wanted
   * @param rules how each node passes it back; default the plain gradient
   * @returns by node name, d target / d output of that node
   * @throws LayerError if there is no path from a wanted node to `from`, or no rule for a node on it.
   */
  backward(
    from: string,
    dy: Value,
    to: readonly string[],
    rules: RuleSet = gradient,
  ): Map<string, Value> {
    if (dy.size !== this.#stored(from).size) {
      throw new ShapeError(
        `backward: dy [${dy.shape}] should be [${this.#stored(from).shape}] as ${from}`,
      );
    }
    const wanted = new Set<string>();
    for (const name of to) {
      const below = this.graph.descendants(name);
      if (!below.has(from)) {
        throw new LayerError(`backward: ${name} has no path to ${from}: choose a layer before it`);
      }
      for (const n of below) wanted.add(n);
    }
    const { seed, range } = this.#seed(dy, this.#stored(from).shape[0]);
    this.#ends = new Set([from, ...to]);
    const grads = new Map<string, Value>([[from, seed]]);
    for (const node of [...this.graph.nodes].reverse()) {
      const g = grads.get(node.name);
      const needs = (i: number) => wanted.has(node.inputs[i]);
      if (!g || !node.inputs.some((_, i) => needs(i))) continue;
      const rule = ruleFor(rules, node, this.graph);
      const handed = new Set<Value | undefined>();
      const arrived = (i: number) => {
        const sum = grads.get(node.inputs[i]);
        handed.add(sum);
        return sum;
      };
      const dxs = this.#within(`${node.name}, backward`, () => rule(this, node, g, needs, arrived));
      node.inputs.forEach((input, i) => {
        const dx = dxs[i];
        if (!needs(i) || !dx) return;
        const sum = grads.get(input);
        // A sum that comes back has dx in it only if the rule was handed it: x + x passes the same dy to x twice.
        const isOwn = !sum || (sum === dx && handed.has(sum));
        const added = () => this.k(add, { a: sum!, b: dx });
        grads.set(input, isOwn ? dx : this.recorder.storing(this.storage, added));
      });
    }
    return new Map(to.map((name) => [name, widened(this.recorder, grads.get(name)!, range)]));
  }

  /** What a backward pass begins with, as it is stored, and each image's range that it was scaled by. */
  #seed(dy: Value, images: number): { seed: Value; range?: Value } {
    if (this.storage === 'f32') return { seed: dy };
    const range = this.k(rowRange, { x: dy.reshape([images, dy.size / images]) });
    return { seed: narrowed(this.recorder, dy, range), range };
  }
}
