import { chmod, lstat, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { unpackOnce } from '../../src/gpu/software-vulkan.js';

const isWindows = process.platform === 'win32';

/** Unpacks a file; what it is asked for a second time must be there already. */
const unpack = () => unpackOnce('thing-1', (folder) => writeFile(join(folder, 'file'), 'ours'));

let scratch: string;

beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'webgpu-cam-unpack-'));
  await mkdir(join(scratch, 'tmp'));
  await mkdir(join(scratch, 'cache'));
  vi.stubEnv('XDG_CACHE_HOME', join(scratch, 'cache'));
  vi.stubEnv('TMPDIR', join(scratch, 'tmp'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  await rm(scratch, { recursive: true, force: true });
});

test('is unpacked into the cache once', async () => {
  const folder = await unpack();
  expect(folder).toBe(join(scratch, 'cache', 'webgpu-cam', 'thing-1'));
  await writeFile(join(folder, 'file'), 'kept');
  expect(await unpack()).toBe(folder);
  expect(await readFile(join(folder, 'file'), 'utf8')).toBe('kept');
});

// There the folder for temporary files is a user's own, and no mode tells who may write.
describe.skipIf(isWindows)('where the cache cannot be written', () => {
  let own: string;

  beforeEach(async () => {
    const file = join(scratch, 'file');
    await writeFile(file, '');
    vi.stubEnv('XDG_CACHE_HOME', file); // a folder cannot be made in a file, not even by root
    own = join(scratch, 'tmp', `webgpu-cam-${process.getuid!()}`);
  });

  test('a folder of the user alone is made among the temporary ones', async () => {
    expect(await unpack()).toBe(join(own, 'thing-1'));
    expect((await lstat(own)).mode & 0o777).toBe(0o700);
    expect(await unpack()).toBe(join(own, 'thing-1'));
  });

  const planted = async (folder: string) => {
    await mkdir(join(folder, 'thing-1'), { recursive: true });
    await writeFile(join(folder, 'thing-1', 'file'), 'not ours');
  };

  test('one that others can write to is not trusted', async () => {
    await planted(own);
    await chmod(own, 0o777);
    await expect(unpack()).rejects.toThrow(
      /webgpu-cam-\d+: should be a folder that only its owner/,
    );
    await chmod(own, 0o700);
    expect(await unpack()).toBe(join(own, 'thing-1'));
  });

  test("nor is another user's", async () => {
    const uid = process.getuid!() + 1;
    await planted(join(scratch, 'tmp', `webgpu-cam-${uid}`));
    vi.spyOn(process, 'getuid').mockReturnValue(uid);
    await expect(unpack()).rejects.toThrow(/should be a folder that only its owner/);
  });

  test('nor is a link to somewhere else', async () => {
    await planted(join(scratch, 'elsewhere'));
    await chmod(join(scratch, 'elsewhere'), 0o700);
    await symlink(join(scratch, 'elsewhere'), own);
    await expect(unpack()).rejects.toThrow(/should be a folder that only its owner/);
  });
});
