import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
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
