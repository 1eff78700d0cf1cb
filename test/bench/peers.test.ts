import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { describe, expect, test } from 'vitest';
import { groups, type PeerCase, peerCases, selectCases } from '../../bench/peers/cases.js';
import { Counting } from '../../bench/peers/counting.js';
import { parseFlags } from '../../bench/peers/flags.js';
import { materialOf } from '../../bench/peers/material.js';
import { modelProto, OnnxModel, weightsFile } from '../../bench/peers/onnx.js';
import { onnxOf } from '../../bench/peers/onnx-graph.js';
import { type Ort, ort } from '../../bench/peers/ort.js';
import { ours } from '../../bench/peers/ours.js';
import { type Peer, peerNames } from '../../bench/peers/peer.js';
import { measureCase } from '../../bench/peers/rounds.js';
import { tfjs } from '../../bench/peers/tfjs.js';
import { type Architecture, imagenetPreprocessing } from '../../src/net/architecture.js';
import { Graph, type Module } from '../../src/net/graph.js';
import {
  AttentionMap,
  AttentionOutput,
  Conv2d,
  Flatten,
  LayerNorm,
  Linear,
  MaxPool2d,
  ReLU,
} from '../../src/net/modules.js';
import { networkNamed } from '../../src/net/zoo/index.js';
import { vit } from '../../src/net/zoo/vit.js';

const all = peerCases(8);

describe('cases', () => {
  test('have a name each, and operations by the definition', () => {
    expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
    const flops = (id: string) => all.find((c) => c.id === id)!.flops;
    expect(flops('alexnet-conv2')).toBe(2 * 192 * 27 * 27 * 64 * 25);
    expect(flops('vit-attention')).toBe(4 * 197 * 197 * 768);
    expect(flops('max-pool')).toBeUndefined();
    expect(flops('vgg16-b1')! / 1e9).toBeCloseTo(30.94, 1);
    expect(flops('vit_b_16-b8')! / 8e9).toBeCloseTo(35.1, 0);
    expect(flops('alexnet-score-cam-8')).toBe(9 * flops('alexnet-b1')!);
    // The classifier once more, backward.
    expect(flops('alexnet-grad-cam')! - flops('alexnet-b1')!).toBe(2 * 4096 * (9216 + 4096 + 1000));
  });

  test('are chosen by name, pattern, group and adapter', () => {
    const ids = (names: string[] | undefined, kind: 'gpu' | 'software' = 'gpu') =>
      selectCases(all, names, kind).map(({ id }) => id);
    expect(ids(undefined)).toHaveLength(all.length);
    const quick = ids(undefined, 'software');
    expect(quick).toContain('alexnet-b1');
    expect(quick).toContain('vit-qkv');
    expect(quick).not.toContain('vgg16-b1');
    expect(quick).not.toContain('vgg16-conv1_2');
    expect(ids(['vgg16-b32', 'softmax'])).toEqual(['softmax', 'vgg16-b32']);
    expect(ids(['alexnet-fc*'])).toEqual(['alexnet-fc6', 'alexnet-fc7', 'alexnet-fc8']);
    for (const group of groups) {
      expect(selectCases(all, [group], 'gpu').every((c) => c.group === group)).toBe(true);
    }
    expect(ids(['all'], 'software')).toHaveLength(all.length);
    expect(() => ids(['vgg-conv'])).toThrow(/^--cases vgg-conv: no such case/);
  });
});

describe('flags', () => {
  test('become settings', () => {
    expect(
      parseFlags('--cases layers,vgg16-* --limit-s 9 --peers tfjs-webgpu,ours'.split(' ')),
    ).toEqual({
      ...{ cases: ['layers', 'vgg16-*'], limitS: 9, peers: ['ours', 'tfjs-webgpu'] },
      runs: 1,
      ...{ gpu: false, add: false, write: false, list: false, help: false },
    });
    expect(parseFlags([]).peers).toEqual(peerNames);
  });

  for (const [args, words] of [
    ['--rounds 0', '--rounds is 0, should be a whole number of at least 1'],
    ['--limit-s soon', '--limit-s is soon, should be'],
    ['--maps 257', '--maps is 257, should be a whole number from 1 to 256'],
    ['--peers tensorflow', '--peers tensorflow: should be of ours, ort-wasm'],
    ['--cases a,,b', '--cases a,,b: a name lacks'],
    ['--runs none', '--runs is none, should be a whole number of at least 1'],
    ['--write --out here', '--out and --write: the one says where the report goes'],
    ['--fast', "Unknown option '--fast'"],
  ]) {
    test(`${args} is refused in one line`, () => {
      expect(() => parseFlags(args.split(' '))).toThrow(words);
      expect(() => parseFlags(args.split(' '))).not.toThrow(/\n/);
    });
  }
});

/** A case of this test's own. */
const small = (id: string, input: number[], more: Partial<PeerCase>): PeerCase => ({
  ...{ id, input, about: id, group: 'layers', hasAttention: false, quick: true },
  ...more,
});

const preprocessing = { ...imagenetPreprocessing, resize: 32, crop: 32 };
const sizes = { patch: 16, dim: 16, depth: 1, heads: 2, classes: 7 };
const tinyVit = vit({ name: 'tiny_vit', paper: '', ...sizes, preprocessing });

/** Poolings before and behind the explained layer, one of them with windows that overlap and end outside. */
const tinyConvs: Architecture = {
  ...{ name: 'tiny_convs', paper: '', classes: 7, head: 'classifier.2', minInput: 8 },
  ...{ defaultLayer: 'features.4', preprocessing },
  build: () => {
    const g = new Graph();
    const features = g.sequential('features', 'input', [
      Conv2d(3, 6, 5, { stride: 2, pad: 2 }),
      ReLU,
      MaxPool2d(2, 2),
      Conv2d(6, 20, 3, { pad: 1 }),
      ReLU,
      MaxPool2d(3, 2, { ceilMode: true }),
    ]);
    const flat = g.add('flatten', [features], Flatten);
    g.sequential('classifier', flat, [Linear(20 * 4 * 4, 9), ReLU, Linear(9, 7)]);
    return g;
  },
};

describe('ONNX files', () => {
  test('hold what was put in, by the numbers of the format', () => {
    const model = new OnnxModel();
    const x = model.input('x', ['N', 3]);
    const w = model.weight(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3]);
    const b = model.weight(Float32Array.of(7, 8), [2]);
    model.output(model.node('Gemm', [x, w, b], { transB: 1 }), 'y', ['N', 2]);
    const { model: bytes, weights } = model.files();
    // ir_version is field 1, a varint; producer_name field 2, a string.
    expect([...bytes.subarray(0, 4)]).toEqual([0x08, 8, 0x12, 'webgpu-cam bench'.length]);
    expect([...new Float32Array(weights.buffer)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    const { graph, opsetImport } = modelProto.toObject(modelProto.decode(bytes), {
      longs: Number,
    });
    expect(opsetImport[0]).toEqual({ domain: '', version: 17 });
    expect(graph.node.map((n: { opType: string }) => n.opType)).toEqual(['Gemm', 'Identity']);
    expect(graph.node[0].attribute).toEqual([{ name: 'transB', i: 1, type: 2 }]);
    expect(graph.initializer[1]).toMatchObject({ dims: [2], dataType: 1, dataLocation: 1 });
    expect(graph.initializer[1].externalData).toEqual([
      { key: 'location', value: weightsFile },
      { key: 'offset', value: '24' },
      { key: 'length', value: '8' },
    ]);
    expect(graph.input[0].type.tensorType).toEqual({
      elemType: 1,
      shape: { dim: [{ dimParam: 'N' }, { dimValue: 3 }] },
    });
  });

  test('of a network name every value before it is used', () => {
    const c = small('vit', [1, 3, 32, 32], { network: tinyVit });
    const { model } = onnxOf(c, materialOf(c), 'plain');
    const { graph } = modelProto.toObject(modelProto.decode(model), { longs: Number });
    const known = new Set(['', 'x', ...graph.initializer.map((t: { name: string }) => t.name)]);
    for (const { input, output } of graph.node) {
      for (const name of input) expect(known).toContain(name);
      for (const name of output) known.add(name);
    }
    expect(known).toContain('y');
  });
});

const loadOrt = async (): Promise<Ort> => {
  const module = (await import('onnxruntime-web/wasm')) as unknown as Ort;
  module.env.wasm.numThreads = 1;
  return module;
};

describe('peers agree on small cases', () => {
  const peers: Peer[] = [
    ours('0.0.0'),
    ort('ort-wasm', 'wasm', 'fused', loadOrt),
    { ...ort('ort-plain', 'wasm', 'plain', loadOrt), isOnAdapter: false },
    { ...tfjs('cpu', async () => tf), name: 'tfjs-webgpu' },
  ];
  const layer = (input: number[], modules: Module[], id = modules[0].kind) =>
    small(id, input, { modules, hasAttention: id === 'attentionMap' });
  const net = (network: Architecture, more: Partial<PeerCase> = {}) =>
    small(`${network.name} ${more.cam ?? ''}`, [more.cam ? 1 : 2, 3, 32, 32], {
      ...{ network, group: 'networks', hasAttention: network === tinyVit, ...more },
    });
  for (const c of [
    layer([2, 3, 9, 8], [Conv2d(3, 5, 3, { stride: 2, pad: 1 })]),
    layer([3, 6], [Linear(6, 4)]),
    layer([1, 4, 6], [Linear(6, 5)], 'linear' as Module['kind']),
    layer([1, 2, 7, 7], [MaxPool2d(3, 2, { ceilMode: true })]),
    layer([1, 4, 8], [LayerNorm(8)]),
    layer([1, 5, 24], [AttentionMap(2), AttentionOutput]),
    small('softmax', [3, 7], { special: { kind: 'softmax' } }),
    small('resize', [1, 2, 3, 4], { special: { kind: 'resize', outputSize: [7, 9] } }),
    net(tinyConvs),
    net(tinyVit),
    net(networkNamed('squeezenet1_1'), {}),
    net(tinyConvs, { cam: 'grad-cam' }),
    net(tinyConvs, { cam: 'score-cam', maps: 18 }),
  ]) {
    test(`${c.id} ${c.input.join('x')}`, async () => {
      // TensorFlow.js has its gradients in modules that only bundlers can load: there pages compare them.
      const own = c.cam === 'grad-cam' ? peers.slice(0, 3) : peers;
      for (const peer of own) await peer.open();
      const settings = { rounds: 1, limitS: 60 };
      const steps: string[] = [];
      const result = await measureCase(c, own, materialOf(c), settings, {
        step: (peer, what) => void steps.push(`${peer} ${what}`),
      });
      for (const p of result.peers) {
        if (p.peer === 'ort-plain' && !c.hasAttention) {
          expect(p).toMatchObject({ state: 'none', reason: 'it has no attention' });
          continue;
        }
        expect(p, JSON.stringify(p)).toMatchObject({ state: 'measured' });
        if (!p.isReference) expect(p.error, p.peer).toBeLessThan(2e-5);
      }
      expect(result.peers[1].isReference).toBe(true);
      expect(steps).toContain('ours round 1/1');
    });
  }
});

/** A peer that takes a given time and gives a given result. */
const fake = (name: string, log: string[], values: number[], more: Partial<Peer> = {}): Peer => ({
  name,
  open: async () => '1',
  pack: async () => async () => ({
    run: async () => void log.push(name),
    read: async () => Float32Array.from(values),
    dispose: () => void log.push(`${name} gone`),
  }),
  ...more,
});

describe('rounds', () => {
  const c = small('one', [2], { group: 'networks', flops: 1e9 });
  const material = { input: new Float32Array(2), weights: new Map() };
  const run = (peers: Peer[], rounds = 3, limitS = 60) =>
    measureCase(c, peers, material, { rounds, limitS }, { step: () => {} });

  test('take turns, begin with another peer each, and tell who is wrong', async () => {
    const log: string[] = [];
    const result = await run([
      fake('ours', log, [1, 2]),
      fake('ort-wasm', log, [1, 2]),
      fake('tfjs-webgpu', log, [1, 2.1]),
    ]);
    expect(log.slice(0, 3)).toEqual(['ours', 'ort-wasm', 'tfjs-webgpu']);
    // Each warms up in its first round.
    const turns = log.slice(9, 15);
    expect(turns).toEqual(['ort-wasm', 'tfjs-webgpu', 'ours', 'tfjs-webgpu', 'ours', 'ort-wasm']);
    expect(result.peers.map(({ isWrong }) => isWrong)).toEqual([false, undefined, true]);
    expect(result.peers[2].error).toBeCloseTo(0.1 / Math.sqrt(5), 5);
    expect(result.peers[0].warmMs).toHaveLength(3);
    expect(log.filter((line) => line.endsWith('gone'))).toHaveLength(3);
  });

  test('go on without a peer that fails, refuses or gives no numbers', async () => {
    const log: string[] = [];
    const broken = () => Promise.reject(new Error('no such operator\nat line 1'));
    let runs = 0;
    const tired: Partial<Peer> = {
      pack: async () => async () => ({
        run: async () => {
          if (++runs > 1) throw new Error('lost');
        },
        read: async () => Float32Array.of(1, 2),
        dispose: () => {},
      }),
    };
    const result = await run([
      fake('ours', log, [1, 2]),
      fake('ort-wasm', log, [Number.NaN, 2]),
      fake('tfjs-webgpu', log, [], { pack: broken }),
      fake('ort-webgpu', log, [], tired),
      fake('ort-plain', log, [], { refuses: () => 'cannot' }),
    ]);
    expect(result.peers[0]).toMatchObject({ state: 'measured', isReference: true });
    expect(result.peers[1]).toMatchObject({ isWrong: true, error: 1e308 });
    expect(result.peers[2]).toEqual({
      ...{ peer: 'tfjs-webgpu', state: 'none', reason: 'failed: no such operator' },
    });
    expect(result.peers[3]).toMatchObject({ state: 'once', reason: 'failed when run again: lost' });
    expect(result.peers[4]).toMatchObject({ state: 'none', reason: 'cannot' });
  });

  test('stop where the time is up', async () => {
    const slow = fake('ours', [], [1, 2], {
      pack: async () => async () => ({
        run: () => new Promise((resolve) => setTimeout(resolve, 600)),
        read: async () => Float32Array.of(1, 2),
        dispose: () => {},
      }),
    });
    const { peers } = await run([slow, fake('ort-wasm', [], [1, 2])], 2, 1);
    expect(peers[0]).toMatchObject({ state: 'once', reason: 'the first run took 1 s of 1' });
    expect(peers[0].medianMs).toBeUndefined();
    expect(peers[1].warmMs).toHaveLength(2);
  });
});

test('what programs ask of WebGPU is counted, by owner', () => {
  class GPUBuffer {
    constructor(readonly size: number) {}
    destroy() {}
  }
  const scope = {
    GPUBuffer,
    GPUDevice: class {
      createBuffer = undefined;
    },
    GPUQueue: class {
      submit() {}
      writeBuffer(..._args: unknown[]) {}
    },
    GPUComputePassEncoder: class {
      dispatchWorkgroups() {}
    },
    GPUCommandEncoder: class {
      copyBufferToBuffer(..._args: unknown[]) {}
    },
  };
  Object.assign(scope.GPUDevice.prototype, {
    createBuffer: ({ size }: { size: number }) => new GPUBuffer(size),
  });
  const counting = Counting.install(scope as never);
  const make = scope.GPUDevice.prototype as unknown as GPUDevice;
  counting.owner = 'a';
  const first = make.createBuffer({ size: 100, usage: 0, mappedAtCreation: true });
  counting.owner = 'b';
  make.createBuffer({ size: 7, usage: 0 });
  first.destroy();
  first.destroy();
  counting.owner = 'a';
  make.createBuffer({ size: 160, usage: 0 });
  expect([counting.peakBytes('a'), counting.peakBytes('b'), counting.peakBytes('c')]).toEqual([
    160, 7, 0,
  ]);
  new scope.GPUComputePassEncoder().dispatchWorkgroups();
  const queue = new scope.GPUQueue();
  queue.submit();
  queue.writeBuffer(first, 0, new Float32Array(8));
  queue.writeBuffer(first, 0, new Float32Array(8), 2);
  queue.writeBuffer(first, 0, new Float32Array(8), 2, 3);
  queue.writeBuffer(first, 0, new ArrayBuffer(5));
  const encoder = new scope.GPUCommandEncoder();
  encoder.copyBufferToBuffer(first, 0, first, 0, 12);
  encoder.copyBufferToBuffer(first, first);
  expect(counting.take()).toEqual({
    ...{ dispatches: 1, submissions: 1, uploadedBytes: 100 + 32 + 24 + 12 + 5 },
    copiedBytes: 112,
  });
  expect(counting.take().dispatches).toBe(0);
});
