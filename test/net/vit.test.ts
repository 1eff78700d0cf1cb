import { describe, expect, test } from 'vitest';
import { explain } from '../../src/cam/explain.js';
import { classTarget } from '../../src/cam/target.js';
import { Recorder } from '../../src/gpu/recorder.js';
import { interpolatePositions } from '../../src/kernels/interpolate-positions.js';
import { fittingNetworks, fitWeights } from '../../src/net/fit.js';
import { Net } from '../../src/net/net.js';
import type { WeightEntry, Weights } from '../../src/net/weights/types.js';
import { networkNamed } from '../../src/net/zoo/index.js';
import { vit } from '../../src/net/zoo/vit.js';
import { useGpu } from '../support/gpu.js';
import { gainOf, hashWeights } from '../support/hash-weights.js';
import { dot, random, relativeL2 } from '../support/numbers.js';
import { attentionReference } from '../support/reference-attention.js';
import { tinyVitNet, tinyVitSizes } from '../support/tiny-vit.js';
import { gpuCaps } from '../support/with-caps.js';

const { gpu } = useGpu();

/** A file with a network's parameters, names changed, without values. */
function fileOf(
  params: ReadonlyMap<string, readonly number[]>,
  rename = (name: string) => name,
): Weights {
  const entries = new Map<string, WeightEntry>();
  for (const [name, shape] of params) {
    const entry = { name: rename(name), shape, dtype: 'F32', read: () => new Float32Array(0) };
    entries.set(entry.name, entry as WeightEntry);
  }
  return { name: 'file', format: 'safetensors', entries, metadata: {}, notes: [] };
}

/** torchvision's names as timm has them, written here from timm's side. */
const timm = (name: string): string =>
  name
    .replace('class_token', 'cls_token')
    .replace('encoder.pos_embedding', 'pos_embed')
    .replace('conv_proj', 'patch_embed.proj')
    .replace(/encoder\.layers\.encoder_layer_(\d+)/, 'blocks.$1')
    .replace('ln_1', 'norm1')
    .replace('ln_2', 'norm2')
    .replace('self_attention.in_proj_', 'attn.qkv.')
    .replace('self_attention.out_proj', 'attn.proj')
    .replace('mlp.0', 'mlp.fc1')
    .replace('mlp.3', 'mlp.fc2')
    .replace('encoder.ln', 'norm')
    .replace('heads.', '');

const paramsOf = (name: string, classes = 1000) => networkNamed(name).build(classes).params;

describe('weights', () => {
  test.each([
    ['vit_b_16', (name: string) => name, 'vit_b_16'],
    ['vit_b_16', timm, 'deit_base'],
    ['deit_base', (name: string) => `model.${timm(name)}`, 'deit_base'],
    ['vit_b_32', (name: string) => name, 'vit_b_32'],
    ['vit_l_16', (name: string) => name, 'vit_l_16'],
    ['deit_tiny', (name: string) => name, 'deit_tiny'],
    ['deit_tiny', timm, 'deit_tiny'],
    ['deit_small_distilled', timm, 'deit_small_distilled'],
    [
      'vit_b_16',
      (name: string) => name.replace(/mlp\.0/, 'mlp.linear_1').replace(/mlp\.3/, 'mlp.linear_2'),
      '',
    ],
  ])('%s is recognised by its names (case %#)', (name, rename, found) => {
    const [fit] = fittingNetworks(fileOf(paramsOf(name, 7), rename));
    if (found) expect(fit.architecture.name).toBe(found);
    expect(fit.classes).toBe(7);
    expect([...fit.sources.keys()].sort()).toEqual([...paramsOf(name, 7).keys()].sort());
  });

  test('the input size is read off the position embedding', () => {
    const params = new Map(paramsOf('vit_b_16'));
    params.set('encoder.pos_embedding', [1, 577, 768]);
    const { architecture } = fitWeights(networkNamed('vit_b_16'), fileOf(params));
    expect(architecture.preprocessing).toMatchObject({ resize: 384, crop: 384 });
    expect(Net.describe(architecture).layers()[2].shape).toEqual([1, 577, 768]);
    params.set('encoder.pos_embedding', [1, 578, 768]);
    expect(() => fitWeights(networkNamed('vit_b_16'), fileOf(params))).toThrow(
      "1 misshapen ('encoder.pos_embedding' is [1,578,768], expected [1,197,768])",
    );
  });
});

describe('executor', () => {
  test('the gradient is the derivative, of a distilled one too', async () => {
    for (const isDistilled of [false, true]) {
      const net = tinyVitNet(gpu(), { isDistilled, depth: 2 });
      const x = random([1, 3, 32, 24], 4); // 4 x 3 patches: positions are interpolated
      const v = random([1, 3, 32, 24], 5);
      const seed = random([1, 10], 6);
      const r = Recorder.on(gpu());
      const trace = net.trace(r, r.constant(x.data, x.shape), { backwardTo: ['input'] });
      const dy = r.constant(seed.data, [1, 10]);
      const [g] = await r.run([trace.backward(net.graph.output, dy, ['input']).get('input')!]);
      const slope = dot(await g.read(), v.data);
      g.destroy();
      const at = async (t: number) => {
        const moved = x.data.map((value, i) => value + t * v.data[i]);
        const run = Recorder.on(gpu());
        const [y] = await run.run([net.trace(run, run.constant(moved, x.shape)).output]);
        const score = dot(await y.read(), seed.data);
        y.destroy();
        return score;
      };
      const h = 1e-2;
      const difference = ((await at(h)) - (await at(-h))) / (2 * h);
      expect(Math.abs(slope - difference)).toBeLessThan(5e-3 * Math.max(1, Math.abs(slope)));
      net.destroy();
    }
  });

  test('ViT-B/16: 7 dispatches a block, 35 GFLOP', () => {
    const plan = Net.describe('vit_b_16').plan(1);
    const [before, after] = [2, 3]; // patches, tokens; norm, class token, head
    expect(plan.dispatches).toBe(before + 12 * 7 + after);
    expect(Math.abs(plan.flops / 35.1e9 - 1)).toBeLessThan(0.02);
  });

  test('a plain forward pass never has the probabilities in memory; a tapped one has, with the same result', async () => {
    const net = tinyVitNet(gpu());
    const kernels = (taps: string[]) => net.plan(1, { taps }).steps.map((step) => step.kernel);
    expect(kernels([]).filter((k) => k === 'attention')).toHaveLength(3);
    expect(kernels([])).not.toContain('attentionScores');
    const map = 'encoder.layers.encoder_layer_1.self_attention.softmax';
    expect(kernels([map]).filter((k) => k === 'attention')).toHaveLength(2);
    const x = random([2, 3, 32, 32], 1);
    const run = async (taps: string[]) => {
      const r = Recorder.on(gpu());
      const trace = net.trace(r, r.constant(x.data, x.shape), { taps });
      const tensors = await r.run([trace.output, ...taps.map((t) => trace.value(t))]);
      const read = (await gpu().read(tensors)) as Float32Array[];
      for (const t of tensors) t.destroy();
      return read;
    };
    const [plain] = await run([]);
    const [tapped, p] = await run([map]);
    expect(relativeL2(tapped, plain)).toBeLessThan(1e-6);
    // With every node tapped nothing is merged: neither GELU nor a residual sum is in a linear layer.
    const [separate] = await run(net.graph.names.filter((name) => name !== 'input'));
    expect(relativeL2(separate, plain)).toBeLessThan(1e-6);
    expect(p.length).toBe(2 * 4 * 17 * 17);
    for (let row = 0; row < p.length; row += 17) {
      const sum = p.subarray(row, row + 17).reduce((a, b) => a + b, 0);
      expect(Math.abs(sum - 1)).toBeLessThan(1e-6);
    }
    net.destroy();
  });

  test('at another input size positions are those between the trained ones', async () => {
    const net = tinyVitNet(gpu());
    const { data, shape } = interpolatePositions(
      { data: net.params!.read('encoder.pos_embedding'), shape: [1, 17, 32] },
      { extra: 1, grid: [6, 6] },
    );
    const large = vit({
      ...tinyVitSizes,
      preprocessing: { ...tinyVitSizes.preprocessing, resize: 48, crop: 48 },
    });
    const sources = new Map(hashWeights(large.build(10), gainOf('vit_tiny')));
    sources.set('encoder.pos_embedding', { shape, read: () => data });
    const trained = Net.from(gpu(), large, sources);
    const x = random([1, 3, 48, 48], 2);
    const logits: Float32Array[] = [];
    for (const of of [net, trained]) {
      const r = Recorder.on(gpu());
      const [y] = await r.run([of.trace(r, r.constant(x.data, x.shape)).output]);
      logits.push(await y.read());
      y.destroy();
    }
    expect(logits[0]).toEqual(logits[1]);
    trained.destroy();
    net.destroy();
  });

  test('a forward pass can start within a block: what residual paths bring is given too', async () => {
    const net = tinyVitNet(gpu());
    const start = 'encoder.layers.encoder_layer_1.ln_1';
    const beside = net.graph.beside(start);
    expect(beside).toEqual(['encoder.layers.encoder_layer_0']);
    const x = random([2, 3, 32, 32], 3);
    const r = Recorder.on(gpu());
    const names = [start, ...beside];
    const trace = net.trace(r, r.constant(x.data, x.shape), { taps: names });
    const feeds = Object.fromEntries(names.map((name) => [name, trace.value(name)]));
    const [whole, part] = await r.run([trace.output, net.traceFrom(r, feeds).output]);
    expect(relativeL2(await part.read(), await whole.read())).toBeLessThan(1e-6);
    for (const t of [whole, part]) t.destroy();
    net.destroy();
  });
});

describe('layers', () => {
  test('patches are maps, and attention and what comes of the class token are none', async () => {
    const layers = new Map(
      Net.describe('deit_tiny')
        .layers()
        .map((l) => [l.name, l]),
    );
    const block = 'encoder.layers.encoder_layer_11';
    for (const name of ['conv_proj', 'encoder.dropout', `${block}.ln_1`, block, 'encoder.ln']) {
      expect(layers.get(name)?.spatial, name).toBe(true);
    }
    for (const name of [`${block}.self_attention.softmax`, 'class_token', 'heads.head']) {
      expect(layers.get(name)?.spatial, name).toBe(false);
    }
    const net = tinyVitNet(gpu());
    const input = gpu().tensor(random([1, 3, 32, 32]).data, [1, 3, 32, 32]);
    const wrong = explain(net, input, {
      layer: 'encoder.layers.encoder_layer_1.self_attention.softmax',
    });
    await expect(wrong).rejects.toThrow('gives [1,4,17,17], should be feature maps');
    input.destroy();
    net.destroy();
  });

  test('at the last block the patches have no gradient, before its attention they have', async () => {
    const net = tinyVitNet(gpu());
    const input = gpu().tensor(random([1, 3, 32, 32]).data, [1, 3, 32, 32]);
    const rangeAt = async (layer: string) => {
      const result = await explain(net, input, { layer, target: classTarget(3) });
      const raw = await result.raw.read();
      result.destroy();
      return Math.max(...raw.map(Math.abs));
    };
    expect(await rangeAt('encoder.layers.encoder_layer_2')).toBe(0);
    expect(await rangeAt(net.defaultLayer)).toBeGreaterThan(0);
    input.destroy();
    net.destroy();
  });
});

test('wide heads are one pass on a GPU, three dispatches on a software adapter, and give the definition', async () => {
  const net = tinyVitNet(gpu(), { dim: 160, heads: 1, depth: 1 });
  const block = 'encoder.layers.encoder_layer_0.self_attention';
  const heads = `${block}.heads`;
  const [, projection] = net.graph.get(heads).inputs;
  const x = random([2, 3, 32, 32], 5);
  const byKind = {
    gpu: ['attention'],
    software: ['attentionScores', 'softmax', 'attentionOutput'],
  };
  for (const kind of ['gpu', 'software'] as const) {
    const r = new Recorder({ ...gpuCaps(gpu().caps), kind }, gpu());
    const trace = net.trace(r, r.constant(x.data, x.shape), { taps: [projection, heads] });
    const outputs = [trace.value(projection), trace.value(heads), trace.output];
    const { steps } = r.plan(outputs);
    const kernels = steps.filter(({ part }) => part?.startsWith(block)).map((step) => step.kernel);
    expect(kernels).toEqual(['linear', ...byKind[kind], 'linear']);
    const tensors = await r.run(outputs);
    const [qkv, y] = (await gpu().read(tensors)) as Float32Array[];
    const { y: expected } = attentionReference({ shape: outputs[0].shape, data: qkv }, 1);
    expect(relativeL2(y, expected)).toBeLessThan(2e-6);
    for (const tensor of tensors) tensor.destroy();
  }
  net.destroy();
});
