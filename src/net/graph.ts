import { LayerError, nearest } from '../errors.js';
import type { ConvOptions } from '../kernels/conv-shape.js';
import type { PoolOptions } from '../kernels/pool-shape.js';

/** Options of each operation a node can be. */
export interface OpOptions {
  input: object;
  conv2d: ConvOptions;
  linear: object;
  batchNorm2d: { readonly eps?: number };
  relu: object;
  maxPool2d: PoolOptions;
  avgPool2d: PoolOptions & { readonly countIncludePad?: boolean };
  adaptiveAvgPool2d: { readonly outputSize: readonly [number, number] };
  dropout: object;
  flatten: object;
  add: object;
  mean: object;
  layerNorm: { readonly eps?: number };
  gelu: object;
  patchTokens: {
    /** Rows and columns of patches that the position embedding was trained for. */
    readonly grid: readonly [number, number];
  };
  token: { readonly token: number };
  attentionMap: { readonly heads: number };
  attentionOutput: object;
  concat: object;
}

export type OpKind = keyof OpOptions;

/** One operation of a network, named as the PyTorch module (or function call) it stands for. */
export interface Node<K extends OpKind = OpKind> {
  readonly name: string;
  readonly kind: K;
  readonly inputs: readonly string[];
  readonly options: OpOptions[K];
  /** Shapes of its parameters by their last name (`weight`, `bias`, ...). */
  readonly params: Readonly<Record<string, readonly number[]>>;
  /** Full names of those parameters whose name is not `<node>.<param>`; see {@link paramName}. */
  readonly paramNames?: Readonly<Record<string, string>> | undefined;
}

/** The name of a node's parameter in a file of weights. */
export const paramName = (node: Node, param: string): string =>
  node.paramNames?.[param] ?? `${node.name}.${param}`;

/** A module of a `sequential`: a node without its name and inputs. */
export interface Module<K extends OpKind = OpKind> {
  readonly kind: K;
  readonly options: OpOptions[K];
  readonly params?: Readonly<Record<string, readonly number[]>>;
  readonly paramNames?: Readonly<Record<string, string>> | undefined;
}

/** A network's nodes in an order in which each comes after its inputs. The last one is the output. */
export class Graph {
  readonly #nodes = new Map<string, Node>();
  readonly #consumers = new Map<string, string[]>();

  constructor() {
    this.#add({ name: 'input', kind: 'input', inputs: [], options: {}, params: {} });
  }

  #add(node: Node): string {
    if (this.#nodes.has(node.name)) throw new LayerError(`graph: two nodes are named ${node.name}`);
    for (const input of node.inputs) {
      this.get(input);
      this.#consumers.get(input)!.push(node.name);
    }
    this.#nodes.set(node.name, node);
    this.#consumers.set(node.name, []);
    return node.name;
  }

  /** Adds a node and returns its name. */
  add(name: string, inputs: readonly string[], module: Module): string {
    return this.#add({
      name,
      kind: module.kind,
      inputs,
      options: module.options,
      params: module.params ?? {},
      paramNames: module.paramNames,
    });
  }

  /** Adds modules one after the other, named `<prefix>.0`, `<prefix>.1`, ... as torch's Sequential does. */
  sequential(prefix: string, input: string, modules: readonly Module[]): string {
    return modules.reduce((x, module, i) => this.add(`${prefix}.${i}`, [x], module), input);
  }

  get nodes(): readonly Node[] {
    return [...this.#nodes.values()];
  }

  get names(): readonly string[] {
    return [...this.#nodes.keys()];
  }

  get output(): string {
    return this.names[this.#nodes.size - 1];
  }

  /** @throws LayerError that offers the nearest names. */
  get(name: string): Node {
    const node = this.#nodes.get(name);
    if (!node) {
      throw new LayerError(
        `no layer ${name}: nearest are ${nearest(name, this.names).join(', ')}; \`webgpu-cam layers\` lists all`,
      );
    }
    return node;
  }

  /** Names of the nodes that read this one. */
  consumers(name: string): readonly string[] {
    return this.#consumers.get(name) ?? [];
  }

  /** Full names and shapes of all parameters. */
  get params(): Map<string, readonly number[]> {
    return new Map(
      this.nodes.flatMap((node) =>
        Object.entries(node.params).map(
          ([param, shape]) => [paramName(node, param), shape] as const,
        ),
      ),
    );
  }

  /** Nodes whose outputs a forward pass that starts at `name` reads besides it: what residual paths bring past it. */
  beside(name: string): string[] {
    const behind = this.descendants(name);
    const read = [...behind].filter((n) => n !== name).flatMap((n) => this.get(n).inputs);
    return [...new Set(read)].filter((input) => !behind.has(input));
  }

  /** The nodes that depend on `name`, itself included. */
  descendants(name: string): Set<string> {
    this.get(name);
    const found = new Set([name]);
    for (const node of this.nodes) if (node.inputs.some((i) => found.has(i))) found.add(node.name);
    return found;
  }
}
