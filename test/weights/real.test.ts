import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseWeights, type Weights } from '../../src/net/weights/index.js';
import { refusal } from './build.js';

const folder = resolve(process.env.REAL_DIR ?? '../shared/real');
const present = existsSync(folder);
const bytesOf = (file: string) => readFileSync(resolve(folder, file));
const load = (file: string) => parseWeights(bytesOf(file), { name: file });

test.runIf(process.env.CI)('the real files are there', () => {
  expect(present, `${folder} (REAL_DIR) is missing`).toBe(true);
});
if (!present && !process.env.CI) console.warn(`skipped: no real weights at ${folder} (REAL_DIR)`);

function values(weights: Weights, name: string): Float32Array {
  const entry = weights.entries.get(name);
  if (!entry) throw new Error(`no ${name}`);
  return entry.read();
}

const same = (a: Float32Array, b: Float32Array) =>
  a.length > 0 && a.length === b.length && a.every((value, i) => Object.is(value, b[i]));

const parameters = (weights: Weights) =>
  [...weights.entries.values()].reduce((sum, { read }) => sum + read().length, 0);

describe.skipIf(!present)('real files', () => {
  test.each([
    ['squeezenet1_1.safetensors', 52, 1_235_496],
    ['mobilenet_v2.safetensors', 262, 3_538_984],
    ['deit_tiny_patch16_224.safetensors', 152, 5_717_416],
    ['resnet20_cifar10.safetensors', 97, 271_098],
    ['tiny_vgg.safetensors', 10, 19_920],
  ])('%s', (file, tensors, count) => {
    const weights = load(file);
    expect(weights.entries.size).toBe(tensors);
    expect(parameters(weights)).toBe(count);
    expect(weights.metadata.format).toBe('pt');
    for (const { name, read } of weights.entries.values()) {
      if (!read().every(Number.isFinite)) throw new Error(`${name} is not finite`);
    }
  });

  test('a state_dict that torch saved equals the safetensors file of the same net', () => {
    const torch = load('formats/resnet20_cifar10.zip.pth');
    const plain = load('resnet20_cifar10.safetensors');
    expect(torch.format).toBe('pytorch');
    expect([...torch.entries.keys()].sort()).toEqual([...plain.entries.keys()].sort());
    for (const [name, { shape, read }] of plain.entries) {
      expect(torch.entries.get(name)?.shape).toEqual(shape);
      expect(same(values(torch, name), read()), name).toBe(true);
    }
  });

  test('half and float storages under torchvision’s names equal timm’s', () => {
    const torch = load('formats/deit_tiny_torchvision_names.pth');
    const timm = load('deit_tiny_patch16_224.safetensors');
    expect(torch.entries.size).toBe(152);
    const layer = 'encoder.layers.encoder_layer_';
    for (const [theirs, ours] of [
      ['class_token', 'cls_token'],
      ['encoder.pos_embedding', 'pos_embed'],
      ['conv_proj.weight', 'patch_embed.proj.weight'],
      [`${layer}0.ln_1.weight`, 'blocks.0.norm1.weight'],
      [`${layer}5.self_attention.in_proj_weight`, 'blocks.5.attn.qkv.weight'],
      [`${layer}11.mlp.3.bias`, 'blocks.11.mlp.fc2.bias'],
      ['heads.head.weight', 'head.weight'],
    ]) {
      expect(torch.entries.get(theirs)?.dtype).toBe(timm.entries.get(ours)?.dtype);
      expect(same(values(torch, theirs), values(timm, ours)), ours).toBe(true);
    }
  });

  test('a checkpoint with an optimizer: its weights are taken, its class is stepped over', () => {
    const weights = load('formats/ai85-catsdogs-qat8.pth.tar');
    expect(weights.entries.size).toBe(50);
    expect(weights.notes).toEqual([
      "Took the tensors under 'state_dict'.",
      "Stepped over mentions of 'torch.optim.adam.Adam'; nothing was imported.",
      "Dropped the prefix 'module.' of every name.",
    ]);
    expect({ ...weights.metadata }).toEqual({ epoch: '157', arch: 'ai85cdnet' });
    const types = new Set([...weights.entries.values()].map(({ dtype }) => dtype));
    expect(types).toEqual(new Set(['F32', 'I64', 'BOOL']));
    for (const { read } of weights.entries.values())
      expect(read().every(Number.isFinite)).toBe(true);
    expect(weights.entries.get('fc.op.weight')?.shape[0]).toBe(2);
  });

  test.each([
    ['resnet20-12fca82f.legacy.th', /before 1\.6.*torch\.save\(torch\.load\(/],
    ['tiny_vgg_torchscript.pt', /TorchScript program.*torch\.jit\.load/],
    ['squeezenet1_1.onnx', /ONNX model/],
    ['resnet8_cifar10_keras.h5', /HDF5 file \(Keras\?\)/],
    ['tiny_vgg_tfjs/model.json', /TensorFlow\.js/],
    ['tiny_vgg_tfjs/group1-shard1of1.bin', /not a file of weights/],
  ])('%s is refused', (file, says) => {
    expect(refusal(bytesOf(`formats/${file}`))).toMatch(says);
  });

  test('real files cut short, in their headers and later, are refused', () => {
    for (const file of ['tiny_vgg.safetensors', 'formats/resnet20_cifar10.zip.pth']) {
      const bytes = new Uint8Array(bytesOf(file));
      for (let n = 1; n < 64; n++) {
        const length = Math.floor((bytes.length * n) / 64);
        expect(refusal(bytes.subarray(0, length))).toMatch(/./);
      }
    }
  });
});
