import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { Gpu } from '../../src/gpu/device.js';
import {
  goldenCases,
  goldenDir,
  hasFolder,
  readTensors,
  reportGolden,
} from '../support/folders.js';
import { useGpu } from '../support/gpu.js';
import { isBuilt, type NetCase, runNetCase } from './nets.js';

/** `npm test` takes these; `npm run test:golden` (GOLDEN_ALL) takes all there are. */
const quick = ['alexnet', 'squeezenet1_1', 'vgg11'];

/** Run on a device with no more than core limits: its first linear layer's 392 MiB have to be split. */
const atCoreLimits = ['vgg16'];

describe.runIf(hasFolder(goldenDir))('golden networks', () => {
  const { gpu } = useGpu();
  const cases = goldenCases<NetCase>('nets');
  const built = cases.filter((c) => isBuilt(c.json));
  const chosen = built.filter((c) => process.env.GOLDEN_ALL || quick.includes(c.name));
  const images = () => readTensors(join(goldenDir, 'images/images.safetensors'));
  let checked = 0;

  for (const { name, json, tensors } of chosen) {
    test(`${name}: logits, activations and gradients`, { timeout: 900_000 }, async () => {
      const isCore = atCoreLimits.includes(json.arch);
      const device = isCore ? await Gpu.request({ limits: 'core' }) : gpu();
      const checks = await runNetCase(device, json, tensors, images());
      if (isCore) device.destroy();
      for (const c of checks) expect.soft(c.error, c.key).toBeLessThanOrEqual(c.tolerance);
      checked += checks.length;
      expect(checks.length).toBeGreaterThan(0);
    });
  }

  test('cases are read', () => expect(cases.length).toBeGreaterThanOrEqual(0));

  afterAll(() => {
    const networks = cases.filter((c) => !isBuilt(c.json)).map((c) => c.name);
    reportGolden('networks', checked, { networks });
  });
});
