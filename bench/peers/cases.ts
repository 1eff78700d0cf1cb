import type { Architecture } from '../../src/net/architecture.js';
import type { Module } from '../../src/net/graph.js';
import {
  AttentionMap,
  AttentionOutput,
  Conv2d,
  LayerNorm,
  Linear,
  MaxPool2d,
} from '../../src/net/modules.js';
import { networkNamed } from '../../src/net/zoo/index.js';
import { flopsOf, stepsOf } from './steps.js';

export const groups = ['layers', 'networks', 'cams'] as const;
export type Group = (typeof groups)[number];

/** One computation that every peer does. */
export interface PeerCase {
  /** Short, without spaces: what `--cases` matches. */
  readonly id: string;
  readonly group: Group;
  /** For people. */
  readonly about: string;
  /** Shape of its input, as PyTorch has it. */
  readonly input: readonly number[];
  /** A layer: modules one after the other. */
  readonly modules?: readonly Module[];
  /** A layer that no network of ours has as a node. */
  readonly special?:
    | { readonly kind: 'softmax' }
    | { readonly kind: 'resize'; readonly outputSize: readonly [number, number] };
  readonly network?: Architecture;
  /** With `network`: what explains it; else it is run to its logits. */
  readonly cam?: 'grad-cam' | 'score-cam';
  /** Of Score-CAM: the first so many channels are maps. */
  readonly maps?: number;
  /** Whether attention is in it. */
  readonly hasAttention: boolean;
  /** Floating-point operations by the definition; undefined where counting them says nothing. */
  readonly flops?: number;
  /** Whether a software adapter does it by default: the slowest peer needs some seconds at most. */
  readonly quick: boolean;
}

/** Operations that a peer gets through in some seconds on a software adapter, at 0.2 GFLOP/s. */
const quickFlops = { layers: 1.2e9, networks: 1.6e9, cams: 12e9 } as const;

type Bare = Omit<PeerCase, 'flops' | 'quick' | 'hasAttention'>;

const conv = (
  id: string,
  side: number,
  channels: number,
  width: number,
  size: number,
  options: { stride?: number; pad?: number } = {},
): Bare => ({
  id,
  group: 'layers',
  about: `convolution ${size}x${size}, ${channels} to ${width} channels, ${side}x${side}${options.stride ? `, stride ${options.stride}` : ''}`,
  input: [1, channels, side, side],
  modules: [Conv2d(channels, width, size, options)],
});

const product = (id: string, rows: number, columns: number, width: number): Bare => ({
  id,
  group: 'layers',
  about: `linear, ${rows === 1 ? 'one row' : `${rows} rows`}, ${columns} to ${width}`,
  // Rows of an image's tokens where there are as many as ViT-B has, else of a batch.
  input: rows === 197 ? [1, rows, columns] : [rows, columns],
  modules: [Linear(columns, width)],
});

const pad1 = { pad: 1 };

const layers: readonly Bare[] = [
  conv('alexnet-conv1', 224, 3, 64, 11, { stride: 4, pad: 2 }),
  conv('alexnet-conv2', 27, 64, 192, 5, { pad: 2 }),
  conv('alexnet-conv3', 13, 192, 384, 3, pad1),
  conv('alexnet-conv4', 13, 384, 256, 3, pad1),
  conv('alexnet-conv5', 13, 256, 256, 3, pad1),
  product('alexnet-fc6', 1, 9216, 4096),
  product('alexnet-fc7', 1, 4096, 4096),
  product('alexnet-fc8', 1, 4096, 1000),
  conv('vgg16-conv1_1', 224, 3, 64, 3, pad1),
  conv('vgg16-conv1_2', 224, 64, 64, 3, pad1),
  conv('vgg16-conv2_1', 112, 64, 128, 3, pad1),
  conv('vgg16-conv2_2', 112, 128, 128, 3, pad1),
  conv('vgg16-conv3_1', 56, 128, 256, 3, pad1),
  conv('vgg16-conv3_2', 56, 256, 256, 3, pad1),
  conv('vgg16-conv4_1', 28, 256, 512, 3, pad1),
  conv('vgg16-conv4_2', 28, 512, 512, 3, pad1),
  conv('vgg16-conv5_1', 14, 512, 512, 3, pad1),
  product('vgg16-fc6', 1, 25088, 4096),
  product('vgg16-fc6-b16', 16, 25088, 4096),
  conv('squeezenet-conv1', 224, 3, 64, 3, { stride: 2 }),
  conv('squeezenet-fire2-squeeze', 55, 64, 16, 1),
  conv('squeezenet-fire2-expand1x1', 55, 16, 64, 1),
  conv('squeezenet-fire2-expand3x3', 55, 16, 64, 3, pad1),
  conv('squeezenet-fire9-squeeze', 13, 512, 64, 1),
  conv('squeezenet-fire9-expand3x3', 13, 64, 256, 3, pad1),
  conv('squeezenet-classifier', 13, 512, 1000, 1),
  conv('vit-patches', 224, 3, 768, 16, { stride: 16 }),
  product('vit-qkv', 197, 768, 2304),
  product('vit-proj', 197, 768, 768),
  product('vit-mlp1', 197, 768, 3072),
  product('vit-mlp2', 197, 3072, 768),
  {
    id: 'vit-attention',
    group: 'layers',
    about: 'attention between the projections, 197 tokens, 12 heads of 64',
    input: [1, 197, 2304],
    modules: [AttentionMap(12), AttentionOutput],
  },
  {
    id: 'vit-layernorm',
    group: 'layers',
    about: 'layer norm, 197 rows of 768',
    input: [1, 197, 768],
    modules: [LayerNorm(768)],
  },
  {
    id: 'softmax',
    group: 'layers',
    about: 'softmax, 2364 rows of 197',
    input: [2364, 197],
    special: { kind: 'softmax' },
  },
  {
    id: 'max-pool',
    group: 'layers',
    about: 'max-pooling 2x2, 64 channels, 224x224',
    input: [1, 64, 224, 224],
    modules: [MaxPool2d(2, 2)],
  },
  {
    id: 'bilinear',
    group: 'layers',
    about: 'bilinear enlarging, 512 maps, 14x14 to 224x224',
    input: [1, 512, 14, 14],
    special: { kind: 'resize', outputSize: [224, 224] },
  },
];

const networks: readonly Bare[] = ['alexnet', 'vgg16', 'squeezenet1_1', 'vit_b_16'].flatMap(
  (name) =>
    [1, 8, 32].map((batch) => ({
      id: `${name}-b${batch}`,
      group: 'networks' as const,
      about: `${name} to its logits, ${batch === 1 ? 'one image' : `${batch} images`}`,
      input: [batch, 3, 224, 224],
      network: networkNamed(name),
    })),
);

const cams = (maps: number): readonly Bare[] => {
  const alexnet = { group: 'cams', network: networkNamed('alexnet'), input: [1, 3, 224, 224] };
  return [
    {
      ...(alexnet as Pick<Bare, 'group' | 'network' | 'input'>),
      id: 'alexnet-grad-cam',
      about: 'Grad-CAM of alexnet, one image, to the finished map',
      cam: 'grad-cam',
    },
    {
      ...(alexnet as Pick<Bare, 'group' | 'network' | 'input'>),
      id: `alexnet-score-cam-${maps}`,
      about: `Score-CAM of alexnet with ${maps === 256 ? 'all 256' : maps} maps, one image, to the finished map`,
      cam: 'score-cam',
      maps,
    },
  ];
};

/** Every case there is. @param maps of Score-CAM */
export const peerCases = (maps: number): PeerCase[] =>
  [...layers, ...networks, ...cams(maps)].map((c) => {
    const hasAttention =
      c.network?.name.startsWith('vit') ||
      c.modules?.some(({ kind }) => kind === 'attentionMap') ||
      false;
    const flops = countFlops(c as PeerCase);
    return {
      ...c,
      hasAttention,
      ...(flops > 0 && { flops }),
      quick: flops <= quickFlops[c.group],
    };
  });

function countFlops(c: PeerCase): number {
  if (c.special) return 0;
  const { nodes, shapes, graph } = stepsOf(c);
  const forward = flopsOf(nodes, shapes);
  if (c.cam === 'score-cam') return (1 + c.maps!) * forward;
  if (c.cam !== 'grad-cam') return forward;
  // Backward to the input of each layer behind the one explained: as many again.
  const behind = graph.descendants(c.network!.defaultLayer);
  return (
    forward +
    flopsOf(
      nodes.filter(({ name }) => behind.has(name)),
      shapes,
    )
  );
}

/**
 * The cases that a list names: ids, ids with `*` for anything, groups, or `all`; without a list all on a GPU, the quick ones on a software
 * adapter.
 *
 * @throws RangeError for a name that is none.
 */
export function selectCases(
  cases: readonly PeerCase[],
  names: readonly string[] | undefined,
  kind: 'gpu' | 'software',
): PeerCase[] {
  if (!names) return cases.filter(({ quick }) => kind === 'gpu' || quick);
  const chosen = new Set<PeerCase>();
  for (const name of names) {
    const matches = cases.filter((c) => isNamed(c, name));
    if (matches.length === 0) {
      throw new RangeError(
        `--cases ${name}: no such case: --list prints them; groups are ${groups.join(', ')}, all`,
      );
    }
    for (const match of matches) chosen.add(match);
  }
  return cases.filter((c) => chosen.has(c));
}

function isNamed({ id, group }: PeerCase, name: string): boolean {
  if (name === 'all' || name === group || name === id) return true;
  if (!name.includes('*')) return false;
  const parts = name.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(id);
}
