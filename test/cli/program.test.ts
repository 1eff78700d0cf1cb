import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { writePhoto } from './fixtures.js';
import { scratch } from './run-cli.js';

const root = resolve(import.meta.dirname, '../..');
const program = join(root, 'bin/webgpu-cam.js');
const photo = writePhoto('spawned.png');

/** Starts the built program, as `npx webgpu-cam` does, in the scratch folder. */
function start(argv: readonly string[]): { child: ChildProcess; stderr: () => string } {
  const child = spawn(process.execPath, [program, ...argv], { cwd: scratch });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  return { child, stderr: () => stderr };
}

async function finish(argv: readonly string[]) {
  const { child, stderr } = start(argv);
  let stdout = '';
  child.stdout!.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  const [status] = await once(child, 'close');
  return { status, stdout, stderr: stderr() };
}

describe('the built program', () => {
  test('is built', () => {
    expect(existsSync(join(root, 'dist/cli.js')), 'run `npm run build` first').toBe(true);
  });

  test('explains with the embedded net from any folder, and ends by itself', async () => {
    const { status, stdout, stderr } = await finish(['explain', photo, '--json']);
    expect(status).toBe(0);
    expect(stderr).toMatch(/^(webgpu-cam: computing on a software adapter [^\n]*\n)?$/);
    expect(JSON.parse(stdout)[0]).toMatchObject({ network: 'toy_vgg', method: 'grad-cam' });
    expect(readdirSync(join(scratch, 'results/spawned')).sort()).toEqual([
      'grad-cam.heatmap.png',
      'grad-cam.npy',
      'grad-cam.png',
      'summary.json',
    ]);
  });

  test('bad input ends with status 2, one line and no stack', async () => {
    const { status, stdout, stderr } = await finish(['explain', 'nowhere.png']);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toBe('webgpu-cam: nowhere.png: no such file\n');
  });

  test('Ctrl-C leaves no half files', async () => {
    const out = join(scratch, 'ctrl-c');
    const { child, stderr } = start([
      ...['explain', photo, '--output-dir', out],
      ...['--method', 'grad-cam,smooth-grad-cam++:copies=200'],
    ]);
    const ended = once(child, 'close');
    // The first map's files are on disk, aside; the second map takes long.
    while (!existsSync(join(out, 'spawned')) && child.exitCode === null) {
      await new Promise((done) => setTimeout(done, 10));
    }
    child.kill('SIGINT');
    const [status] = await ended;
    expect(stderr()).toMatch(/webgpu-cam: interrupted\n$/);
    expect(status).toBe(1);
    expect(existsSync(out)).toBe(false);
  });

  test('a reader that leaves early is no failure to talk about', async () => {
    const { child, stderr } = start(['methods']);
    child.stdout!.destroy();
    await once(child, 'close');
    expect(stderr()).toBe('');
  });
});
