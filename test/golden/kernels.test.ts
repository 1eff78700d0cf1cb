import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { goldenDir, hasFolder, reportGolden } from '../support/folders.js';
import { useGpu } from '../support/gpu.js';
import { goldenKernels } from './kernels.js';

const folder = join(goldenDir, 'kernels');

describe.runIf(hasFolder(goldenDir))('golden kernels', () => {
  const { gpu } = useGpu();
  const files = (existsSync(folder) ? readdirSync(folder) : [])
    .filter((file) => file.endsWith('.json'))
    .map((file) => file.slice(0, -'.json'.length))
    .sort();
  const notBuilt: string[] = [];
  let checked = 0;
  let worst = { key: '', share: -1 };

  for (const op of files) {
    const golden = goldenKernels(
      op,
      readFileSync(join(folder, `${op}.json`), 'utf8'),
      readFileSync(join(folder, `${op}.safetensors`)),
      Boolean(process.env.GOLDEN_ALL),
    );
    notBuilt.push(...golden.notBuilt);
    if (golden.cases.length === 0) continue;
    describe(op, () => {
      for (const { name, run } of golden.cases) {
        test(name, async () => {
          const checks = await run(gpu());
          for (const { key, error, tolerance, measure } of checks) {
            expect(error, `${name}/${key}: ${measure}`).toBeLessThanOrEqual(tolerance);
            checked++;
            const share = measure === 'relative L2' ? error / tolerance : 0;
            if (share > worst.share) worst = { key: `${name}/${key}`, share };
          }
        });
      }
    });
  }

  test('cases are read', () => expect(files.length).toBeGreaterThanOrEqual(0));

  afterAll(() => {
    console.info(
      `Golden kernels: the largest relative L2 error is ${(100 * worst.share).toFixed(1)} % of its tolerance (${worst.key}).`,
    );
    reportGolden('kernels', checked, { 'kernel cases': notBuilt });
  });
});
