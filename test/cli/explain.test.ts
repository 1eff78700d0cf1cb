import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { colormapTable } from '../../src/image/colormap.js';
import { decodeImage } from '../../src/image/decode-node.js';
import { parseNpy } from '../../src/image/npy.js';
import { relativeL2 } from '../support/numbers.js';
import { write, writePhoto, writeTinyVgg } from './fixtures.js';
import { run, scratch } from './run-cli.js';

const photo = writePhoto('disc.png');
const weights = writeTinyVgg('tiny.safetensors');
const net = ['--network', 'tiny_vgg', '--weight-path', weights];

const summaryOf = (folder: string) =>
  JSON.parse(readFileSync(join(folder, 'summary.json'), 'utf8'));
const readMap = (path: string) => parseNpy(readFileSync(path));
const pixels = (path: string) => decodeImage(readFileSync(path), path);

/** The keys that other programs read. */
const promised = [
  ...['network', 'weightsSha256', 'layer', 'classId', 'label', 'method', 'options', 'seed', 'top5'],
  ...['score', 'rawMin', 'rawMax', 'timesMs', 'peakGpuBytes', 'adapter', 'version'],
];

describe('explain', () => {
  test('one photo with the defaults', async () => {
    const out = join(scratch, 'one');
    const outcome = await run(['explain', photo, ...net, '--output-dir', out, '--npy-raw']);
    expect(outcome).toMatchObject({ status: 0, stderr: '' });
    const folder = join(out, 'disc');
    expect(readdirSync(folder).sort()).toEqual([
      'grad-cam.heatmap.png',
      'grad-cam.npy',
      'grad-cam.png',
      'grad-cam.raw.npy',
      'summary.json',
    ]);
    expect(outcome.stdout).toContain(join(folder, 'grad-cam.png'));

    const summary = summaryOf(folder);
    for (const key of promised) expect(summary).toHaveProperty(key);
    expect(summary).toMatchObject({
      image: photo,
      network: 'tiny_vgg',
      layer: 'features.8',
      method: 'grad-cam',
      options: {},
      seed: null,
      warnings: [],
      version: JSON.parse(readFileSync('package.json', 'utf8')).version,
    });
    expect(summary.weightsSha256).toMatch(/^[0-9a-f]{64}$/);
    expect(summary.peakGpuBytes).toBeGreaterThan(100_000);
    expect(summary.timesMs.total).toBeGreaterThan(summary.timesMs.explain);

    const { top5 } = summary;
    expect(top5).toHaveLength(5);
    for (const guess of top5) {
      expect(Object.keys(guess)).toEqual(['classId', 'label', 'logit', 'probability']);
    }
    const logits = top5.map((guess: { logit: number }) => guess.logit);
    expect(logits).toEqual([...logits].sort((a, b) => b - a));
    expect(summary.classId).toBe(top5[0].classId);
    expect(summary.label).toBe(`class ${summary.classId}`);
    expect(summary.score).toBeCloseTo(top5[0].logit, 4);

    const map = readMap(join(folder, 'grad-cam.npy'));
    expect(map.shape).toEqual([64, 64]);
    expect(Math.min(...map.data)).toBe(0);
    expect(Math.max(...map.data)).toBe(1);
    const raw = readMap(join(folder, 'grad-cam.raw.npy'));
    expect(raw.shape).toEqual([26, 26]);
    expect(Math.min(...raw.data)).toBe(Math.fround(summary.rawMin));
    expect(Math.max(...raw.data)).toBe(Math.fround(summary.rawMax));

    const [overlay, heatmap, original] = await Promise.all(
      [join(folder, 'grad-cam.png'), join(folder, 'grad-cam.heatmap.png'), photo].map(pixels),
    );
    expect([overlay.width, overlay.height]).toEqual([96, 72]);
    expect([heatmap.width, heatmap.height]).toEqual([64, 64]);
    // Cropped away: the photo as it was. In the crop: colour.
    const at = (x: number, y: number) => 4 * (y * 96 + x);
    expect(overlay.rgba.slice(at(3, 30), at(3, 30) + 4)).toEqual(
      original.rgba.slice(at(3, 30), at(3, 30) + 4),
    );
    expect(overlay.rgba.slice(at(48, 36), at(48, 36) + 4)).not.toEqual(
      original.rgba.slice(at(48, 36), at(48, 36) + 4),
    );
  });

  test('classes that a method of many passes explains at once are as if each were asked for alone', async () => {
    const ask = async (classes: string) => {
      const out = join(scratch, `classes-${classes}`);
      const { status, stderr } = await run([
        ...['explain', photo, ...net, '--output-dir', out, '--npy-raw'],
        ...['--method', 'rise:masks=16', '--class-id', classes],
      ]);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      return out;
    };
    const together = await ask('3,0,5,1,2');
    const { results } = summaryOf(join(together, 'disc'));
    expect(results.map((r: { classId: number }) => r.classId)).toEqual([3, 0, 5, 1, 2]);
    for (const { classId, target, files, score } of results.slice(0, 2)) {
      expect(target).toBe(`class ${classId}`);
      const alone = join(await ask(String(classId)), 'disc');
      expect(score).toBeCloseTo(summaryOf(alone).score, 5);
      for (const [part, name] of [
        ['npy', 'rise.npy'],
        ['npyRaw', 'rise.raw.npy'],
      ] as const) {
        const [got, want] = [join(together, 'disc', files[part]), join(alone, name)].map(readMap);
        expect(got.shape).toEqual(want.shape);
        expect(relativeL2(got.data, want.data)).toBeLessThan(1e-5);
      }
    }
  });

  test('several photos, methods with options and classes', async () => {
    const out = join(scratch, 'several');
    const method = 'layer-cam:gamma=1.5,fuse=mean,smooth-grad-cam++:copies=1';
    const outcome = await run([
      ...['explain', photo, '--image-path', photo, ...net, '--output-dir', out, '--json'],
      ...['--method', method, '--class-id', '3,0', '--layer-name', 'features.6', '--seed', 'abc'],
    ]);
    expect(outcome).toMatchObject({ status: 0, stderr: '' });
    expect(readdirSync(out).sort()).toEqual(['disc', 'disc-2']);
    const printed = JSON.parse(outcome.stdout);
    expect(printed).toHaveLength(2);
    expect(printed[1]).toEqual(summaryOf(join(out, 'disc-2')));
    const [{ results, ...top }] = printed;
    expect(
      results.map((r: { method: string; classId: number; seed: string | null }) => [
        r.method,
        r.classId,
        r.seed,
      ]),
    ).toEqual([
      ['layer-cam', 3, null],
      ['layer-cam', 0, null],
      ['smooth-grad-cam++', 3, 'abc'],
      ['smooth-grad-cam++', 0, 'abc'],
    ]);
    expect(results[0].options).toEqual({ gamma: 1.5, fuse: 'mean' });
    expect(results[2].options).toMatchObject({ copies: 1, sigma: 0.3, seed: 'abc' });
    expect(top).toMatchObject({ method: 'layer-cam', classId: 3, layer: 'features.6' });
    expect(results[0].files.overlay).toBe('layer-cam.class-3.png');
    for (const { files } of results) {
      for (const file of Object.values(files) as string[]) {
        expect(existsSync(join(out, 'disc', file))).toBe(true);
      }
    }
    const [of3, of0] = ['3', '0'].map((id) =>
      readMap(join(out, 'disc', `layer-cam.class-${id}.npy`)),
    );
    expect(of3.data).not.toEqual(of0.data);
  });

  test('flags with several values may be repeated instead', async () => {
    const { stdout } = await run([
      ...['explain', photo, ...net, '--output-dir', join(scratch, 'repeated'), '--json'],
      ...['--method', 'layer-cam', '--class-id', '3', '--class-id', '0,1'],
      ...['--layer-name', 'features.3', '--layer-name', 'features.6'],
    ]);
    const [{ results }] = JSON.parse(stdout);
    expect(results.map((r: { classId: number; layer: string }) => [r.classId, r.layer])).toEqual(
      [3, 0, 1].map((classId) => [classId, 'features.3,features.6']),
    );
  });

  test('--enhance wraps every method, and none twice', async () => {
    const out = join(scratch, 'enhanced');
    const { status, stdout } = await run([
      ...['explain', photo, ...net, '--output-dir', out, '--json', '--enhance', '--seed', 'abc'],
      ...['--method', 'grad-cam:window=32,stride=16'],
      ...['--method', 'enhanced-hires-cam:cutoff=0,smooth-grad-cam:samples=2,window=40'],
      ...['--method', 'smooth-enhanced-grad-cam:samples=1,window=32,stride=32'],
    ]);
    expect(status).toBe(0);
    const [{ results }] = JSON.parse(stdout);
    expect(results.map((r: { method: string }) => r.method)).toEqual([
      'enhanced-grad-cam',
      'enhanced-hires-cam',
      'enhanced-smooth-grad-cam',
      'smooth-enhanced-grad-cam',
    ]);
    expect(results[0].options).toEqual({ window: 32, stride: 16, cutoff: 35 });
    expect(results[1].options).toEqual({ window: 0, stride: 0, cutoff: 0 });
    expect(results[2].options).toMatchObject({ samples: 2, window: 40, noiseSeed: 'abc' });
    expect(results.map((r: { seed: unknown }) => r.seed)).toEqual([null, null, 'abc', 'abc']);
    expect(existsSync(join(out, 'disc', 'enhanced-grad-cam.png'))).toBe(true);
    expect(readMap(join(out, 'disc', 'enhanced-grad-cam.npy')).shape).toEqual([64, 64]);
  });

  test('a preset, with an option beside it that wins', async () => {
    const out = join(scratch, 'preset');
    const { stdout } = await run([
      ...['explain', photo, ...net, '--output-dir', out, '--json', '--memory', '0.5'],
      ...['--method', 'score-cam:preset=paper,weights=score,batch=3'],
    ]);
    const [{ options }] = JSON.parse(stdout);
    expect(options).toEqual({ score: 'logit', weights: 'score', batch: 3 });
  });

  test('the five likeliest classes as one target, and a probability', async () => {
    const out = join(scratch, 'targets');
    const five = await run([
      ...['explain', photo, ...net, '--output-dir', out, '--json', '--top-five'],
    ]);
    expect(five.status).toBe(0);
    expect(JSON.parse(five.stdout)[0]).toMatchObject({ classId: null, label: null });
    const probability = await run([
      ...['explain', photo, ...net, '--output-dir', out, '--json', '--probability'],
      ...[
        '--labels',
        write(
          'ten.json',
          JSON.stringify(Object.fromEntries('abcdefghij'.split('').map((l, i) => [i, ['n0', l]]))),
        ),
      ],
    ]);
    const [summary] = JSON.parse(probability.stdout);
    expect(summary.score).toBeCloseTo(summary.top5[0].probability, 5);
    expect(summary.label).toBe('abcdefghij'[summary.classId]);
  });

  test("a library's profile leaves the map at the layer's size", async () => {
    const out = join(scratch, 'profile');
    const { status } = await run([
      ...['explain', photo, ...net, '--output-dir', out, '--profile', 'torch-cam'],
    ]);
    expect(status).toBe(0);
    expect(readMap(join(out, 'disc', 'grad-cam.npy')).shape).toEqual([26, 26]);
    expect((await pixels(join(out, 'disc', 'grad-cam.png'))).width).toBe(96);
  });

  test('gradients of the pixels and CAM-free methods name where they look', async () => {
    const out = join(scratch, 'gradient');
    const { stdout } = await run([
      ...['explain', photo, ...net, '--output-dir', out, '--method', 'gradient', '--json'],
      ...['--npy-raw', '--colormap', 'greys', '--alpha', '1'],
    ]);
    expect(JSON.parse(stdout)[0].layer).toBe('input');
    expect(readMap(join(out, 'disc', 'gradient.raw.npy')).shape).toEqual([3, 64, 64]);
    const { rgba } = await pixels(join(out, 'disc', 'gradient.heatmap.png'));
    for (let i = 0; i < rgba.length; i += 4) expect(rgba[i]).toBe(rgba[i + 1]);
  });

  test('maps with a sign say so, bring their numbers and diverging colours', async () => {
    const out = join(scratch, 'signed');
    const { stdout } = await run([
      ...['explain', photo, ...net, '--output-dir', out, '--method', 'deeplift,gradient'],
    ]);
    expect(stdout).toMatch(/deeplift of .*, score [-\d.]+, at input, convergenceDelta [-\d.e]+: /);
    const folder = join(out, 'disc');
    const [deeplift, gradient] = summaryOf(folder).results;
    expect(deeplift).toMatchObject({ signed: true, layer: 'input' });
    expect(Math.abs(deeplift.numbers.convergenceDelta)).toBeLessThan(1e-3);
    expect(gradient).toMatchObject({ signed: false, numbers: {} });
    const map = readMap(join(folder, 'deeplift.npy')).data;
    expect([Math.min(...map), Math.max(...map)].some((v) => v === 0 || v === 1)).toBe(true);
    const [heatmap, plain] = await Promise.all(
      ['deeplift', 'gradient'].map((name) => pixels(join(folder, `${name}.heatmap.png`))),
    );
    // Red or blue, the paler the nearer to 0.
    map.forEach((v, i) => {
      const [r, g, b] = heatmap.rgba.slice(4 * i, 4 * i + 3);
      expect(Math.sign(Math.round((v - 0.5) * 100)) * (r - b)).toBeGreaterThanOrEqual(0);
      expect(Math.abs(g - (255 - Math.abs(v - 0.5) * 510))).toBeLessThan(5);
    });
    const jet = colormapTable('jet');
    readMap(join(folder, 'gradient.npy')).data.forEach((v, i) => {
      const at = 4 * Math.floor(255 * v + 0.5);
      expect([...plain.rgba.slice(4 * i, 4 * i + 4)]).toEqual([...jet.slice(at, at + 4)]);
    });
  });

  test('the same bytes twice', async () => {
    const [a, b] = ['again-1', 'again-2'].map((name) => join(scratch, name));
    for (const out of [a, b]) await run(['explain', photo, ...net, '--output-dir', out]);
    for (const file of ['grad-cam.png', 'grad-cam.heatmap.png', 'grad-cam.npy']) {
      expect(readFileSync(join(a, 'disc', file))).toEqual(readFileSync(join(b, 'disc', file)));
    }
  });

  test('the weights alone tell the network', async () => {
    const out = join(scratch, 'recognised');
    const { stdout } = await run([
      ...['explain', photo, '--weight-path', weights, '--output-dir', out, '--json'],
    ]);
    expect(JSON.parse(stdout)[0].network).toBe('tiny_vgg');
  });

  test('the embedded net, with its labels, without a flag', async () => {
    const out = join(scratch, 'toy');
    const { status, stdout } = await run(['explain', photo, '--output-dir', out, '--json']);
    expect(status).toBe(0);
    const [summary] = JSON.parse(stdout);
    expect(summary.network).toBe('toy_vgg');
    expect(['cat', 'dog', 'rabbit', 'bird', 'fish', 'turtle', 'snail', 'butterfly']).toContain(
      summary.label,
    );
  });
});

describe('a map that shows nothing is not drawn', () => {
  const zeroHead = writeTinyVgg('zero.safetensors', (tensor, values) => {
    if (tensor === 'classifier.0.weight') values.fill(0);
  });
  const infinite = writeTinyVgg('infinite.safetensors', (tensor, values) => {
    if (tensor === 'classifier.0.bias') values[4] = Number.NaN;
  });

  test.each([
    ['blank', zeroHead, /all zero/],
    ['not finite', infinite, /not finite/],
  ])('%s', async (name, path, warning) => {
    const out = join(scratch, name);
    const outcome = await run(['explain', photo, '--weight-path', path, '--output-dir', out]);
    expect(outcome.status).toBe(0);
    expect(outcome.stderr).toMatch(/^webgpu-cam: warning: .*disc\.png: grad-cam of class \d: /);
    expect(outcome.stderr).toMatch(warning);
    expect(outcome.stdout).toContain('no map: see the warning');
    const folder = join(out, 'disc');
    expect(summaryOf(folder).warnings[0]).toMatch(warning);
    for (const file of ['grad-cam.png', 'grad-cam.heatmap.png']) {
      const { rgba } = await pixels(join(folder, file));
      const seen = { grey: 0, red: 0, other: 0 };
      for (let i = 0; i < rgba.length; i += 4) {
        const [r, g, b] = rgba.slice(i, i + 3);
        if (r === g && g === b) seen.grey++;
        else if (r === 220 && g === 0 && b === 0) seen.red++;
        else seen.other++;
      }
      expect(seen.other).toBe(0);
      expect(seen.red).toBeGreaterThan(50);
      expect(seen.grey).toBeGreaterThan(10 * seen.red);
    }
  });
});
