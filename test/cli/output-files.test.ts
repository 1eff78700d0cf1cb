import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { UsageError } from '../../src/cli/io.js';
import { checkWritable, OutputFiles } from '../../src/cli/output-files.js';
import { writePhoto, writeTinyVgg } from './fixtures.js';
import { run, scratch } from './run-cli.js';

describe('files appear whole or not at all', () => {
  test('nothing has its name before commit, everything after', () => {
    const folder = join(scratch, 'commit', 'deep');
    const files = new OutputFiles(folder);
    files.add('a.txt', 'a');
    files.add('b.txt', 'b');
    expect(readdirSync(folder).filter((name) => !name.endsWith('.part'))).toEqual([]);
    files.commit();
    expect(readdirSync(folder).sort()).toEqual(['a.txt', 'b.txt']);
    files.discard();
    expect(readFileSync(join(folder, 'b.txt'), 'utf8')).toBe('b');
  });

  test('an old file stays until the new one is whole', () => {
    const folder = join(scratch, 'old');
    mkdirSync(folder);
    writeFileSync(join(folder, 'a.txt'), 'old');
    const files = new OutputFiles(folder);
    files.add('a.txt', 'new');
    files.discard();
    expect(readdirSync(folder)).toEqual(['a.txt']);
    expect(readFileSync(join(folder, 'a.txt'), 'utf8')).toBe('old');
  });

  test('an abort removes files and the folders made for them, at once', () => {
    const interrupt = new AbortController();
    const files = new OutputFiles(join(scratch, 'aborted', 'deep'), interrupt.signal);
    files.add('a.txt', 'a');
    interrupt.abort();
    expect(existsSync(join(scratch, 'aborted'))).toBe(false);
    expect(() => files.add('b.txt', 'b')).toThrow(/abort/);
    expect(() => files.commit()).toThrow(/abort/);
    expect(existsSync(join(scratch, 'aborted'))).toBe(false);
  });

  test('a folder where a file should be', () => {
    const folder = join(scratch, 'taken');
    mkdirSync(join(folder, 'a.txt', 'inside'), { recursive: true });
    const files = new OutputFiles(folder);
    files.add('a.txt', 'a');
    expect(() => files.commit()).toThrow(UsageError);
    files.discard();
    expect(readdirSync(folder)).toEqual(['a.txt']);
  });

  test('checkWritable makes nothing', () => {
    checkWritable(join(scratch, 'not', 'yet'));
    expect(existsSync(join(scratch, 'not'))).toBe(false);
    writeFileSync(join(scratch, 'plain'), '');
    expect(() => checkWritable(join(scratch, 'plain', 'x'))).toThrow(/is a file, not a folder/);
  });
});

test('an interrupted run leaves no files and ends with status 1', async () => {
  const photo = writePhoto('interrupted.png');
  const weights = writeTinyVgg('tiny.safetensors');
  const out = join(scratch, 'interrupted');
  const interrupt = new AbortController();
  // The second method is interrupted: the files of the first are on disk, aside.
  const watch = setInterval(() => {
    if (existsSync(join(out, 'interrupted'))) interrupt.abort();
  }, 1);
  const { status, stderr } = await run(
    [
      ...['explain', photo, '--weight-path', weights, '--output-dir', out],
      ...['--method', 'grad-cam,smooth-grad-cam++:copies=16'],
    ],
    { signal: interrupt.signal },
  );
  clearInterval(watch);
  expect(interrupt.signal.aborted).toBe(true);
  expect(stderr).toBe('webgpu-cam: interrupted\n');
  expect(status).toBe(1);
  expect(existsSync(out)).toBe(false);
});
