import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Net } from '../../src/net/net.js';
import {
  goldenCases,
  goldenDir,
  hasFolder,
  readTensors,
  reportGolden,
} from '../support/folders.js';
import { testGpu, useGpu } from '../support/gpu.js';
import { type CamCase, isBuilt, mapsOf, mapsToRun, netOf, runMap } from './cams.js';

/** `npm test` takes these networks; `npm run test:golden` (GOLDEN_ALL) takes all there are. */
const quick = ['alexnet', 'vit_tiny'];

describe.runIf(hasFolder(goldenDir))('golden maps', () => {
  useGpu();
  const cases = goldenCases<CamCase>('cams').filter((c) => c.json.methods && c.json.arch);
  const built = cases.filter((c) => isBuilt(c.json));
  const chosen = built.filter((c) => process.env.GOLDEN_ALL || quick.includes(c.name));
  const images = () => readTensors(join(goldenDir, 'images/images.safetensors'));
  let checked = 0;

  for (const { name, json, tensors } of chosen) {
    describe(name, () => {
      let net: Net;
      beforeAll(async () => {
        net = netOf(await testGpu(), json);
      });
      afterAll(() => net?.destroy());

      for (const map of mapsToRun(json, tensors, Boolean(process.env.GOLDEN_ALL))) {
        test(`${name} ${map}`, { timeout: 900_000 }, async () => {
          const checks = await runMap(net, json, map, tensors, images());
          for (const c of checks) expect.soft(c.error, c.key).toBeLessThanOrEqual(c.tolerance);
          checked += checks.length;
          expect(checks.length, 'keys of the golden that were compared').toBeGreaterThan(0);
        });
      }
    });
  }

  test('cases are read', () => expect(cases.length).toBeGreaterThanOrEqual(0));

  afterAll(() => {
    const networks = cases.filter((c) => !isBuilt(c.json)).map((c) => c.name);
    const maps = [...new Set(cases.flatMap((c) => mapsOf(c.json).missing))];
    reportGolden('maps', checked, { 'networks with maps': networks, maps });
  });
});
