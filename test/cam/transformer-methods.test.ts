import { afterAll, beforeAll, expect, test } from 'vitest';
import { explain } from '../../src/cam/explain.js';
import { methodNamed, methods } from '../../src/cam/registry.js';
import { classTarget } from '../../src/cam/target.js';
import { LayerError } from '../../src/errors.js';
import type { Net } from '../../src/net/net.js';
import { testGpu, useGpu } from '../support/gpu.js';
import { random, relativeL2 } from '../support/numbers.js';
import { quickOptions } from '../support/quick-options.js';
import { tinyVitNet } from '../support/tiny-vit.js';

useGpu();

let net: Net;
const size = [40, 32] as const;
const batch = random([2, 3, ...size], 3);

beforeAll(async () => {
  net = tinyVitNet(await testGpu(), { depth: 2 });
});
afterAll(() => net.destroy());

async function mapsOf(first: number, count: number, options: Parameters<typeof explain>[2]) {
  const per = batch.data.length / 2;
  const data = batch.data.slice(first * per, (first + count) * per);
  const input = net.gpu!.tensor(data, [count, 3, ...size]);
  const result = await explain(net, input, options);
  const [map, raw] = (await net.gpu!.read([result.map, result.raw])) as Float32Array[];
  result.destroy();
  input.destroy();
  return { map, raw };
}

/** Its formula needs a convolutional network. */
const refused = ['cam'];

/** Relevance through residual sums divides by what nearly cancels: the bound that the goldens have for it. */
const near = (name: string) => (/lrp|relevance|attribution/.test(name) ? 2e-3 : 1e-4);

const names = [...methods.keys(), 'enhanced-grad-cam'];

test.each(names)('%s explains a transformer', async (name) => {
  const method = methodNamed(name);
  const options = name.startsWith('enhanced') ? { window: 32, stride: 8 } : quickOptions[name];
  const all = mapsOf(0, 2, { method, options, target: classTarget([1, 2]) });
  if (refused.includes(name)) {
    await expect(all).rejects.toThrow(LayerError);
    return;
  }
  const { map, raw } = await all;
  expect(map.length).toBe(2 * size[0] * size[1]);
  for (const v of map) if (!(v >= 0 && v <= 1)) expect.fail(`map holds ${v}`);
  // Each image as alone is tested for methods of more passes on another network, but for what residual paths bring.
  if (method.passes !== 'one' && name !== 'ablation-cam') return;
  const alone = await mapsOf(1, 1, { method, options, target: classTarget(2) });
  expect(relativeL2(raw.subarray(raw.length / 2), alone.raw)).toBeLessThan(near(name));
});
