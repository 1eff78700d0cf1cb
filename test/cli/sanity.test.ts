import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { drawStrip } from '../../src/cli/sanity-strip.js';
import { decodeImage } from '../../src/image/decode-node.js';
import { write, writePhoto, writeTinyVgg } from './fixtures.js';
import { run, scratch } from './run-cli.js';

const photos = [writePhoto('disc.png'), writePhoto('again.png')];
const net = ['--network', 'tiny_vgg', '--weight-path', writeTinyVgg('tiny.safetensors')];

describe('sanity', () => {
  test('writes a strip a photo and all numbers, and prints a table', async () => {
    const out = join(scratch, 'all');
    const methods = 'grad-cam,lrp:composite=gamma';
    const flags = ['--method', methods, '--steps', '3', '--output-dir', out];
    const outcome = await run(['sanity', ...photos, ...net, ...flags]);
    expect(outcome).toMatchObject({ status: 0, stderr: '' });
    expect(readdirSync(out).sort()).toEqual(['again.sanity.png', 'disc.sanity.png', 'sanity.json']);
    const { stdout } = outcome;
    expect(stdout).toMatch(/^tiny_vgg, cascading randomisation, 2 photos: /);
    expect(stdout).toMatch(/^grad-cam +mirrored: by chance +-?\d\.\d\d/m);
    for (const layer of ['classifier.0', 'features.5', 'features.0']) {
      expect(stdout.match(new RegExp(`^ +${layer} +-?\\d\\.\\d\\d`, 'gm'))).toHaveLength(2);
    }
    expect(stdout).toContain('grad-cam: no verdict from fewer than 4 maps\n');
    for (const file of readdirSync(out)) expect(stdout).toContain(join(out, file));

    const summary = JSON.parse(readFileSync(join(out, 'sanity.json'), 'utf8'));
    expect(summary).toMatchObject({ network: 'tiny_vgg', mode: 'cascading', seed: 'sanity' });
    expect(summary.weightsSha256).toMatch(/^[0-9a-f]{64}$/);
    expect(summary.images.map(({ image }: { image: string }) => image)).toEqual(photos);
    const [, lrp] = summary.methods;
    expect(lrp).toMatchObject({ label: 'lrp:composite=gamma', method: 'lrp', passes: null });
    expect(lrp.options).toMatchObject({ composite: 'gamma', gamma: 0.25 });
    expect(lrp.steps.at(-1).randomised).toEqual([
      ...['classifier.0', 'features.7', 'features.5', 'features.2', 'features.0'],
    ]);
    for (const { images, mean } of lrp.steps) {
      // The same photo twice.
      expect(images).toHaveLength(2);
      expect(images[1].spearman).toBeCloseTo(images[0].spearman, 3);
      expect(mean.ssim).toBeCloseTo((images[0].ssim + images[1].ssim) / 2, 9);
    }

    const strip = await decodeImage(readFileSync(join(out, 'disc.sanity.png')), 'strip');
    // Label, trained, and three steps.
    expect(strip.width).toBe(2 * 16 + 5 * 112 + 4 * 6);
    expect(strip.height).toBeGreaterThan(3 * 112);
  });

  test('--json prints what is written; layers one at a time, blocks by name', async () => {
    const out = join(scratch, 'independent');
    const flags = ['--mode', 'independent', '--random-layers', 'features,classifier.0', '--json'];
    const more = ['--class-id', '3', '--seed', 'other', '--layer-name', 'features.3'];
    const outcome = await run([
      'sanity',
      photos[0],
      ...net,
      ...flags,
      ...more,
      '--output-dir',
      out,
    ]);
    expect(outcome).toMatchObject({ status: 0, stderr: '' });
    const summary = JSON.parse(outcome.stdout);
    expect(summary).toEqual(JSON.parse(readFileSync(join(out, 'sanity.json'), 'utf8')));
    expect(summary).toMatchObject({ mode: 'independent', seed: 'other' });
    expect(summary.images).toMatchObject([{ classId: 3, label: 'class 3' }]);
    const [{ method, steps, kept, passes }] = summary.methods;
    expect([method, kept, passes]).toEqual(['grad-cam', null, null]);
    expect(steps.map(({ randomised }: { randomised: string[] }) => randomised)).toEqual([
      ['classifier.0'],
      ['features.7', 'features.5', 'features.2', 'features.0'],
    ]);
  });

  test('gives a verdict from four photos on', async () => {
    const out = join(scratch, 'verdict');
    const four = ['a.png', 'b.png', 'c.png', 'd.png'].map(writePhoto);
    const flags = ['--steps', '2', '--method', 'gradient', '--output-dir', out];
    const { status, stdout } = await run(['sanity', ...four, ...net, ...flags]);
    expect(status).toBe(0);
    expect(stdout).toMatch(
      /^gradient: (passes|fails): keeps \d+ % \((rank|signed rank|SSIM|HOG)\)$/m,
    );
  });

  test('a method that refuses what a random network takes for another class has blank maps there', async () => {
    const out = join(scratch, 'refusing');
    const flags = ['--steps', '2', '--method', 'grad-cam,cameras:steps=1', '--output-dir', out];
    const { status, stdout } = await run(['sanity', photos[0], ...net, ...flags]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^cameras:steps=1 +mirrored/m);
    const { methods } = JSON.parse(readFileSync(join(out, 'sanity.json'), 'utf8'));
    const [{ blank: none }, { blank, steps }] = methods;
    expect([none, blank]).toEqual([[false], [false]]);
    expect(steps.at(-1)).toMatchObject({ blank: 1, mean: { spearman: 0 } });
    // The trained network refuses, too: a class that it does not see.
    const { classId } = JSON.parse(readFileSync(join(out, 'sanity.json'), 'utf8')).images[0];
    const other = ['--class-id', String((classId + 1) % 10)];
    const refused = await run(['sanity', photos[0], ...net, ...flags, ...other]);
    expect(refused.status).toBe(2);
    expect(refused.stderr).toMatch(/^webgpu-cam: cameras: the image is taken .*\n$/);
  });

  test.each([
    [['--method', 'gradcam'], /no method gradcam: nearest are grad-cam/],
    [['--method', 'grad-cam:colour=red'], /no option colour/],
    [['--method', 'cam'], /cam: tiny_vgg does not end in global average pooling/],
    [['--random-layers', 'features.1'], /no layer with parameters is named features.1/],
    [['--random-layers', 'a,,b'], /A name is empty/],
    [['--layer-name', 'features.99'], /no layer features.99/],
    [['--class-id', '10'], /--class-id 10 is out of range/],
    [['--class-id', '1,2'], /one class for all photos, got 2/],
    [['--steps', '1'], /at least 2/],
    [['--mode', 'both'], /cascading, independent/],
  ])('%j is refused in one line, and nothing is written', async (flags, message) => {
    const out = join(scratch, 'refused');
    const outcome = await run(['sanity', photos[0], ...net, ...flags, '--output-dir', out]);
    expect(outcome).toMatchObject({ status: 2, stdout: '' });
    expect(outcome.stderr).toMatch(message);
    expect(outcome.stderr.trimEnd()).not.toContain('\n');
    expect(existsSync(out)).toBe(false);
  });

  test('looks at photo and folder before it computes, and leaves nothing when interrupted', async () => {
    expect((await run(['sanity', ...net])).stderr).toMatch(/no image given/);
    const file = write('a-file', 'x');
    const blocked = await run(['sanity', photos[0], ...net, '--output-dir', join(file, 'x')]);
    expect(blocked.status).toBe(2);
    expect(blocked.stderr).toMatch(/is a file, not a folder/);

    const out = join(scratch, 'interrupted');
    const signal = AbortSignal.abort();
    const stopped = await run(['sanity', photos[0], ...net, '--output-dir', out], { signal });
    expect(stopped).toMatchObject({ status: 1, stderr: 'webgpu-cam: interrupted\n' });
    expect(existsSync(out)).toBe(false);
  });
});

test('a strip shows each map in its colours, and crosses out one that shows nothing', () => {
  const size = [4, 4] as const;
  const map = (f: (i: number) => number) => Float32Array.from({ length: 16 }, (_, i) => f(i));
  const photo = { width: 4, height: 4, rgba: new Uint8Array(64).fill(255) };
  const cells = [
    { map: map((i) => (i < 8 ? 0 : 1)), note: '' },
    { map: map(() => 0), note: '0.00' },
  ];
  const rows = [{ title: 'grad-cam', note: '', colormap: 'greys' as const, cells }];
  const strip = { title: 'x', photo, size, columns: ['trained', 'head'], rows };
  const { width, height, rgba } = drawStrip(strip);
  const left = (column: number) => 16 + (column + 1) * 118;
  const pixel = (x: number, y: number) =>
    Array.from(rgba.subarray(4 * (y * width + x)).slice(0, 3));
  // From the bottom: margin, gaps and a line of text below the cell.
  const bottom = height - 16 - 11 - 12;
  expect(pixel(left(0) + 5, bottom - 5)).toEqual([255, 255, 255]);
  expect(pixel(left(0) + 5, bottom - 107)).toEqual([0, 0, 0]);
  expect(pixel(left(0) + 5, bottom - 57)).toEqual([0, 0, 0]);
  expect(pixel(left(0) + 5, bottom - 55)).toEqual([255, 255, 255]);
  expect(pixel(left(1) + 56, bottom - 10)).toEqual([128, 128, 128]);
  const red = Array.from({ length: 112 }, (_, x) => pixel(left(1) + x, bottom - 30)).filter(
    ([r, g]) => r > 200 && g < 10,
  );
  expect(red.length).toBeGreaterThan(0);
});
