import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { useGpu } from '../support/gpu.js';
import { goldenKernels } from './kernels.js';

const root =
  process.env.GOLDEN_DIR ?? fileURLToPath(new URL('../../../shared/golden', import.meta.url));
const folder = join(root, 'kernels');

if (!existsSync(folder)) {
  const line = `Golden kernels: there is no ${folder}; set GOLDEN_DIR to the folder of golden files.`;
  test('golden kernels', ({ skip }) => {
    if (process.env.CI) expect.fail(line);
    skip(line);
  });
} else {
  const { gpu } = useGpu();
  const files = readdirSync(folder)
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

  test('golden kernels were checked', () => {
    expect(checked).toBeGreaterThan(0);
  });

  afterAll(() => {
    const lines = [
      `Golden kernels: ${checked} comparisons; the largest relative L2 error is ${(100 * worst.share).toFixed(1)} % of its tolerance (${worst.key}).`,
      `Not built yet: ${notBuilt.length}: ${notBuilt.join(', ') || 'nothing'}.`,
    ];
    console.info(lines.join('\n'));
  });
}
