import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { explain } from '../../src/cam/explain.js';
import { predict } from '../../src/cam/predict.js';
import { classTarget } from '../../src/cam/target.js';
import { decodeImage } from '../../src/image/decode-node.js';
import { Photo } from '../../src/image/photo.js';
import { Net } from '../../src/net/net.js';
import { hasFolder, readJson, readTensors, realDir } from '../support/folders.js';
import { testGpu, useGpu } from '../support/gpu.js';
import { relativeL2 } from '../support/numbers.js';

type Expected = Record<
  string,
  { top5: Record<string, { id: number; label: string; p: number; logit: number }[]> }
>;

describe.runIf(hasFolder(realDir))('real networks', () => {
  useGpu();
  const expected = readJson<Expected>(join(realDir, 'expected.json'));
  const load = async (name: string) =>
    Net.load(await testGpu(), name, readFileSync(join(realDir, `${name}.safetensors`)));
  const photoOf = async (file: string) =>
    Photo.fromRgba(
      await testGpu(),
      await decodeImage(readFileSync(join(realDir, 'images', file)), file),
    );

  describe('tiny_vgg', () => {
    let net: Net;
    beforeAll(async () => {
      net = await load('tiny_vgg');
    });
    afterAll(() => net.destroy());

    test.each(Object.keys(expected).filter((file) => file.startsWith('tiny_')))(
      '%s',
      async (file) => {
        const photo = await photoOf(file);
        const [top5] = await predict(net, photo);
        const wanted = expected[file].top5.tiny_vgg;
        expect(top5[0].classId).toBe(wanted[0].id);
        expect(Math.abs(top5[0].probability - wanted[0].p)).toBeLessThan(0.02);
        photo.destroy();
      },
    );
  });

  describe.each([
    { net: 'squeezenet1_1', file: 'squeezenet1_1.safetensors', found: 'squeezenet1_1' },
    {
      net: 'deit_tiny_patch16_224',
      file: 'deit_tiny_patch16_224.safetensors',
      found: 'deit_tiny',
    },
    {
      net: 'deit_tiny_patch16_224',
      file: 'formats/deit_tiny_torchvision_names.pth',
      found: 'deit_tiny',
    },
  ])('$file', ({ net: name, file, found }) => {
    test('is recognised; logits and Grad-CAM of the reference input', async () => {
      const net = Net.load(await testGpu(), undefined, readFileSync(join(realDir, file)));
      expect(net.name).toBe(found);
      const reference = readTensors(join(realDir, 'reference/dog_and_cat.safetensors'));
      const get = (key: string) => reference(`${name}.${key}`)!;
      const x = get('input');
      // Both classes in one batch.
      const two = new Float32Array(2 * x.data.length);
      two.set(x.data);
      two.set(x.data, x.data.length);
      const input = net.gpu!.tensor(two, [2, ...x.shape.slice(1)]);
      const result = await explain(net, input, { target: classTarget([243, 282]) });
      const [logits, raw] = (await net.gpu!.read([result.logits, result.raw])) as Float32Array[];
      expect(relativeL2(logits.subarray(0, 1000), get('logits').data)).toBeLessThan(1e-4);
      for (const [n, classId] of [243, 282].entries()) {
        const { data } = get(`gradcam.${classId}`);
        const map = raw.subarray(n * data.length, (n + 1) * data.length).map((v) => Math.max(v, 0));
        expect(relativeL2(map, data)).toBeLessThan(1e-3);
      }
      result.destroy();
      input.destroy();
      net.destroy();
    });
  });

  describe('squeezenet1_1', () => {
    let net: Net;
    beforeAll(async () => {
      net = await load('squeezenet1_1');
    });
    afterAll(() => net.destroy());

    test('from the photo: 243 lies on the dog and 282 on the cat', async () => {
      const photo = await photoOf('dog_and_cat.png');
      const result = await explain(net, [photo, photo], { target: classTarget([243, 282]) });
      const map = await result.read();
      // Boxes of the real files' README, as shares of the picture; the map covers its centre crop.
      const boxes = { dog: [0.33, 0.03, 0.82, 0.62], cat: [0.18, 0.5, 0.92, 1] } as const;
      const peak = (n: number) => {
        const one = map.subarray(n * 224 * 224, (n + 1) * 224 * 224);
        const at = one.indexOf(one.reduce((a, b) => Math.max(a, b)));
        const shorter = Math.min(photo.width, photo.height);
        const place = (pixel: number, side: number) =>
          (side / 2 + ((pixel + 0.5 - 112) / 256) * shorter) / side;
        return [place(at % 224, photo.width), place(Math.floor(at / 224), photo.height)];
      };
      const inside = ([u, v]: number[], [x0, y0, x1, y1]: readonly number[]) =>
        u >= x0 && u <= x1 && v >= y0 && v <= y1;
      expect(inside(peak(0), boxes.dog), `peak of 243 at ${peak(0)}`).toBe(true);
      expect(inside(peak(1), boxes.cat), `peak of 282 at ${peak(1)}`).toBe(true);
      result.destroy();
      photo.destroy();
    });
  });

  test.each([
    {
      name: 'squeezenet1_1',
      files: ['dog_and_cat.png', 'cat.jpg', 'zebras_and_elephants.jpg', 'goldfish.jpg'],
    },
    { name: 'deit_tiny_patch16_224', files: ['dog_and_cat.png', 'pelican.jpg'] },
  ])('top-1 of the photos is as expected: $name', { timeout: 600_000 }, async (of) => {
    const close: Record<string, number[]> = {
      'cat.jpg': [281, 282, 285],
      'dog_and_cat.png': [242, 243],
    };
    const weights = readFileSync(join(realDir, `${of.name}.safetensors`));
    const net = Net.load(await testGpu(), undefined, weights);
    for (const file of of.files) {
      const photo = await photoOf(file);
      const [top5] = await predict(net, photo);
      const wanted = expected[file].top5[of.name][0];
      expect(close[file] ?? [wanted.id], file).toContain(top5[0].classId);
      const same = top5.find((p) => p.classId === wanted.id)!;
      expect(Math.abs(same.probability - wanted.p), file).toBeLessThan(0.03);
      photo.destroy();
    }
    net.destroy();
  });
});
