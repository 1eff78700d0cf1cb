import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { methods } from '../../src/cam/registry.js';
import { platformGpu } from '../../src/gpu/platform-node.js';
import { colormapTable } from '../../src/image/colormap.js';
import { decodeImage } from '../../src/image/decode-node.js';
import { parseNpy } from '../../src/image/npy.js';
import { networks } from '../../src/net/zoo/index.js';
import { writePhoto, writeTinyVgg } from './fixtures.js';
import { noAdapter, run, scratch } from './run-cli.js';

const photo = writePhoto('disc.png');
const weights = writeTinyVgg('tiny.safetensors', undefined, {
  network: 'tiny_vgg',
  labels: JSON.stringify('abcdefghij'.split('')),
});

describe('layers', () => {
  test.each([...networks.keys()])('%s, without a GPU or weights', async (network) => {
    const { status, stdout } = await run(['layers', '--network', network, '--json'], {
      gpu: noAdapter,
    });
    expect(status).toBe(0);
    const { layers } = JSON.parse(stdout);
    expect(layers[0]).toMatchObject({ name: 'input', kind: 'input' });
    const chosen = layers.filter((layer: { isDefault: boolean }) => layer.isDefault);
    expect(chosen).toHaveLength(1);
    expect(chosen[0].spatial).toBe(true);
  });

  test('as text, at another input size', async () => {
    const { stdout } = await run(['layers', '--network', 'alexnet', '--input-size', '227']);
    expect(stdout).toMatch(/^features\.0 +conv2d +64 x 56 x 56 +23296$/m);
    expect(stdout).toMatch(/^features\.11 +relu .*default of --layer-name$/m);
  });
});

describe('plan', () => {
  test('a row for each dispatch, with the layers that it is for, and sums', async () => {
    const { status, stdout } = await run(['plan', '--network', 'alexnet'], { gpu: noAdapter });
    expect(status).toBe(0);
    expect(stdout).toMatch(
      /^features\.0 \+ features\.1 +conv2d +[\w-]+ +\[1,64,55,55\] +1\d\d +\d/m,
    );
    expect(stdout).toMatch(/^classifier\.6 +linear +\w+ +\[1,1000\] /m);
    const [, dispatches, flops] = /^(\d+) dispatches +(\d+) /m.exec(stdout)!;
    expect(Number(dispatches)).toBeLessThanOrEqual(13);
    expect(Number(flops)).toBeGreaterThan(1400);
    expect(stdout).toMatch(/^weights and input +2\d\d MiB$/m);
  });

  test('backward, for a software adapter, of a batch, as JSON', async () => {
    const { stdout } = await run([
      ...['plan', '--network', 'vgg16', '--batch', '2', '--adapter', 'software'],
      ...['--backward-to', 'features.28', '--input-size', '64', '--json'],
    ]);
    const { batch, steps, dispatches } = JSON.parse(stdout);
    expect(batch).toBe(2);
    expect(steps).toHaveLength(dispatches);
    const parts = steps.map(({ part }: { part: string }) => part);
    expect(parts).toContain('features.2 + features.3');
    expect(parts).toContain('features.30, backward');
    expect(steps.some(({ kernel }: { kernel: string }) => kernel === 'winogradProduct')).toBe(true);
  });

  test('in 16 bits weights take half, on paper', async () => {
    const plans = ['f32', 'f16'].map(async (storage) => {
      const asked = ['plan', '--network', 'alexnet', '--storage', storage, '--json'];
      return JSON.parse((await run(asked, { gpu: noAdapter })).stdout);
    });
    const [wide, half] = await Promise.all(plans);
    const input = 4 * 3 * 224 * 224;
    expect([wide.storage, half.storage]).toEqual(['f32', 'f16']);
    expect(2 * (half.inputBytes - input)).toBe(wide.inputBytes - input);
  });
});

describe('--storage f16', () => {
  test('explains on an adapter with shader-f16, and says in one line where there is none', async () => {
    const outputDir = join(scratch, 'half');
    const { status, stdout, stderr } = await run([
      ...['explain', photo, '--storage', 'f16', '--json', '--output-dir', outputDir],
    ]);
    const adapter = (await (await platformGpu()).requestAdapter())!;
    if (adapter.features.has('shader-f16')) {
      expect(status).toBe(0);
      expect(JSON.parse(stdout)[0].storage).toBe('f16');
      return;
    }
    expect(status).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(
      /^webgpu-cam: --storage f16: the adapter has no shader-f16 \(.+\): use f32$/m,
    );
    expect(existsSync(outputDir)).toBe(false);
  });
});

describe('methods', () => {
  test('names each, with papers and defaults', async () => {
    const { stdout } = await run(['methods']);
    for (const { name, paper, options } of methods.values()) {
      expect(stdout).toContain(`\n${name}`.replace(/^\n/, ''));
      expect(stdout).toContain(paper);
      for (const option in options) expect(stdout).toContain(`    ${option}=`);
    }
    expect(stdout).toMatch(/^ {4}preset=authors {2}denoise=none, gains=true$/m);
    expect(stdout).toMatch(/^enhanced- {2}sliding window\n {4}windows: .*\n {4}window=0 /m);
    expect(stdout).toMatch(/^smooth- {2}smoothed\n {4}noise: .*\n {4}samples=8 /m);
    const { stdout: printed } = await run(['methods', '--json']);
    const occlusion = JSON.parse(printed).find((m: { name: string }) => m.name === 'occlusion');
    const [enhanced, smoothed] = occlusion.wrappers;
    const signed = JSON.parse(printed).filter((m: { signed: boolean }) => m.signed);
    expect(signed.map((m: { name: string }) => m.name)).toContain('deeplift');
    expect(occlusion.signed).toBe(false);
    expect(stdout).toMatch(/^deeplift \(.*signed: red speaks for the class, blue against it\)$/m);
    expect(enhanced.name).toBe('enhanced-occlusion');
    // A name that leads to another method is none of a wrapper's.
    const listed: { name: string; wrappers: { name: string }[] }[] = JSON.parse(printed);
    const wrapped = listed.flatMap((method) => method.wrappers.map(({ name }) => name));
    expect(wrapped).toHaveLength(2 * methods.size - 1);
    expect(wrapped.filter((name) => methods.has(name))).toEqual([]);
    expect(Object.keys(enhanced.options)).toEqual(['window', 'windowStride', 'cutoff']);
    expect(smoothed.name).toBe('smooth-occlusion');
    expect(JSON.parse(printed).map((m: { name: string }) => m.name)).toEqual([...methods.keys()]);
    expect(printed).toContain('"default": 0.3');
  });
});

describe('inspect', () => {
  test('tells what a file holds and which network it fits', async () => {
    const { stdout } = await run(['inspect', weights, '--json']);
    const inspection = JSON.parse(stdout);
    expect(inspection).toMatchObject({
      file: weights,
      format: 'safetensors',
      bytes: readFileSync(weights).length,
      network: 'tiny_vgg',
      classes: 10,
      parameters: 19920,
      metadata: { network: 'tiny_vgg' },
    });
    expect(inspection.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(inspection.tensors).toContainEqual({
      name: 'features.0.weight',
      dtype: 'F32',
      shape: [10, 3, 3, 3],
    });
    const { stdout: text } = await run(['inspect', weights]);
    expect(text).toMatch(/^network +tiny_vgg, 10 classes$/m);
  });
});

describe('predict', () => {
  test('prints a list with the image and its top five', async () => {
    const { stdout, status } = await run([
      ...['predict', photo, '--image-path', photo, '--weight-path', weights, '--json'],
    ]);
    expect(status).toBe(0);
    const list = JSON.parse(stdout);
    expect(list.map((entry: object) => Object.keys(entry))).toEqual([
      ['image', 'top5'],
      ['image', 'top5'],
    ]);
    expect(list[0]).toEqual(list[1]);
    expect(list[0].image).toBe(photo);
    const [best] = list[0].top5;
    expect(best.label).toBe('abcdefghij'[best.classId]);

    const out = join(scratch, 'same');
    const explained = await run([
      ...['explain', photo, '--weight-path', weights, '--json', '--output-dir', out],
    ]);
    const [{ top5 }] = JSON.parse(explained.stdout);
    for (const [i, guess] of list[0].top5.entries()) {
      expect(top5[i].classId).toBe(guess.classId);
      expect(top5[i].logit).toBeCloseTo(guess.logit, 5);
      expect(top5[i].probability).toBeCloseTo(guess.probability, 6);
    }
  });
});

describe('features', () => {
  test('a grid of channels, the dead one crossed out', async () => {
    const dead = writeTinyVgg('dead.safetensors', (tensor, values) => {
      if (tensor === 'features.0.weight') values.fill(0, 27 * 9);
      if (tensor === 'features.0.bias') values[9] = 0.25;
    });
    const out = join(scratch, 'features');
    const { stdout, status } = await run([
      ...['features', photo, '--weight-path', dead, '--layer-name', 'features.0,features.4'],
      ...['--output-dir', out, '--npy-raw', '--json', '--columns', '5'],
    ]);
    expect(status).toBe(0);
    const [first, pooled] = JSON.parse(stdout);
    expect(first).toMatchObject({ layer: 'features.0', shape: [10, 62, 62] });
    expect(pooled.shape).toEqual([10, 30, 30]);
    expect(first.file).toBe(join(out, 'disc', 'features.0.features.png'));
    const isBlank = first.channels.map((channel: { blank: boolean }) => channel.blank);
    expect(isBlank).toEqual([...Array(9).fill(false), true]);
    expect(first.channels[9]).toMatchObject({ min: 0.25, max: 0.25 });

    const { data, shape } = parseNpy(readFileSync(first.npyRaw));
    expect(shape).toEqual([10, 62, 62]);
    const channel = data.subarray(0, 62 * 62);
    expect(Math.min(...channel)).toBe(Math.fround(first.channels[0].min));
    expect(Math.max(...channel)).toBe(Math.fround(first.channels[0].max));

    const { width, height, rgba } = await decodeImage(readFileSync(first.file), first.file);
    expect([width, height]).toEqual([5 * 64 + 2, 2 * 64 + 2]);
    const colour = (x: number, y: number) => [
      ...rgba.slice(4 * (y * width + x), 4 * (y * width + x) + 3),
    ];
    expect(colour(0, 0)).toEqual([255, 255, 255]);
    // Channel 9 is the last tile: grey, with a red middle.
    expect(colour(4 * 64 + 2 + 31, 64 + 2 + 31)).toEqual([220, 0, 0]);
    expect(colour(4 * 64 + 2 + 31, 64 + 2 + 5)).toEqual([128, 128, 128]);
    // Channel 0's least and largest value have the ends of viridis.
    const viridis = colormapTable('viridis');
    const place = (value: number) => {
      const i = channel.indexOf(value);
      return colour(2 + (i % 62), 2 + Math.floor(i / 62));
    };
    expect(place(Math.min(...channel))).toEqual([...viridis.slice(0, 3)]);
    expect(place(Math.max(...channel))).toEqual([...viridis.slice(-4, -1)]);
  });

  test('into one file', async () => {
    const file = join(scratch, 'grid.png');
    const { status, stdout } = await run([
      ...['features', photo, '--weight-path', weights, '--output', file],
    ]);
    expect(status).toBe(0);
    expect(stdout).toContain(file);
    expect(existsSync(file)).toBe(true);
  });
});

test('help and version go to stdout with status 0', async () => {
  const version = JSON.parse(readFileSync('package.json', 'utf8')).version;
  expect(await run(['--version'])).toMatchObject({ status: 0, stdout: `${version}\n`, stderr: '' });
  const help = await run(['explain', '--help']);
  expect(help).toMatchObject({ status: 0, stderr: '' });
  for (const flag of ['image-path', 'network', 'weight-path', 'layer-name', 'class-id', 'method']) {
    expect(help.stdout).toContain(`--${flag}`);
  }
});
