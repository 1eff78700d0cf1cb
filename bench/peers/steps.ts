import { coreCaps } from '../../src/gpu/caps.js';
import { Recorder } from '../../src/gpu/recorder.js';
import { placeholder } from '../../src/gpu/value.js';
import { imagenetPreprocessing } from '../../src/image/preprocessing.js';
import type { Architecture } from '../../src/net/architecture.js';
import { Graph, type Module, type Node } from '../../src/net/graph.js';
import { Net } from '../../src/net/net.js';
import type { PeerCase } from './cases.js';

/** What a case computes, node by node, with what the other libraries need to be told. */
export interface Steps {
  readonly graph: Graph;
  /** The nodes behind the input in an order in which each comes after its inputs. */
  readonly nodes: readonly Node[];
  /** Node that the case's input is the value of. */
  readonly input: string;
  /** Shape of each node's value at the case's batch size. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly architecture: Architecture;
}

/** A network of one layer: `x`, which does nothing, then the modules. */
export function layerGraph(modules: readonly Module[]): Graph {
  const graph = new Graph();
  let x = graph.add('x', ['input'], { kind: 'dropout', options: {} });
  for (const [i, module] of modules.entries()) {
    // The one node with two inputs: probabilities, and the projections that they came from.
    const inputs = module.kind === 'attentionOutput' ? [x, 'x'] : [x];
    x = graph.add(modules.length === 1 ? 'layer' : `layer.${i}`, inputs, module);
  }
  return graph;
}

/** An architecture of a layer's graph, which the library can be given weights of. */
const layerArchitecture = (id: string, modules: readonly Module[]): Architecture => ({
  ...{ name: id, paper: '', classes: 0, head: '', defaultLayer: '', minInput: 1 },
  preprocessing: imagenetPreprocessing,
  build: () => layerGraph(modules),
});

/** The nodes of a case with their shapes. @throws RangeError for a case that is no graph. */
export function stepsOf(c: PeerCase): Steps {
  if (!c.network && !c.modules) throw new RangeError(`${c.id} is no graph`);
  const architecture = c.network ?? layerArchitecture(c.id, c.modules!);
  const input = c.network ? 'input' : 'x';
  const net = Net.describe(architecture);
  // Planned for one image, whatever the batch: core limits hold no more of the largest networks.
  const [N, ...size] = c.input;
  const one = c.network ? [1, ...size] : c.input;
  const trace = net.traceFrom(new Recorder(coreCaps), { [input]: placeholder(one) });
  const shapeOf = (name: string) => {
    const { shape } = trace.value(name);
    return c.network ? [N * shape[0], ...shape.slice(1)] : shape;
  };
  const { graph } = net;
  const nodes = graph.nodes.filter(({ name }) => name !== 'input' && name !== 'x');
  const shapes = new Map(
    [input, ...nodes.map(({ name }) => name)].map((name) => [name, shapeOf(name)]),
  );
  return { graph, nodes, input, shapes, architecture };
}

/** Multiplications and additions of the convolutions, products and attention by their definition; a fused multiply-add is two. */
export function flopsOf(nodes: readonly Node[], shapes: Steps['shapes']): number {
  const product = (list: readonly number[]) => list.reduce((a, b) => a * b, 1);
  return nodes.reduce((sum, { kind, name, params, inputs }) => {
    const shape = shapes.get(name)!;
    switch (kind) {
      case 'conv2d':
      case 'linear':
        return sum + 2 * product(shape) * product(params.weight.slice(1));
      case 'attentionMap':
        return sum + (2 * product(shape) * shapes.get(inputs[0])![2]) / 3 / shape[1];
      case 'attentionOutput':
        return sum + 2 * product(shape) * shape[1];
      default:
        return sum;
    }
  }, 0);
}
