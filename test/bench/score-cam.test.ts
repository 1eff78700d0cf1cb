import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chart } from '../../bench/score-cam/chart.js';
import { parseFlags } from '../../bench/score-cam/flags.js';
import {
  type BatchProfile,
  batchesOf,
  type NetworkProfile,
  runScoreCam,
  wrongMaps,
} from '../../bench/score-cam/profile.js';
import { heading, type ScoreCamFile, table } from '../../bench/score-cam/report.js';
import { stagesOf, stageTimes } from '../../bench/score-cam/stages.js';
import { copiesInPass, Subject } from '../../bench/score-cam/subject.js';
import { planExplain } from '../../src/cam/explain.js';
import type { RunPlan } from '../../src/gpu/recorder.js';
import { placeholder } from '../../src/gpu/value.js';
import { Net } from '../../src/net/net.js';
import { networkNamed } from '../../src/net/zoo/index.js';
import { useGpu } from '../support/gpu.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { gpu } = useGpu();
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'score-cam-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const bench = (...args: string[]) =>
  new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    const program = join(root, 'bench', 'run-node.mjs');
    execFile(process.execPath, [program, 'score-cam', ...args], (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    );
  });

const weights = () => readFile(join(root, 'models', 'toy_vgg.safetensors'));

describe('flags', () => {
  test('defaults', () => {
    expect(parseFlags([])).toEqual({
      settings: { networks: ['toy_vgg'], batches: [1, 4, 16, 64], masks: 64, rounds: 3 },
      help: false,
    });
  });

  test('all of them', () => {
    const args =
      '--network alexnet,vgg16,alexnet --batches 2,8 --masks 32 --rounds 1 --size 64 --json a --svg b --help';
    expect(parseFlags(args.split(' '))).toEqual({
      settings: { networks: ['alexnet', 'vgg16'], batches: [2, 8], masks: 32, rounds: 1, side: 64 },
      json: 'a',
      svg: 'b',
      help: true,
    });
  });

  test.each([
    [['--batches', '1,,4'], /^bench score-cam: --batches has "", should be whole numbers/],
    [['--batches', '0'], /--batches has "0"/],
    [['--masks', '2.5'], /--masks has "2.5"/],
    [['--rounds', 'many'], /--rounds has "many"/],
    [['--network', 'alexnet,'], /--network alexnet,: a name lacks/],
    [['--what'], /^bench score-cam: .*--what/],
    [['alexnet'], /^bench score-cam: .*alexnet/],
  ])('%j is refused in one line', (args, message) => {
    expect(() => parseFlags(args)).toThrow(RangeError);
    expect(() => parseFlags(args)).toThrow(message);
  });
});

test('batch sizes are those the engine makes of what is asked for, each once', () => {
  expect(batchesOf(64, [1, 4, 16, 64])).toEqual([1, 4, 16, 64]);
  expect(batchesOf(12, [16, 64, 5])).toEqual([12, 4]);
  expect(copiesInPass(10, 4)).toBe(4);
  expect(copiesInPass(9, 8)).toBe(5);
});

describe('stages', () => {
  const forward = ['conv2d', 'maxPool2d', 'linear'];
  const pass = ['expandMasks', 'maskedConv2d', 'maxPool2d', 'linear', 'softmax', 'selectedScores'];
  const kernels = [
    ...[...forward, 'channelSlice', 'upsampledRange', 'stretchMasks', 'argmaxRows', 'oneHot'],
    ...[...pass, ...pass, ...forward, 'softmax', 'rowDot', 'scoreWeights', 'weightedSum'],
    ...['relu', 'resizeBilinear', 'rowRange', 'normalizeRows', 'rowDot'],
  ];
  const ofPass = ['masks', 'forward', 'forward', 'forward', 'weights', 'weights'];
  const expected = [
    ...[...new Array(5).fill('maps'), 'masks', 'weights', 'weights'],
    ...[...ofPass, ...ofPass, ...new Array(3).fill('forward'), ...new Array(4).fill('weights')],
    ...new Array(5).fill('tail'),
  ];

  test('by place and kernel', () => {
    expect(stagesOf(kernels)).toEqual(expected);
  });

  test('times add up', () => {
    const times = kernels.map((kernel, i) => ({ kernel, timeMs: i + 1 }));
    const sums = stageTimes(times);
    expect(sums.maps).toBe(1 + 2 + 3 + 4 + 5);
    const total = (kernels.length * (kernels.length + 1)) / 2;
    expect(Object.values(sums).reduce((a, b) => a + b)).toBe(total);
  });

  test('copies that are written out are masking', () => {
    expect(stagesOf(['stretchMasks', 'blend', 'linear', 'weightedSum'])).toEqual([
      ...['masks', 'masks', 'forward', 'weights'],
    ]);
  });

  test.each([[[]], [['conv2d', 'weightedSum', 'relu']], [['weightedSum', 'stretchMasks']]])(
    '%j is no Score-CAM',
    (names) => {
      expect(() => stagesOf(names)).toThrow(/stretchMasks should come before weightedSum/);
    },
  );
});

describe('maps that differ', () => {
  const map = Float32Array.of(1, 2, 3);
  const off = (share: number) => map.map((v) => v * (1 + share));

  test('by more than 1e-5 are wrong, by less are not', () => {
    expect(wrongMaps('net', [1, 4, 8], [map, off(5e-6), map])).toEqual([]);
    expect(wrongMaps('net', [1, 4, 8], [map, map, off(3e-5)])).toEqual([
      expect.stringMatching(/^net: the raw map of batch 8 is 3\.0e-5 from that of batch 1 /),
    ]);
  });

  test('or say nothing are wrong', () => {
    for (const bad of [new Float32Array(3), Float32Array.of(1, Number.NaN, 2)]) {
      expect(wrongMaps('net', [4], [bad])).toEqual([
        'net: the raw map of batch 4 is all zero or not finite',
      ]);
    }
    expect(wrongMaps('net', [1, 4], [map, Float32Array.of(1, Number.NaN, 3)])).toHaveLength(1);
  });
});

const batchProfile = (batch: number, change: Partial<BatchProfile> = {}): BatchProfile => ({
  ...{ batch, masksPerSecond: 12.345, medianMs: 648.2, minMs: 600, spread: 0.123 },
  ...{ stagesMs: { maps: 10, masks: 2, forward: 500, weights: 1.5, tail: 0.25 }, gpuMs: 513.75 },
  ...{ dispatches: 93, submissions: 6, flops: 8.09e9, gflops: 15.7, fmaShare: 0.5 },
  ...{ arenaBytes: 2 ** 20, plannedPeakBytes: 3 * 2 ** 20, peakBytes: 4 * 2 ** 20 },
  ...change,
});
const untimed = { stagesMs: undefined, gpuMs: undefined };
const network = (name: string, batches: readonly BatchProfile[]): NetworkProfile => ({
  ...{ network: name, weights: 'seeded', side: 224, layer: 'features.9' },
  ...{ channels: 64, masks: 8, rounds: 3, disagreement: 1e-7, batches },
});
const file = (...networks: NetworkProfile[]): ScoreCamFile => ({
  ...{ adapter: 'A & B <gpu>', kind: 'gpu', clock: 'timestamps', clockDescription: '' },
  settings: parseFlags([]).settings,
  ...{ wrong: [], ceilings: { gflops: 31.4, gbs: 2 }, networks },
  ...{ runtime: 'node 0', versions: {}, date: '2000-01-01T00:00:00.000Z' },
});

test('the report: a table for each network, dashes without timestamps', () => {
  const lines = table(
    file(network('one', [batchProfile(1), batchProfile(16, untimed)]), network('two', [])),
  );
  expect(lines.slice(0, 3)).toEqual([
    'ceilings: 31.4 GFLOP/s (vec4 fma), 2.00 GB/s (vec4 copy)',
    '',
    'one, seeded weights, input 224 x 224: Score-CAM on the first 8 of 64 channels of features.9, median of 3 rounds',
  ]);
  const cells = (line: string) => line.trim().split(/ {2,}/);
  const columns = cells(lines[3]);
  const valuesOf = (line: string) =>
    Object.fromEntries(cells(line).map((cell, i) => [columns[i], cell]));
  expect(valuesOf(lines[4])).toEqual({
    ...{ batch: '1', 'masks/s': '12.3', ms: '648', spread: '12%' },
    ...{ 'maps ms': '10.0', 'masks ms': '2.00', 'forward ms': '500' },
    ...{ 'weights ms': '1.50', 'tail ms': '0.250' },
    ...{ 'MiB planned': '3.00', 'of it arena': '1.00', 'MiB real': '4.00' },
    ...{ dispatches: '93', submissions: '6' },
    ...{ GFLOP: '8.09', 'GFLOP/s': '15.7', 'of FMA': '50%' },
  });
  expect(valuesOf(lines[5])).toMatchObject({ batch: '16', 'maps ms': '-', 'tail ms': '-' });
  expect(new Set(lines.slice(3, 6).map((line) => line.length)).size).toBe(1);
  expect(heading(network('all', []))).toContain('the first 8 of 64');
  expect(heading({ ...network('all', []), masks: 64 })).toContain('all 64 channels');
});

describe('the chart', () => {
  const texts = (svg: string) => [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map((m) => m[1]);

  /** Tags that open are closed, in order; the only entities are XML's own. */
  function expectWellFormed(svg: string) {
    const open: string[] = [];
    for (const [, end, name, self] of svg.matchAll(/<(\/?)([\w:]+)(?:\s[^<>]*?)?(\/?)>/g)) {
      if (end) expect(open.pop()).toBe(name);
      else if (!self) open.push(name);
    }
    expect(open).toEqual([]);
    expect(svg.match(/&(?!(amp|lt|gt|quot|apos|#\d+);)/)).toBeNull();
    expect(svg).toMatch(/^<svg [^>]*xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
    expect(svg).not.toContain('NaN');
  }

  test('has rates and stages of every network', async () => {
    const two = network('two', [batchProfile(4, { masksPerSecond: 77.7 })]);
    const svg = await chart(file(network('one', [batchProfile(1), batchProfile(16)]), two));
    expectWellFormed(svg);
    expect(texts(svg)).toEqual(
      expect.arrayContaining(['A &amp; B &lt;gpu&gt;, node 0', 'masks/s', 'GPU ms a mask', '16']),
    );
    expect(texts(svg)).toEqual(expect.arrayContaining(['12.3', '77.7', 'forward', 'tail']));
    expect(svg).toContain('height="730"');
    // A bar of each colour for each of three batch sizes.
    expect(svg.match(/fill="#0072b2"/g)!.length).toBeGreaterThanOrEqual(3);
    expect(svg).not.toContain('#999999');
  });

  test('has one bar by the wall clock where there are no timestamps', async () => {
    const svg = await chart(file(network('one', [batchProfile(1, untimed)])));
    expectWellFormed(svg);
    expect(texts(svg)).toContain('ms a mask (no timestamps)');
    expect(texts(svg)).not.toContain('tail');
    expect(svg).toContain('#999999');
  });
});

describe('on a device', () => {
  test('with as many masks as channels it is Score-CAM itself, with fewer that of the first', () => {
    const held = gpu().liveBytes;
    const subjects = [1000, 3].map((most) => Subject.make(gpu(), 'toy_vgg', most, undefined, 32));
    const [all, some] = subjects;
    expect([all.masks, some.masks]).toEqual([all.channels, 3]);
    const net = Net.from(gpu(), networkNamed('toy_vgg'), new Map());
    const method = { method: 'score-cam', options: { batch: 32 } };
    const whole = planExplain(net, placeholder([1, 3, 32, 32]), method);
    const names = (plan: RunPlan) => plan.steps.map(({ kernel }) => kernel);
    expect(names(all.plan(32))).toEqual(names(whole));
    const sliced = some.plan(3).steps;
    for (const kernel of ['channelSlice', 'upsampledRange', 'stretchMasks', 'weightedSum']) {
      const { sizes } = sliced.find((step) => step.kernel === kernel)!;
      expect(kernel === 'channelSlice' ? sizes.C : sizes.K).toBe(3);
    }
    for (const subject of subjects) subject.destroy();
    expect(gpu().liveBytes).toBe(held);
  });

  test('a small run: planned and real bytes, dispatches and stages, and nothing left', async () => {
    const held = gpu().liveBytes;
    const said: string[] = [];
    const host = { say: (line: string) => void said.push(line), progress: () => {} };
    const settings = { networks: ['toy_vgg'], batches: [1, 4], masks: 4, rounds: 1, side: 32 };
    const result = await runScoreCam(gpu(), settings, host, weights);
    expect(gpu().liveBytes).toBe(held);
    expect(result.wrong).toEqual([]);
    expect(said[1]).toMatch(/^toy_vgg: batches of 1, 4 agree (exactly|within )/);
    const [profile] = result.networks;
    expect(profile).toMatchObject({ weights: 'trained', side: 32, masks: 4, rounds: 1 });
    expect(profile.disagreement).toBeLessThan(1e-5);
    const [one, four] = profile.batches;
    expect([one.submissions, four.submissions]).toEqual([6, 3]);
    expect(one.dispatches).toBeGreaterThan(four.dispatches);
    expect(one.flops).toBe(four.flops);
    expect(one.arenaBytes).toBeLessThan(four.arenaBytes);
    for (const batch of profile.batches) {
      expect(batch.masksPerSecond).toBeCloseTo(4000 / batch.medianMs, 6);
      expect(batch.peakBytes).toBeGreaterThanOrEqual(batch.plannedPeakBytes);
      expect(batch.peakBytes).toBeLessThan(1.1 * batch.plannedPeakBytes + 4096);
      expect(batch.gflops).toBeGreaterThan(0);
      if (result.clock === 'wall') continue;
      const { maps, masks, forward, weights: w, tail } = batch.stagesMs!;
      for (const ms of [maps, masks, forward, w, tail]) expect(ms).toBeGreaterThan(0);
      expect(maps + masks + forward + w + tail).toBeCloseTo(batch.gpuMs!, 6);
    }
  });
});

test('the command: table, JSON and chart', async () => {
  const [json, svg] = ['a.json', 'a.svg'].map((name) => join(folder, 'new', name));
  const small = ['--batches', '2,4', '--masks', '4', '--rounds', '1', '--size', '32'];
  const { code, stdout, stderr } = await bench(...small, '--json', json, '--svg', svg);
  expect(stderr).toBe('');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^toy_vgg: batches of 2, 4 agree (exactly|within )/m);
  expect(stdout).toMatch(/^ceilings: /m);
  expect(stdout).toContain('Score-CAM on the first 4 of 96 channels');
  expect(stdout).toMatch(/\nwritten: .*a\.json\nwritten: .*a\.svg\n$/);
  const written = JSON.parse(await readFile(json, 'utf8')) as ScoreCamFile;
  expect(written.adapter).toMatch(/\w/);
  expect(written.networks[0].batches.map(({ batch }) => batch)).toEqual([2, 4]);
  expect(Object.keys(written)).not.toContain('commit');
  expect(await readFile(svg, 'utf8')).toMatch(/^<svg [\s\S]*<\/svg>\n$/);
});

test('the command refuses in one line', async () => {
  for (const [args, words] of [
    [['--network', 'vgg61'], /^.*vgg61.*\n$/],
    [['--batches', 'all'], /^bench score-cam: --batches has "all", .*\n$/],
  ] as const) {
    const { code, stdout, stderr } = await bench(...args);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(words);
  }
});
