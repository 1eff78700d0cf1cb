import type { Tensor } from '../gpu/tensor.js';
import type { Value } from '../gpu/value.js';
import { winogradFilterShape, winogradFilters } from '../kernels/winograd.js';
import type { WinogradTile } from '../kernels/winograd-shape.js';
import { foldedBias, foldedWeight } from './fold.js';
import { type Node, paramName } from './graph.js';
import type { Params } from './params.js';
import type { Trace } from './trace.js';

/**
 * What a convolution multiplies with, the batch norm behind it merged in if there is one. Each form is made, and uploaded, when it is
 * first asked for: a layer that runs by Winograd's filters holds only those.
 */
export class ConvWeights {
  constructor(
    private readonly trace: Trace,
    private readonly conv: Node<'conv2d'>,
    private readonly norm: Node<'batchNorm2d'> | undefined,
  ) {}

  /** Of {@link w}, which need not be made for it. */
  get shape(): readonly number[] {
    return this.conv.params.weight;
  }

  get hasBias(): boolean {
    return this.norm !== undefined || this.conv.params.bias !== undefined;
  }

  /** [K,C/groups,R,S]. */
  get w(): Value | Tensor {
    const { trace, conv, norm } = this;
    if (!norm) return trace.param(conv, 'weight');
    const key = `${this.#name('weight')} * ${norm.name}`;
    return trace.derived(key, conv.params.weight, (params) => this.#weight(params));
  }

  /** [K]. */
  get b(): Value | Tensor | undefined {
    const { trace, conv, norm } = this;
    if (!norm) return conv.params.bias && trace.param(conv, 'bias');
    const key = `${this.#name('bias')} * ${norm.name}`;
    const [K] = conv.params.weight;
    return trace.derived(key, [K], (params) => foldedBias(params, conv, norm));
  }

  /** The weight as Winograd's filters, of shape {@link winogradFilterShape}. */
  filters(tile: WinogradTile, turned = false): Value | Tensor {
    const [K, C] = this.conv.params.weight;
    const shape = turned ? winogradFilterShape(C, K, tile) : winogradFilterShape(K, C, tile);
    const key = [this.#name('weight'), this.norm?.name, tile, turned ? 'turned' : ''].join(' ');
    return this.trace.derived(key, shape, (params) =>
      winogradFilters(this.#weight(params), [K, C], tile, turned),
    );
  }

  #weight(params: Params): Float32Array {
    const { conv, norm } = this;
    return norm ? foldedWeight(params, conv, norm) : params.read(paramName(conv, 'weight'));
  }

  #name(param: string): string {
    return `${this.conv.name}.${param}`;
  }
}
