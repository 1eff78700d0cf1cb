import { createReadStream, existsSync } from 'node:fs';
import { lstat, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress } from 'node:zlib';
import { userCacheFolder } from './user-cache.js';

/** RTLD_NOW | RTLD_NODELETE: the library must stay although it is no Node addon. */
const dlopenFlags = 0x2 | 0x1000;

/**
 * Loads a shared library into the process.
 *
 * @returns false if there is no such file.
 */
export function hasLibrary(path: string): boolean {
  try {
    process.dlopen({ exports: {} }, path, dlopenFlags);
  } catch (error) {
    // Node refuses it as an addon after it has been loaded, which is all that is wanted.
    return /did not self-register/.test(String(error));
  }
  return true;
}

/**
 * Puts the SwiftShader driver that `@sparticuz/chromium` carries in Dawn's reach, and its Vulkan loader too if
 * `withLoader`. Linux x64 only.
 *
 * Dawn opens `libvulkan.so.1` by name, so a copy that the process has already loaded satisfies it: neither
 * `LD_LIBRARY_PATH` nor a file beside Dawn is needed.
 *
 * @returns false if the package is not there.
 */
export async function loadSoftwareVulkan(withLoader: boolean): Promise<boolean> {
  const folder = await extractSwiftShader();
  if (!folder) return false;
  process.env.VK_DRIVER_FILES = join(folder, 'vk_swiftshader_icd.json');
  return !withLoader || hasLibrary(join(folder, 'libvulkan.so.1'));
}

/** The folder of `@sparticuz/chromium`'s archives, or undefined if it is not installed. */
export function chromiumArchives(): { folder: string; version: string } | undefined {
  const require = createRequire(import.meta.url);
  for (const base of require.resolve.paths('@sparticuz/chromium') ?? []) {
    const root = join(base, '@sparticuz', 'chromium');
    if (existsSync(join(root, 'bin', 'swiftshader.tar.br'))) {
      return { folder: join(root, 'bin'), version: require(join(root, 'package.json')).version };
    }
  }
  return undefined;
}

/** Unpacks the loader and driver once per version into the user's cache folder. */
async function extractSwiftShader(): Promise<string | undefined> {
  const archives = chromiumArchives();
  if (!archives || process.arch !== 'x64') return undefined;
  return unpackOnce(`swiftshader-${archives.version}`, async (target) => {
    const { extract } = await import('tar-fs');
    await pipeline(
      createReadStream(join(archives.folder, 'swiftshader.tar.br')),
      createBrotliDecompress(),
      extract(target),
    );
  });
}

/**
 * Runs `fill` on a fresh folder and renames it to `<cache>/<name>`, so that two processes starting at once never see half of it.
 *
 * @returns the folder's path.
 */
export async function unpackOnce(
  name: string,
  fill: (folder: string) => Promise<void>,
): Promise<string> {
  let lastError: unknown;
  for (const root of [userCacheFolder, ownTemporaryFolder]) {
    let target: string | undefined;
    let aside: string | undefined;
    try {
      target = join(await root(), name);
      if (existsSync(target)) return target;
      await mkdir(dirname(target), { recursive: true });
      aside = await mkdtemp(`${target}-`);
      await fill(aside);
      await rename(aside, target);
      return target;
    } catch (error) {
      if (aside) await rm(aside, { recursive: true, force: true });
      if (target && existsSync(target)) return target; // another process was first
      lastError = error;
    }
  }
  throw lastError;
}

/**
 * A folder for those whose cache cannot be written. What lies in it is loaded into the process, and others may write to the system's folder for
 * temporary files: it must be this user's alone.
 */
async function ownTemporaryFolder(): Promise<string> {
  const uid = process.getuid?.();
  const folder = join(tmpdir(), uid === undefined ? 'webgpu-cam' : `webgpu-cam-${uid}`);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const found = await lstat(folder);
  // Windows has a folder for temporary files a user.
  const isOwn = uid === undefined || (found.uid === uid && (found.mode & 0o022) === 0);
  if (found.isDirectory() && isOwn) return folder;
  throw new Error(`${folder}: should be a folder that only its owner, this user, can write to`);
}
