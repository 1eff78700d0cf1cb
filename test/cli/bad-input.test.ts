import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join, parse } from 'node:path';
import { describe, expect, test } from 'vitest';
import { encodePng } from '../../src/image/encode-node.js';
import { parseNpy } from '../../src/image/npy.js';
import { write, writePhoto, writeTinyVgg } from './fixtures.js';
import { noAdapter, run, scratch } from './run-cli.js';

const photo = writePhoto('photo.png');
const weights = writeTinyVgg('tiny.safetensors');
const out = join(scratch, 'bad');
const net = ['--network', 'tiny_vgg', '--weight-path', weights, '--output-dir', out];

const truncatedPng = write('half.png', readFileSync(photo).subarray(0, 300));
const textPng = write('text.png', 'This is not a picture.\n');
const brokenWeights = write('broken.safetensors', readFileSync(weights).subarray(0, 5000));
const shortLabels = write('short.txt', 'one\ntwo\n');
const brokenLabels = write('broken.json', '["one", ');
const aFile = write('a-file', '');
mkdirSync(join(scratch, 'folder.png'));

const cases: [name: string, argv: string[], line: RegExp][] = [
  ['no command', [], /no command given: one of demo, explain, predict/],
  ['unknown command', ['explian'], /no command explian: nearest are explain/],
  ['unknown flag', ['explain', photo, '--clas-id', '1'], /unknown option '--clas-id'.*--class-id/],
  ['no image', ['explain', ...net], /no image given/],
  ['no such file', ['explain', 'nowhere.png', ...net], /nowhere\.png: no such file/],
  ['a folder', ['explain', join(scratch, 'folder.png'), ...net], /folder\.png: is a folder/],
  ['a truncated image', ['explain', truncatedPng, ...net], /half\.png: truncated image/],
  ['a text file named .png', ['explain', textPng, ...net], /text\.png: .*text file/],
  ['a good and a bad image', ['explain', photo, textPng, ...net], /text\.png: .*text file/],
  [
    'an unknown network',
    ['explain', photo, '--network', 'vgg61', '--weight-path', weights],
    /no network vgg61: nearest are vgg/,
  ],
  [
    'a network whose weights are not here',
    ['explain', photo, '--network', 'vgg16'],
    /vgg16: its weights do not come with this package: give --weight-path/,
  ],
  [
    'no such weights',
    ['explain', photo, '--weight-path', 'no.safetensors'],
    /no\.safetensors: no such file/,
  ],
  [
    'truncated weights',
    ['explain', photo, '--weight-path', brokenWeights],
    /broken\.safetensors: .*past the end/,
  ],
  [
    'weights of another network',
    ['explain', photo, '--network', 'alexnet', '--weight-path', weights],
    /does not fit alexnet: .*missing.*They fit --network tiny_vgg/,
  ],
  ['a picture as weights', ['predict', photo, '--weight-path', photo], /photo\.png: a PNG picture/],
  [
    'an unknown layer',
    ['explain', photo, ...net, '--layer-name', 'feature.8'],
    /no layer feature\.8: nearest are features\.8/,
  ],
  [
    'two layers for a method of one',
    ['explain', photo, ...net, '--layer-name', 'features.3,features.8'],
    /grad-cam: 2 layers given, should be one/,
  ],
  [
    'a layer without maps',
    ['explain', photo, ...net, '--layer-name', 'classifier.0'],
    /layer classifier\.0 gives \[1,10\], should be feature maps/,
  ],
  [
    'an unknown method',
    ['explain', photo, ...net, '--method', 'gradcam'],
    /no method gradcam: nearest are grad-cam/,
  ],
  [
    'an unknown option of a method',
    ['explain', photo, ...net, '--method', 'layer-cam:gama=3'],
    /layer-cam: no option gama: nearest are gamma/,
  ],
  [
    'a bad value of a method option',
    ['explain', photo, ...net, '--method', 'smooth-grad-cam++:copies=some'],
    /option copies is "some", should be a number/,
  ],
  [
    'an option before any method',
    ['explain', photo, ...net, '--method', 'batch=64,grad-cam'],
    /"batch=64" comes before any method/,
  ],
  [
    'a class out of range',
    ['explain', photo, ...net, '--class-id', '3,10'],
    /--class-id 10 is out of range: tiny_vgg has classes 0 \.\. 9/,
  ],
  ['a class that is no number', ['explain', photo, ...net, '--class-id', '-1'], /"-1" should be a/],
  [
    'two kinds of target',
    ['explain', photo, ...net, '--class-id', '1', '--top-five'],
    /'--top-five' cannot be used with option '--class-id/,
  ],
  [
    'an unknown method under a wrapper',
    ['explain', photo, ...net, '--method', 'enhanced-gradcam'],
    /no method gradcam: nearest are grad-cam/,
  ],
  [
    'an unknown preset',
    ['explain', photo, ...net, '--method', 'score-cam:preset=theirs'],
    /score-cam: no preset theirs: there are paper, authors, pytorch-grad-cam/,
  ],
  [
    'a preset of a method that has none',
    ['explain', photo, ...net, '--method', 'rise:preset=paper'],
    /rise: no preset paper: it has none/,
  ],
  [
    "a window's option without a window",
    ['explain', photo, ...net, '--method', 'grad-cam:window=32'],
    /grad-cam: no option window/,
  ],
  [
    'a window larger than the image',
    ['explain', photo, ...net, '--method', 'enhanced-grad-cam:window=65'],
    /a window of 65 pixels should fit into the input of 64 x 64/,
  ],
  [
    'a negative stride',
    ['explain', photo, ...net, '--enhance', '--method', 'grad-cam:stride=-1'],
    /enhanced-grad-cam: option stride is "-1", should be a number of at least 0/,
  ],
  ...['toString=1', '__proto__=1', 'constructor=x'].map((option): (typeof cases)[number] => [
    `an option that every object has: ${option}`,
    ['explain', photo, ...net, '--method', `layer-cam:${option}`],
    /layer-cam: no option (toString|__proto__|constructor): nearest are/,
  ]),
  [
    'a preset that every object has',
    ['explain', photo, ...net, '--method', 'score-cam:preset=constructor'],
    /score-cam: no preset constructor: there are paper/,
  ],
  [
    'more masks than there is time for',
    ['explain', photo, ...net, '--method', 'rise:masks=1e12'],
    /rise: option masks is "1e12", should be a number of at least 1 and of at most 1000000/,
  ],
  [
    'more samples than there is memory for',
    ['explain', photo, ...net, '--method', 'lime:samples=100000,segments=1000'],
    /100000 samples of \d+ switches are too many to solve for/,
  ],
  [
    'more noisy copies than can be recorded',
    ['explain', photo, ...net, '--method', 'smooth-grad-cam:samples=1000000000'],
    /smooth-grad-cam: option samples is "1000000000", should be a number of at least 1 and of at most 5000/,
  ],
  [
    'a square larger than the image',
    ['explain', photo, ...net, '--method', 'occlusion:size=99'],
    /a square of 99 pixels should fit into the input of 64 x 64/,
  ],
  [
    'no groups',
    ['explain', photo, ...net, '--method', 'group-cam:groups=0'],
    /group-cam: option groups is "0", should be a number of at least 1/,
  ],
  [
    'a chance of nothing',
    ['explain', photo, ...net, '--method', 'rise:p=0'],
    /rise: option p is "0", should be a number/,
  ],
  [
    'a blur of no width',
    ['explain', photo, ...net, '--method', 'meaningful-perturbation:sigma=0'],
    /option sigma is "0", should be a number above 0/,
  ],
  [
    'a layer that no method takes',
    ['explain', photo, ...net, '--method', 'rise,gradient', '--layer-name', 'features.3'],
    /--layer-name: none of the methods takes a layer \(rise, gradient\)/,
  ],
  [
    'a layer that no method takes, of a sanity check',
    ['sanity', photo, ...net, '--method', 'gradient', '--layer-name', 'features.3'],
    /--layer-name: none of the methods takes a layer \(gradient\)/,
  ],
  [
    'a seed that no method has',
    ['explain', photo, ...net, '--method', 'grad-cam,occlusion', '--seed', 'abc'],
    /--seed: none of the methods has a seed \(grad-cam, occlusion\)/,
  ],
  [
    'a probability for methods by the logit',
    [
      ...['explain', photo, ...net, '--probability', '--method'],
      'grad-cam,enhanced-ablation-cam,score-cam:score=logit,score-cam,relevance-cam',
    ],
    /--probability: would change nothing for enhanced-ablation-cam, score-cam, relevance-cam: /,
  ],
  [
    'too few samples for the superpixels',
    ['explain', photo, ...net, '--method', 'kernel-shap:samples=20'],
    /20, should be at least/,
  ],
  ['no memory', ['explain', photo, ...net, '--memory', '0'], /--memory.*above 0/],
  ['less than no memory', ['explain', photo, ...net, '--memory', '-1'], /--memory.*above 0/],
  ['memory that is no number', ['explain', photo, ...net, '--memory', '1G'], /--memory.*above 0/],
  ['an unknown profile', ['explain', photo, ...net, '--profile', 'mine'], /--profile.*Allowed/],
  ['an unknown colour map', ['explain', photo, ...net, '--colormap', 'red'], /--colormap.*Allowed/],
  ['an alpha above 1', ['explain', photo, ...net, '--alpha', '1.5'], /from 0 to 1/],
  [
    'too few labels',
    ['explain', photo, ...net, '--labels', shortLabels],
    /short\.txt: names 2 classes, the network has 10/,
  ],
  ['broken labels', ['explain', photo, ...net, '--labels', brokenLabels], /broken\.json: .*JSON/],
  [
    'an output folder that is a file',
    ['explain', photo, ...net.slice(0, 4), '--output-dir', join(aFile, 'results')],
    /cannot be written: .*a-file is a file, not a folder/,
  ],
  ['no image to predict', ['predict', ...net.slice(0, 4)], /no image given/],
  ['inspect without a file', ['inspect'], /missing required argument 'weights'/],
  ['inspect of a text', ['inspect', textPng], /text\.png: /],
  ['layers of an unknown network', ['layers', '--network', 'alex'], /no network alex: .*alexnet/],
  ['plan of no images', ['plan', '--batch', '0'], /at least 1/],
  ['plan for a strange adapter', ['plan', '--adapter', 'abacus'], /gpu, software/],
  ['plan back to no layer', ['plan', '--backward-to', 'nose'], /no layer nose|nose/],
  ['layers of no input', ['layers', '--input-size', '0'], /at least 1/],
  ['layers of a small input', ['layers', '--network', 'vgg16', '--input-size', '8'], /at least 32/],
  [
    'features of a layer without maps',
    ['features', photo, ...net, '--layer-name', 'flatten'],
    /layer flatten gives \[1,1690\], should be feature maps/,
  ],
  [
    'features of two layers in one file',
    ['features', photo, ...net, '--layer-name', 'features.0,features.8', '--output', 'x.png'],
    /--output takes one photo and one layer, got 1 and 2/,
  ],
];

describe('bad input ends with status 2 and one line', () => {
  test.each(cases)('%s', async (_, argv, line) => {
    const { status, stdout, stderr } = await run(argv);
    expect(stderr).toMatch(line);
    expect(stderr).toMatch(/^webgpu-cam: [^\n]+\n$/);
    expect(stdout).toBe('');
    expect(status).toBe(2);
    expect(existsSync(out)).toBe(false);
  });

  test('no adapter', async () => {
    const { status, stderr } = await run(['explain', photo, ...net], { gpu: noAdapter });
    expect(stderr).toMatch(/^webgpu-cam: .*no WebGPU adapter: install [^\n]+\n$/);
    expect(status).toBe(2);
    expect(existsSync(out)).toBe(false);
  });
});

test('MSG-CAM of a class that is never predicted offers to keep all sizes', async () => {
  const { top5 } = JSON.parse(
    (await run(['predict', photo, ...net.slice(0, 4), '--json'])).stdout,
  )[0];
  const last = String(top5[4].classId);
  const asked = ['explain', photo, ...net, '--class-id', last, '--method'];
  const refused = await run([...asked, 'msg-cam:steps=1']);
  expect(refused.stderr).toMatch(
    /^webgpu-cam: msg-cam: the image is .*every size \(64 x 64\).*keep=all\n$/,
  );
  expect(refused).toMatchObject({ status: 2, stdout: '' });
  expect(existsSync(out)).toBe(false);
  const kept = await run([...asked, 'msg-cam:steps=1,keep=all']);
  expect(kept.status).toBe(0);
  rmSync(out, { recursive: true });
});

interface Result {
  readonly warnings: readonly string[];
  readonly rawMin: number;
  readonly rawMax: number;
  readonly map: ReturnType<typeof parseNpy>;
}

/** What `explain --json` says of one method on one photo. */
async function resultOf(path: string, ...flags: string[]): Promise<Result> {
  const { status, stdout } = await run(['explain', path, ...net, ...flags, '--json', '--npy-raw']);
  expect(status).toBe(0);
  const [{ results }] = JSON.parse(stdout);
  const folder = join(out, parse(path).name);
  const map = parseNpy(readFileSync(join(folder, results[0].files.npy)));
  rmSync(out, { recursive: true });
  return { ...results[0], map };
}

describe('odd input that has an answer', () => {
  test('more groups than channels are one a channel', async () => {
    const [many, each] = [
      await resultOf(photo, '--method', 'group-cam:groups=1000'),
      await resultOf(photo, '--method', 'group-cam:groups=10'),
    ];
    expect(many.map.data).toEqual(each.map.data);
  });

  test('a stride of 0 is a third of the window', async () => {
    const [none, third] = [
      await resultOf(photo, '--method', 'enhanced-grad-cam:window=30,stride=0'),
      await resultOf(photo, '--method', 'enhanced-grad-cam:window=30,stride=10'),
    ];
    expect(none.map.data).toEqual(third.map.data);
  });

  const grey = write('grey.png', encodePng(new Uint8Array(4 * 64 * 64).fill(127), 64, 64));
  const counts = [
    ...['score-cam', 'group-cam', 'ablation-cam', 'enhanced-grad-cam', 'msg-cam:steps=1'],
    ...['rise:masks=16', 'occlusion:size=32', 'lime:samples=64,segments=9'],
    ...['kernel-shap:samples=64,segments=9'],
  ];
  test.each(counts)('a constant image: %s', async (method) => {
    const { map, warnings, rawMin, rawMax } = await resultOf(grey, '--method', method);
    expect(map.data.every((value) => value >= 0 && value <= 1)).toBe(true);
    expect(Number.isFinite(rawMin) && Number.isFinite(rawMax)).toBe(true);
    if (map.data.every((value) => value === 0)) expect(warnings).toHaveLength(1);
    else expect(warnings).toEqual([]);
  });

  test.each(['grad-cam', 'score-cam', 'group-cam', 'msg-cam:steps=1', 'ablation-cam'])(
    'a layer of one place: %s',
    async (method) => {
      const { map, warnings } = await resultOf(
        ...([photo, '--network', 'toy_vgg', '--layer-name', 'avgpool'] as const),
        ...['--method', method, '--weight-path', 'models/toy_vgg.safetensors'],
      );
      expect(map.data.every((value) => value >= 0 && value <= 1)).toBe(true);
      expect(warnings.join()).toMatch(/blank|all zero/);
    },
  );
});

test('a long run that is aborted ends with status 1 and leaves no files', async () => {
  const abort = new AbortController();
  const running = run(['explain', photo, ...net, '--method', 'grad-cam,rise:masks=4000,batch=8'], {
    signal: abort.signal,
  });
  const begun = () => existsSync(out);
  while (!begun()) await new Promise((done) => setTimeout(done, 5));
  await new Promise((done) => setTimeout(done, 200));
  abort.abort();
  const { status, stderr } = await running;
  expect(stderr).toBe('webgpu-cam: interrupted\n');
  expect(status).toBe(1);
  expect(existsSync(out)).toBe(false);
});

test('a device that is lost on the way ends with status 1 and one line', async () => {
  const { platformGpu } = await import('../../src/gpu/platform-node.js');
  const gpu = await platformGpu();
  const losing = {
    requestAdapter: async () => {
      const adapter = (await gpu.requestAdapter())!;
      return {
        features: adapter.features,
        limits: adapter.limits,
        info: adapter.info,
        requestDevice: async (descriptor: GPUDeviceDescriptor) => {
          const device = await adapter.requestDevice(descriptor);
          device.destroy();
          await device.lost;
          return device;
        },
      };
    },
  } as unknown as GPU;
  const { status, stderr } = await run(['explain', photo, ...net], { gpu: losing });
  expect(stderr).toMatch(/^webgpu-cam: the device was destroyed[^\n]*\n$/);
  expect(status).toBe(1);
  expect(existsSync(out)).toBe(false);
});
