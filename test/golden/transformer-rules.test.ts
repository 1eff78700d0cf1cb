/** Relevance of every module of the small transformer, against what the authors' own program gives in float64. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Recorder } from '../../src/gpu/recorder.js';
import { gradient, type RuleSet } from '../../src/net/rules.js';
import { type TransformerComposite, transformerRules } from '../../src/net/transformer-rules.js';
import { goldenCases, goldenDir, hasFolder, readTensors } from '../support/folders.js';
import { testGpu, useGpu } from '../support/gpu.js';
import { relativeL2 } from '../support/numbers.js';
import type { CamCase } from './cams.js';
import { imageInput } from './format.js';
import { hashNet } from './nets.js';

const depth = 3;
const [T, D, HEADS] = [17, 32, 4];
const WIDTH = D / HEADS;
const block = (b: number) => `encoder.layers.encoder_layer_${b}`;
const before = (b: number) => (b === 0 ? 'encoder.dropout' : block(b - 1));

type Rows = ArrayLike<number>;
const half = (a: Rows) => Float32Array.from(a, (v) => v / 2);

/** q's, k's and v's relevance [HEADS,T,WIDTH] as rows of a projection [T,3 D], half of each. */
const together = (parts: readonly Rows[]) =>
  Float32Array.from({ length: T * 3 * D }, (_, i) => {
    const [t, which, d] = [Math.floor(i / (3 * D)), Math.floor(i / D) % 3, i % D];
    return parts[which][(Math.floor(d / WIDTH) * T + t) * WIDTH + (d % WIDTH)] / 2;
  });

/** Tokens of patches [T,D], the class token first, as maps. */
const asMaps = (rows: Rows) =>
  Float32Array.from({ length: (T - 1) * D }, (_, i) => {
    const [d, p] = [Math.floor(i / (T - 1)), i % (T - 1)];
    return rows[(p + 1) * D + d];
  });

/** What arrives at each node, in terms of what the program's modules pass back. */
function expected(of: (module: string) => Rows): Map<string, Rows> {
  const found = new Map<string, Rows>([
    ['class_token', of('head')],
    ['encoder.ln', of('pool')],
    [block(depth - 1), of('norm')],
    ['conv_proj', asMaps(of('add.0'))],
    ['input', of('patch_embed.proj')],
  ]);
  for (let b = 0; b < depth; b++) {
    const [ours, theirs] = [block(b), `blocks.${b}`];
    const rows: readonly (readonly [string, Rows])[] = [
      ['mlp.4', of(`${theirs}.add2.1`)],
      ['mlp.1', of(`${theirs}.mlp.fc2`)],
      ['mlp.0', of(`${theirs}.mlp.act`)],
      ['ln_2', of(`${theirs}.mlp.fc1`)],
      ['add', of(`${theirs}.clone2`)],
      ['self_attention.out_proj', of(`${theirs}.add1.1`)],
      ['self_attention.heads', of(`${theirs}.attn.proj`)],
      ['self_attention.softmax', half(of(`${theirs}.attn.matmul2.0`))],
      [
        'self_attention.in_proj',
        together(['matmul1.0', 'matmul1.1', 'matmul2.1'].map((m) => of(`${theirs}.attn.${m}`))),
      ],
      ['ln_1', of(`${theirs}.attn.qkv`)],
    ];
    for (const [name, value] of rows) found.set(`${ours}.${name}`, value);
    if (b > 0) found.set(before(b), of(`${theirs}.clone1`));
    else found.set('encoder.dropout', of(`${theirs}.clone1`));
  }
  return found;
}

describe.runIf(hasFolder(goldenDir))('golden relevance of a transformer', () => {
  useGpu();
  const golden = goldenCases<CamCase>('cams').find((c) => c.name === 'vit_tiny')!;

  /** What arrives at nodes from 1 at the class. */
  async function relevanceAt(names: readonly string[], rules: RuleSet): Promise<Rows[]> {
    const { json } = golden;
    const net = hashNet(await testGpu(), json.arch);
    const image = imageInput(readTensors(join(goldenDir, 'images/images.safetensors')), json.image);
    const recorder = Recorder.on(net.gpu!);
    const trace = net.trace(recorder, recorder.constant(image.data, [1, ...image.shape]), {
      backwardTo: ['input'],
    });
    const seed = Float32Array.from({ length: net.classes }, (_, c) => Number(c === json.cls));
    const dy = recorder.constant(seed, [1, net.classes]);
    const found = trace.backward(net.graph.output, dy, names, rules);
    const tensors = await recorder.run(names.map((name) => found.get(name)!));
    const values = (await net.gpu!.read(tensors)) as Float32Array[];
    for (const tensor of tensors) tensor.destroy();
    net.destroy();
    return values;
  }

  test.each([
    ['transformer', 'ours'],
    ['transformer-orig', 'orig'],
  ] as const)('%s', async (composite: TransformerComposite, variant) => {
    const of = (module: string) => golden.tensors(`${variant}.R.${module}`)!.data;
    const modules = expected(of);
    const names = [...modules.keys()];
    const got = await relevanceAt(names, transformerRules(composite));
    names.forEach((name, i) => {
      expect.soft(relativeL2(got[i], modules.get(name)!), name).toBeLessThan(2e-3);
    });
    const key = composite === 'transformer' ? 'rattn' : 'rattn_orig';
    for (let b = 0; b < depth; b++) {
      const map = got[names.indexOf(`${block(b)}.self_attention.softmax`)];
      const want = golden.tensors(`block${b}.${key}`)!.data;
      expect.soft(relativeL2(map, want), `block ${b}`).toBeLessThan(2e-3);
    }
  });

  test('gradients of attention', async () => {
    const names = Array.from({ length: depth }, (_, b) => `${block(b)}.self_attention.softmax`);
    const got = await relevanceAt(names, gradient);
    got.forEach((map, b) => {
      const want = golden.tensors(`block${b}.gattn`)!.data;
      expect(relativeL2(map, want)).toBeLessThan(1e-4);
    });
  });
});
