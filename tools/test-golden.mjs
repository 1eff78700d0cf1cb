// Runs every golden case in the folders that GOLDEN_DIR and REAL_DIR name: `npm test` takes a quick selection of them.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');
const { status } = spawnSync(process.execPath, [vitest, 'run', 'test/golden', ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: { ...process.env, GOLDEN_ALL: '1' },
});
process.exit(status ?? 1);
