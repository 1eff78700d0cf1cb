/** Maps with a sign: 1/2 is 0, and nothing on the way to the picture forgets it. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { explain } from '../../src/cam/explain.js';
import { fuse } from '../../src/cam/fuse.js';
import { isOfPixels, isSigned } from '../../src/cam/method.js';
import { methodNamed, methods } from '../../src/cam/registry.js';
import { colormapFor } from '../../src/cam/saliency-map.js';
import { classTarget, weightedTarget } from '../../src/cam/target.js';
import { energyShare, LocalisationTally, positivePart } from '../../src/eval/localisation.js';
import { colormapTable } from '../../src/image/colormap.js';
import { Photo } from '../../src/image/photo.js';
import type { Net } from '../../src/net/net.js';
import { explained, smallNet } from '../support/black-box.js';
import { testGpu, useGpu } from '../support/gpu.js';
import { random, relativeL2 } from '../support/numbers.js';

const { gpu } = useGpu();
const [H, W] = [16, 20];
const x = random([1, 3, H, W], 5);
const target = classTarget(2);
const signedOnes = ['gradient-x-input', 'integrated-gradients', 'deeplift', 'lrp'];
let net: Net;

beforeAll(async () => {
  net = smallNet(await testGpu());
});
afterAll(() => net.destroy());

const options = (name: string) =>
  name.includes('integrated') ? { steps: 2 } : name.includes('lrp') ? { composite: 'epsilon' } : {};
const mapOf = async (name: string, more = {}) =>
  explained(net, x, { method: name, target, options: { ...options(name), ...more } });

/** The sum over channels. */
const summed = (raw: Float32Array) =>
  Float64Array.from({ length: H * W }, (_, i) => raw[i] + raw[i + H * W] + raw[i + 2 * H * W]);
const balanced = (amounts: Float64Array) => {
  const most = amounts.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  return amounts.map((v) => 0.5 + v / most / 2);
};
const amounts = (map: Float32Array) => Float64Array.from(map, (v) => 2 * v - 1);

test('attributions have a sign, sensitivities have none', () => {
  const names = [...methods.values()].filter(isSigned).map(({ name }) => name);
  expect(names.sort()).toEqual([...signedOnes].sort());
  expect(colormapFor(methodNamed('lrp'))).toBe('bwr');
  expect(colormapFor(methodNamed('gradient'))).toBe('jet');
  expect(isSigned(methodNamed('enhanced-lrp')) && isSigned(methodNamed('smooth-lrp'))).toBe(true);
  expect(isSigned(methodNamed('enhanced-gradient'))).toBe(false);
  expect(isOfPixels(methodNamed('gradient')) && isOfPixels(methodNamed('lrp'))).toBe(true);
  expect(isOfPixels(methodNamed('grad-cam'))).toBe(false);
});

test.each(signedOnes)('%s: the sum over channels about 1/2', async (name) => {
  const { raw, map } = await mapOf(name);
  const sums = summed(raw);
  expect(sums.some((v) => v < 0) && sums.some((v) => v > 0)).toBe(true);
  expect(relativeL2(map, balanced(sums))).toBeLessThan(1e-6);
  expect(Math.min(1 - Math.max(...map), Math.min(...map))).toBe(0);
  map.forEach((v, i) => {
    expect(Math.sign(v - 0.5) * Math.sign(sums[i])).toBeGreaterThanOrEqual(0);
  });
});

test('what is nothing is 1/2 everywhere, and says so', async () => {
  const input = gpu().tensor(new Float32Array(3 * H * W), x.shape);
  const result = await explain(net, input, { method: 'gradient-x-input', target });
  expect(result.signed).toBe(true);
  expect((await result.read()).every((v) => v === 0.5)).toBe(true);
  expect((await result.summaries())[0].warnings[0]).toMatch(/all zero/);
  result.destroy();
  input.destroy();
});

test('diverging colours, unless others are asked for', async () => {
  const input = gpu().tensor(x.data, x.shape);
  const result = await explain(net, input, { method: 'lrp', target });
  const map = await result.read();
  const coloured = (name: Parameters<typeof colormapTable>[0]) =>
    Array.from(map).flatMap((v) => [
      ...colormapTable(name).subarray(...[0, 1].map((k) => 4 * (Math.floor(v * 255 + 0.5) + k))),
    ]);
  expect([...(await result.heatmap())]).toEqual(coloured('bwr'));
  expect([...(await result.heatmap({ colormap: 'greys' }))]).toEqual(coloured('greys'));
  const image = { width: W, height: H, rgba: new Uint8Array(4 * W * H).fill(255) };
  const photo = Photo.fromRgba(gpu(), image);
  const [own, bwr, jet] = [
    await result.overlay(photo),
    await result.overlay(photo, { colormap: 'bwr' }),
    await result.overlay(photo, { colormap: 'jet' }),
  ];
  expect([...own]).toEqual([...bwr]);
  expect([...own]).not.toEqual([...jet]);
  for (const owned of [photo, result, input]) owned.destroy();
});

test('over a photo, opacity tells the amount: where nothing speaks the photo stays, and is never whitened', async () => {
  const input = gpu().tensor(x.data, x.shape);
  const result = await explain(net, input, { method: 'lrp', target });
  const grey = { width: W, height: H, rgba: new Uint8Array(4 * W * H).fill(128) };
  const photo = Photo.fromRgba(gpu(), grey);
  const overlay = await result.overlay(photo);
  let [furthest, brightest] = [0, 0];
  for (let i = 0; i < overlay.length; i += 4) {
    const [r, g, b] = overlay.subarray(i, i + 3);
    furthest = Math.max(furthest, Math.abs(r - b));
    brightest = Math.max(brightest, Math.min(r, g, b));
  }
  expect(furthest).toBeGreaterThan(100);
  expect(brightest).toBeLessThanOrEqual(128);
  for (const owned of [photo, result, input]) owned.destroy();
});

test('classes with weights, one of them against: signed amounts are added', async () => {
  const method = 'gradient-x-input';
  const maps = [];
  for (const choice of [2, 4]) {
    maps.push((await explained(net, x, { method, target: classTarget(choice) })).map);
  }
  const both = weightedTarget([
    { choice: 2, weight: 3 },
    { choice: 4, weight: -1 },
  ]);
  const [a, b] = maps.map(amounts);
  const want = balanced(a.map((v, i) => 3 * v - b[i]));
  expect(relativeL2((await explained(net, x, { method, target: both })).map, want)).toBeLessThan(
    1e-5,
  );
});

test('a fusion adds signed amounts; it has a sign if all its parts have', async () => {
  const [lrp, product, gradient] = [
    (await explained(net, x, { method: 'lrp', target })).map,
    (await mapOf('gradient-x-input')).map,
    (await mapOf('gradient')).map,
  ];
  const part = (name: string, weight = 1) => ({ method: methodNamed(name), weight });
  const all = fuse('all', [part('lrp', 2), part('gradient-x-input')]);
  expect(isSigned(all)).toBe(true);
  const [a, b] = [amounts(lrp), amounts(product)];
  const signed = await explained(net, x, { method: all, target });
  expect(relativeL2(signed.map, balanced(a.map((v, i) => 2 * v + b[i])))).toBeLessThan(1e-5);

  const some = fuse('some', [part('lrp'), part('gradient', 0.5)]);
  expect(isSigned(some)).toBe(false);
  const mixed = await explained(net, x, { method: some, target });
  expect(
    relativeL2(
      mixed.raw,
      a.map((v, i) => v + gradient[i] / 2),
    ),
  ).toBeLessThan(1e-5);
});

test('windows add signed amounts: outside of them nothing, and no step at their borders', async () => {
  const window = { window: 8, stride: 8, cutoff: 0 };
  const plain = amounts((await mapOf('gradient-x-input')).map);
  const { raw, map } = await mapOf('enhanced-gradient-x-input', window);
  expect(relativeL2(map, balanced(Float64Array.from(raw)))).toBeLessThan(1e-6);
  // 20 columns hold two windows of 8: the last four are the whole image's own.
  for (let i = 0; i < raw.length; i++) {
    if (i % W >= 16) expect(Math.abs(raw[i] - plain[i])).toBeLessThan(1e-5);
  }
  expect(raw.some((v, i) => Math.abs(v - plain[i]) > 1e-2)).toBe(true);
});

test('noise is averaged before the channels are added', async () => {
  const quiet = { samples: 2, noise: 0 };
  const { map } = await mapOf('smooth-gradient-x-input', quiet);
  expect(relativeL2(map, (await mapOf('gradient-x-input')).map)).toBeLessThan(1e-6);
});

test('the energy of a signed map is what speaks for the class', () => {
  const map = Float32Array.of(1, 0.75, 0.5, 0);
  expect([...positivePart(map)]).toEqual([1, 0.5, 0, 0]);
  expect(energyShare(positivePart(map), [1, 0, 0, 1])).toBeCloseTo(2 / 3);
  const tally = new LocalisationTally();
  tally.add(positivePart(Float32Array.of(0.5, 0.5)), { mask: [1, 0] });
  expect(tally.score.blank).toBe(1);
});
