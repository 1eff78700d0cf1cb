import { type Architecture, imagenetPreprocessing, type Preprocessing } from '../architecture.js';
import { Graph, type Module } from '../graph.js';
import {
  Add,
  AttentionMap,
  AttentionOutput,
  Conv2d,
  Dropout,
  GELU,
  LayerNorm,
  Linear,
  Mean,
  PatchTokens,
  Token,
} from '../modules.js';

/** What vision transformers differ in. */
export interface VitSizes {
  readonly name: string;
  readonly paper: string;
  readonly classes?: number;
  /** Side of a patch, pixels. */
  readonly patch: number;
  /** Width D of the embedding. */
  readonly dim: number;
  readonly depth: number;
  readonly heads: number;
  /** Width within the MLPs; default four times `dim`. */
  readonly mlp?: number;
  readonly preprocessing: Preprocessing;
  /** Whether there is a second token and head, trained on another network's answers: their mean is the output. */
  readonly isDistilled?: boolean;
  readonly publishedUnderOtherNames?: boolean;
}

/** A vision transformer, its nodes and parameters named as torchvision's `VisionTransformer` has them. */
export function vit(sizes: VitSizes): Architecture {
  const { patch, dim, depth, heads, mlp = 4 * dim, isDistilled = false } = sizes;
  const extra = isDistilled ? ['class_token', 'dist_token'] : ['class_token'];
  const side = Math.floor(sizes.preprocessing.crop / patch);
  return {
    name: sizes.name,
    paper: sizes.paper,
    classes: sizes.classes ?? 1000,
    head: 'heads.head',
    // Behind it, in the last block, only the class token has a path to the scores: at the block's output patches have no gradient.
    defaultLayer: `${blockName(depth - 1)}.ln_1`,
    preprocessing: sizes.preprocessing,
    minInput: patch,
    rename: torchvisionName,
    publishedUnderOtherNames: sizes.publishedUnderOtherNames ?? false,
    adapt: (shapeOf) => {
      const tokens = shapeOf('encoder.pos_embedding')?.[1];
      const trained = tokens === undefined ? side : Math.sqrt(tokens - extra.length);
      if (trained === side || !Number.isInteger(trained) || trained < 1) return undefined;
      const crop = trained * patch;
      return vit({ ...sizes, preprocessing: { ...sizes.preprocessing, resize: crop, crop } });
    },
    build: (classes) => {
      const g = new Graph();
      const patches = g.add('conv_proj', ['input'], Conv2d(3, dim, patch, { stride: patch }));
      const tokens = PatchTokens(dim, [side, side], extra, 'encoder');
      let x = g.add('encoder.dropout', [patches], tokens);
      for (let i = 0; i < depth; i++) x = block(g, blockName(i), x, { dim, heads, mlp });
      x = g.add('encoder.ln', [x], LayerNorm(dim));
      const classToken = g.add('class_token', [x], Token(0));
      const logits = g.add('heads.head', [classToken], Linear(dim, classes));
      if (isDistilled) {
        const distilled = g.add('dist_token', [x], Token(1));
        const second = g.add('heads.head_dist', [distilled], Linear(dim, classes));
        g.add('heads', [logits, second], Mean);
      }
      return g;
    },
  };
}

const blockName = (i: number): string => `encoder.layers.encoder_layer_${i}`;

/** One block; named by its output, which is the second sum. */
function block(
  g: Graph,
  name: string,
  x: string,
  { dim, heads, mlp }: { dim: number; heads: number; mlp: number },
): string {
  const attention = `${name}.self_attention`;
  const projection: Module = Linear(dim, 3 * dim, {
    weight: `${attention}.in_proj_weight`,
    bias: `${attention}.in_proj_bias`,
  });
  const first = g.add(`${name}.ln_1`, [x], LayerNorm(dim));
  const qkv = g.add(`${attention}.in_proj`, [first], projection);
  const map = g.add(`${attention}.softmax`, [qkv], AttentionMap(heads));
  const mixed = g.add(`${attention}.heads`, [map, qkv], AttentionOutput);
  const out = g.add(`${attention}.out_proj`, [mixed], Linear(dim, dim));
  const sum = g.add(`${name}.add`, [x, out], Add);
  const second = g.add(`${name}.ln_2`, [sum], LayerNorm(dim));
  const wide = [Linear(dim, mlp), GELU, Dropout, Linear(mlp, dim), Dropout];
  return g.add(name, [sum, g.sequential(`${name}.mlp`, second, wide)], Add);
}

/** Names in timm's and DeiT's files, and in torchvision's from before 0.13. */
const names: readonly (readonly [pattern: RegExp, ours: string])[] = [
  [/^cls_token$/, 'class_token'],
  [/^pos_embed$/, 'encoder.pos_embedding'],
  [/^patch_embed\.proj\./, 'conv_proj.'],
  [/^blocks\.(\d+)\./, 'encoder.layers.encoder_layer_$1.'],
  [/\.norm([12])\./, '.ln_$1.'],
  [/\.attn\.qkv\./, '.self_attention.in_proj_'],
  [/\.attn\.proj\./, '.self_attention.out_proj.'],
  [/\.mlp\.(?:fc1|linear_1)\./, '.mlp.0.'],
  [/\.mlp\.(?:fc2|linear_2)\./, '.mlp.3.'],
  [/^norm\./, 'encoder.ln.'],
  [/^(head|head_dist)\./, 'heads.$1.'],
];

const torchvisionName = (name: string): string =>
  names.reduce((renamed, [pattern, ours]) => renamed.replace(pattern, ours), name);

const paper =
  'A. Dosovitskiy et al., "An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale", ICLR 2021';
const deitPaper =
  'H. Touvron et al., "Training data-efficient image transformers & distillation through attention", ICML 2021';

/** The training recipe's own: 256, bicubic. */
const deitPreprocessing: Preprocessing = { ...imagenetPreprocessing, interpolation: 'bicubic' };

const base = { dim: 768, depth: 12, heads: 12 } as const;
const deits = {
  deit_tiny: { dim: 192, depth: 12, heads: 3 },
  deit_small: { dim: 384, depth: 12, heads: 6 },
  deit_base: base,
} as const;

/** ViT as torchvision has it; DeiT, also with a distillation token, by its publishers' names or torchvision's. */
export const vits: readonly Architecture[] = [
  vit({ name: 'vit_b_16', paper, patch: 16, ...base, preprocessing: imagenetPreprocessing }),
  vit({ name: 'vit_b_32', paper, patch: 32, ...base, preprocessing: imagenetPreprocessing }),
  vit({
    name: 'vit_l_16',
    paper,
    ...{ patch: 16, dim: 1024, depth: 24, heads: 16 },
    preprocessing: { ...imagenetPreprocessing, resize: 242 },
  }),
  ...Object.entries(deits).flatMap(([name, size]) =>
    [false, true].map((isDistilled) =>
      vit({
        name: isDistilled ? `${name}_distilled` : name,
        paper: deitPaper,
        patch: 16,
        ...size,
        isDistilled,
        preprocessing: deitPreprocessing,
        publishedUnderOtherNames: true,
      }),
    ),
  ),
];
