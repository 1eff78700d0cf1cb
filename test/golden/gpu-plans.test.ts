/**
 * Goldens by the plans that GPUs get: other kernels than those a software adapter takes, other merges and routes, here run on whatever adapter there is.
 * That takes it ten times as long and more, so `npm test` has one network and one file of maps.
 */
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { goldenCases, goldenDir, hasFolder, readTensors } from '../support/folders.js';
import { testGpu, useGpu } from '../support/gpu.js';
import { asGpu } from '../support/with-caps.js';
import { type CamCase, mapsToRun, netOf, runMap } from './cams.js';
import { isBuilt, type NetCase, runNetCase } from './nets.js';

/** `npm test` takes these; `npm run test:golden` (GOLDEN_ALL) takes all there are. */
const quick = { networks: ['alexnet'], maps: ['vit_tiny'] };

const isChosen = (name: string, names: readonly string[]) =>
  Boolean(process.env.GOLDEN_ALL) || names.includes(name);

describe.runIf(hasFolder(goldenDir))('goldens by plans for GPUs', () => {
  const { gpu } = useGpu();
  beforeAll(async () => {
    asGpu(await testGpu());
  });
  const images = () => readTensors(join(goldenDir, 'images/images.safetensors'));

  for (const { name, json, tensors } of goldenCases<NetCase>('nets')) {
    if (!isBuilt(json) || !isChosen(name, quick.networks)) continue;
    test(`${name}: logits, activations and gradients`, { timeout: 900_000 }, async () => {
      expect(gpu().caps.kind).toBe('gpu');
      const checks = await runNetCase(gpu(), json, tensors, images());
      for (const c of checks) expect.soft(c.error, c.key).toBeLessThanOrEqual(c.tolerance);
      expect(checks.length).toBeGreaterThan(0);
    });
  }

  for (const { name, json, tensors } of goldenCases<CamCase>('cams')) {
    if (!json.methods || !json.arch || !isBuilt(json) || !isChosen(name, quick.maps)) continue;
    test(`${name}: maps`, { timeout: 900_000 }, async () => {
      const net = netOf(gpu(), json);
      const maps = mapsToRun(json, tensors, Boolean(process.env.GOLDEN_ALL));
      expect(maps.length).toBeGreaterThan(0);
      for (const map of maps) {
        for (const c of await runMap(net, json, map, tensors, images()))
          expect.soft(c.error, `${map} ${c.key}`).toBeLessThanOrEqual(c.tolerance);
      }
      net.destroy();
    });
  }
});
