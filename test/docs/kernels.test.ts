import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { allKernels } from '../support/all-kernels.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const path = join(root, 'docs/kernels.md');
const check = (file: string) =>
  spawnSync(process.execPath, [join(root, 'tools/kernel-table.mjs'), '--check', file], {
    encoding: 'utf8',
  });

test('docs/kernels.md is the table of the specs', () => {
  const { status, stderr } = check(path);
  expect(stderr).toBe('');
  expect(status).toBe(0);
});

test('docs/kernels.md has a row for each kernel, and names each letter', () => {
  const text = readFileSync(path, 'utf8');
  for (const { name } of allKernels) expect(text).toContain(`| [${name}](../src/kernels/`);
  const notation = text.slice(0, text.indexOf('<!-- kernels:'));
  const shapes = allKernels.flatMap(({ spec }) =>
    Object.values({ ...spec.reads, ...spec.results }),
  );
  const letters = new Set(shapes.flatMap((shape) => (shape as string).split(' ')));
  for (const letter of letters) {
    if (/^\d+$/.test(letter)) continue;
    const named = notation.split('\n').some((line) => {
      const cell = line.match(/^\| ([^|]*) \|/)?.[1] ?? '';
      return cell.match(/[A-Z]+|\*/g)?.includes(letter);
    });
    expect(named, `the notation explains ${letter}`).toBe(true);
  }
});

test('a row that is stale is found', () => {
  const folder = mkdtempSync(join(tmpdir(), 'webgpu-cam-docs-'));
  try {
    const copy = join(folder, 'kernels.md');
    writeFileSync(copy, readFileSync(path, 'utf8').replace('`x [N C H W]`', '`x [N C W H]`'));
    const { status, stderr } = check(copy);
    expect(stderr).toContain('is stale: run `node tools/kernel-table.mjs`');
    expect(status).toBe(1);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
