import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BenchFile } from '../../bench/report.js';

const program = fileURLToPath(new URL('../../bench/run-node.mjs', import.meta.url));
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bench-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const bench = (...args: string[]) =>
  new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    execFile(process.execPath, [program, ...args], (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    );
  });

test('lists cases without a device', async () => {
  const { code, stdout } = await bench('--list', '--only', 'softmax|^vgg16 forward');
  expect(stdout).toBe('softmax x=1x1000  [grad-cam]\nvgg16 forward\n');
  expect(code).toBe(0);
});

test('checks, measures, writes JSON and compares', async () => {
  const json = join(folder, 'first.json');
  const only = ['--only', '^softmax', '--rounds', '2'];
  const first = await bench(...only, '--json', json);
  expect(first.code).toBe(0);
  expect(first.stdout).toContain('all results match: 1 against the naive variant, 1 kernel cases');
  expect(first.stdout).toMatch(/^times: (timestamp queries|wall clock)/m);
  expect(first.stdout).toMatch(/% {2}softmax x=1x1000 \(narrow\)$/m);
  const file = JSON.parse(await readFile(json, 'utf8')) as BenchFile;
  expect(file.runtime).toBe(`node ${process.versions.node}`);
  expect(file.adapter).toMatch(/\w/);
  expect(Object.keys(file.versions)).toEqual(['webgpu-cam', 'dawn', 'platform']);
  expect(Date.parse(file.date)).toBeLessThanOrEqual(Date.now());
  expect(file.ceilings!.gflops).toBeGreaterThan(0);
  expect(file.measurements).toHaveLength(1);
  expect(file.measurements[0]).toMatchObject({ id: 'softmax x=1x1000', rounds: 2, flops: 5000 });

  // A run that was a thousand times as slow.
  const slower = { ...file.measurements[0], medianMs: 1000 * file.measurements[0].medianMs };
  await writeFile(json, JSON.stringify({ ...file, measurements: [slower] }));
  const second = await bench(...only, '--compare', json, '--json', join(folder, 'second.json'));
  expect(second.stdout).toContain('1 of 1 changed by more than 10 %, 0 new');
  expect(second.stdout).toMatch(/time -\d+%: .*softmax/);
});

test('refuses what it cannot do, in one line', async () => {
  const refused = [
    ['--rounds', 'none', 'bench: --rounds is none, should be a whole number of at least 1\n'],
    ['--compare', 'none.json', 'bench: --compare none.json: no such file\n'],
    ['--only', 'no such kernel', 'bench: no case matches {"only":"no such kernel"}\n'],
  ];
  for (const [flag, value, words] of refused) {
    const { code, stderr } = await bench(flag, value);
    expect(stderr).toContain(words);
    expect(code).toBe(1);
  }
});
