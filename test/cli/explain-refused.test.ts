import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { Recorder } from '../../src/gpu/recorder.js';
import { decodeImage } from '../../src/image/decode-node.js';
import { encodePng } from '../../src/image/encode-node.js';
import { parseNpy } from '../../src/image/npy.js';
import { singlePet } from '../../src/toy/toypets.js';
import { relativeL2 } from '../support/numbers.js';
import { write, writePhoto, writeTinyVgg } from './fixtures.js';
import { noAdapter, run, scratch } from './run-cli.js';

const photo = writePhoto('disc.png');
const net = ['--network', 'tiny_vgg', '--weight-path', writeTinyVgg('tiny.safetensors')];

const summaryOf = (folder: string) =>
  JSON.parse(readFileSync(join(folder, 'summary.json'), 'utf8'));

afterEach(() => {
  vi.restoreAllMocks();
});

describe('what a later method cannot do is said before the first one runs', () => {
  test.each<[string, RegExp, ...string[]]>([
    ['rise,cam', /cam: tiny_vgg does not end in global average pooling/],
    ['rise,group-cam:blur=50', /size is 50, should be odd/],
    ['rise,enhanced-grad-cam:window=500', /a window of 500 pixels should fit/],
    ['rise,lrp:composite=transformer', /composite transformer is not for tiny_vgg/],
    ['rise,grad-cam', /layer classifier\.0 gives \[1,10\]/, '--layer-name', 'classifier.0'],
  ])('%s', async (methods, line, ...flags) => {
    const ran = vi.spyOn(Recorder.prototype, 'run');
    const out = join(scratch, 'late');
    const asked = ['--method', methods, ...flags, '--output-dir', out];
    const { status, stdout, stderr } = await run(['explain', photo, ...net, ...asked]);
    expect(stderr).toMatch(line);
    expect(stderr).toMatch(/^webgpu-cam: [^\n]+\n$/);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(ran).not.toHaveBeenCalled();
    expect(existsSync(out)).toBe(false);
  });

  test.each(['explain', 'sanity'])(
    '%s: a method that does not suit the network, before there is a GPU',
    async (command) => {
      const asked = [command, photo, ...net, '--method', 'rise,raw-attention'];
      const { status, stderr } = await run(asked, { gpu: noAdapter });
      expect(stderr).toMatch(
        /^webgpu-cam: raw-attention: does not suit tiny_vgg: it explains vit_b_16, .*toy_vit\n$/,
      );
      expect(status).toBe(2);
    },
  );
});

describe('a class that a method refuses', () => {
  test('is crossed out with the reason; the other classes and methods are as if it had not been asked for', async () => {
    const { top5 } = JSON.parse((await run(['predict', photo, ...net, '--json'])).stdout)[0];
    const [best, last] = [top5[0].classId, top5[4].classId];
    const explain = async (name: string, method: string, classes: string) => {
      const out = join(scratch, name);
      const asked = ['--method', method, '--class-id', classes, '--output-dir', out];
      return { ...(await run(['explain', photo, ...net, ...asked])), folder: join(out, 'disc') };
    };
    const both = await explain('both', 'msg-cam:steps=1,grad-cam', `${last},${best}`);
    const why = /msg-cam: the image is taken for another class at every size \(64 x 64\)/;
    expect(both.stderr).toMatch(
      new RegExp(`^webgpu-cam: warning: .*disc\\.png: msg-cam of class ${last}: [^\\n]+\\n$`),
    );
    expect(both.stderr).toMatch(why);
    expect(both.status).toBe(0);
    expect(both.stdout).toMatch(
      new RegExp(`msg-cam of ${last} class ${last}, at features\\.8: .*no map: see the warning`),
    );

    const summary = summaryOf(both.folder);
    const [refused, made, ...others] = summary.results;
    expect(refused).toMatchObject({
      ...{ method: 'msg-cam', classId: last, target: `class ${last}`, layer: 'features.8' },
      ...{ score: null, rawMin: null, rawMax: null, numbers: {}, signed: false },
      options: { steps: 1, keep: 'class' },
      files: {
        overlay: `msg-cam.class-${last}.png`,
        heatmap: `msg-cam.class-${last}.heatmap.png`,
      },
    });
    expect(refused.warnings).toEqual([expect.stringMatching(why)]);
    expect(Object.keys(refused).sort()).toEqual(Object.keys(made).sort());
    expect(summary.top5.map((guess: { classId: number }) => guess.classId)).toEqual(
      top5.map((guess: { classId: number }) => guess.classId),
    );
    for (const file of Object.values(refused.files) as string[]) {
      const path = join(both.folder, file);
      const { rgba } = await decodeImage(readFileSync(path), path);
      const seen = new Set<string>();
      for (let i = 0; i < rgba.length; i += 4) {
        const [r, g, b] = rgba.slice(i, i + 3);
        seen.add(r === g && g === b ? 'grey' : [r, g, b].join());
      }
      expect([...seen].sort()).toEqual(['220,0,0', 'grey']);
    }

    const alone = await explain('alone', 'msg-cam:steps=1', String(best));
    const mapIn = (folder: string, file: string) => parseNpy(readFileSync(join(folder, file))).data;
    expect(
      relativeL2(mapIn(both.folder, made.files.npy), mapIn(alone.folder, 'msg-cam.npy')),
    ).toBeLessThan(1e-5);
    expect(others.map((r: { method: string; classId: number }) => [r.method, r.classId])).toEqual([
      ['grad-cam', last],
      ['grad-cam', best],
    ]);
    for (const { warnings } of [made, ...others]) expect(warnings).toEqual([]);
  });

  const pets = [0, 1].map((classId) => {
    const { rgb, size } = singlePet(9, { classId });
    return write(`pet-${classId}.png`, encodePng(rgb, size, size));
  });

  test('on one photo does not take the other photos along', async () => {
    const out = join(scratch, 'photos');
    const asked = ['--method', 'cameras:steps=1', '--class-id', '1', '--output-dir', out];
    const { status, stdout, stderr } = await run(['explain', ...pets, ...asked, '--json']);
    expect(status).toBe(0);
    expect(stderr).toMatch(/^webgpu-cam: warning: .*pet-0\.png: cameras of class 1: [^\n]+\n$/);
    const [cat, dog] = JSON.parse(stdout);
    expect(cat).toMatchObject({ score: null, top5: [{ label: 'cat' }, {}, {}, {}, {}] });
    expect(dog).toMatchObject({ warnings: [], label: 'dog' });
    expect(summaryOf(join(out, 'pet-0'))).toEqual(cat);
    expect(summaryOf(join(out, 'pet-1'))).toEqual(dog);
  });

  test('on every photo ends with status 2, and leaves no files', async () => {
    const out = join(scratch, 'nothing');
    const asked = ['--method', 'cameras:steps=1', '--class-id', '6,7', '--output-dir', out];
    const { status, stdout, stderr } = await run(['explain', ...pets, ...asked]);
    expect(stderr).toMatch(/^webgpu-cam: cameras: the image is taken .*keep=all\n$/);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(existsSync(out)).toBe(false);
  });
});

test('a photo whose name is dots alone does not lead out of the results', async () => {
  const folder = join(scratch, 'dots');
  mkdirSync(folder);
  const photos = ['...png', '..png'].map((name) => join(folder, name));
  for (const path of photos) copyFileSync(photo, path);
  const out = join(folder, 'results');
  const { status } = await run(['explain', ...photos, ...net, '--output-dir', out]);
  expect(status).toBe(0);
  expect(readdirSync(folder).sort()).toEqual(['...png', '..png', 'results']);
  expect(readdirSync(out).sort()).toEqual(['photo', 'photo-2']);
});
