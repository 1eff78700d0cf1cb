// Runs every golden case in the folders that GOLDEN_DIR and REAL_DIR name (`npm test` takes a quick selection), then says what was
// checked and what is not built yet. Fails if a comparison failed, or if nothing was compared.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const vitest = join(
  dirname(createRequire(import.meta.url).resolve('vitest/package.json')),
  'vitest.mjs',
);
const folder = mkdtempSync(join(tmpdir(), 'golden-'));
const report = join(folder, 'report.jsonl');
const { status } = spawnSync(
  process.execPath,
  [
    vitest,
    'run',
    'test/golden',
    'test/net/real.test.ts',
    'test/cam/real.test.ts',
    'test/cam/transformer-real.test.ts',
    ...process.argv.slice(2),
  ],
  { stdio: 'inherit', env: { ...process.env, GOLDEN_ALL: '1', GOLDEN_REPORT: report } },
);
const lines = existsSync(report) ? readFileSync(report, 'utf8').trim().split('\n') : [];
rmSync(folder, { recursive: true });

let total = 0;
for (const { what, checked, missing } of lines.map((line) => JSON.parse(line))) {
  total += checked;
  console.log(`${what}: ${checked} comparisons`);
  for (const [kind, names] of Object.entries(missing)) {
    if (names.length > 0)
      console.log(`  not built yet, ${names.length} ${kind}: ${names.join(', ')}`);
  }
}
if (total === 0) console.error('nothing was checked: does GOLDEN_DIR name a folder with cases?');
process.exit(status || (total === 0 ? 1 : 0));
