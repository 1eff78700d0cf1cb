import { homedir } from 'node:os';
import { join } from 'node:path';

/** The folder of ours where the system keeps what can be made or fetched again. Node only. */
export function userCacheFolder(): string {
  const { XDG_CACHE_HOME, LOCALAPPDATA } = process.env;
  const usual =
    process.platform === 'darwin'
      ? join(homedir(), 'Library', 'Caches')
      : join(homedir(), '.cache');
  const local = process.platform === 'win32' ? LOCALAPPDATA : undefined;
  return join(XDG_CACHE_HOME || local || usual, 'webgpu-cam');
}
