import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseNpy } from '../../src/image/npy.js';
import { hasFolder, readJson, realDir } from '../support/folders.js';
import { run, scratch } from './run-cli.js';

type Expected = Record<
  string,
  { top5: Record<string, { id: number; label: string; p: number; logit: number }[]> }
>;

describe.runIf(hasFolder(realDir))('real networks and photos', () => {
  const expected = readJson<Expected>(join(realDir, 'expected.json'));

  test('predict with tiny_vgg', async () => {
    const files = Object.keys(expected).filter((file) => file.startsWith('tiny_'));
    expect(files.length).toBeGreaterThan(2);
    const { stdout } = await run([
      ...['predict', ...files.map((file) => join(realDir, 'images', file)), '--json'],
      ...['--weight-path', join(realDir, 'tiny_vgg.safetensors')],
      ...['--labels', join(realDir, 'labels_tiny_vgg.json')],
    ]);
    const predictions: { top5: { classId: number; label: string; probability: number }[] }[] =
      JSON.parse(stdout);
    files.forEach((file, i) => {
      const [wanted] = expected[file].top5.tiny_vgg;
      const [best] = predictions[i].top5;
      expect(best.classId).toBe(wanted.id);
      expect(best.label).toBe(wanted.label);
      expect(Math.abs(best.probability - wanted.p)).toBeLessThan(0.02);
    });
  });

  test('SqueezeNet puts 243 on the dog and 282 on the cat', async () => {
    const out = join(scratch, 'squeezenet');
    const { status, stdout } = await run([
      ...['explain', join(realDir, 'images/dog_and_cat.png'), '--network', 'squeezenet1_1'],
      ...['--weight-path', join(realDir, 'squeezenet1_1.safetensors'), '--class-id', '243,282'],
      ...['--labels', join(realDir, 'labels_imagenet1k.json'), '--output-dir', out, '--json'],
    ]);
    expect(status).toBe(0);
    const [{ top5, results }] = JSON.parse(stdout);
    const wanted = expected['dog_and_cat.png'].top5.squeezenet1_1;
    expect([242, 243]).toContain(top5[0].classId);
    for (const { classId, logit } of top5) {
      const known = wanted.find((guess) => guess.id === classId);
      if (known) expect(Math.abs(logit - known.logit)).toBeLessThan(0.2);
    }
    expect(results.map((r: { label: string }) => r.label)).toEqual(['bull mastiff', 'tiger cat']);

    // The hottest pixel as fractions of the photo, and the share of heat in a box.
    const look = (classId: number, [x0, x1, y0, y1]: number[]) => {
      const path = join(out, 'dog_and_cat', `grad-cam.class-${classId}.npy`);
      const { data, shape } = parseNpy(readFileSync(path));
      expect(shape).toEqual([224, 224]);
      const position = (i: number) => (i + 0.5 + 16) / 256;
      let [inside, all, peak] = [0, 0, 0];
      data.forEach((heat, i) => {
        const [x, y] = [position(i % 224), position(Math.floor(i / 224))];
        all += heat;
        if (x >= x0 && x <= x1 && y >= y0 && y <= y1) inside += heat;
        if (heat > data[peak]) peak = i;
      });
      return { share: inside / all, x: position(peak % 224), y: position(Math.floor(peak / 224)) };
    };
    const dog = [0.33, 0.82, 0.03, 0.62];
    const cat = [0.18, 0.92, 0.5, 1];
    const of243 = look(243, dog);
    expect(of243.share).toBeGreaterThan(0.6);
    expect(of243.x).toBeGreaterThan(0.33);
    expect(of243.y).toBeLessThan(0.5);
    const of282 = look(282, cat);
    expect(of282.x).toBeGreaterThan(0.18);
    expect(of282.y).toBeGreaterThan(0.62);
    expect(of282.share).toBeGreaterThan(2 * look(243, cat).share);
  });
});
