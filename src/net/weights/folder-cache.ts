import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256, type WeightsCache } from './fetch.js';

/**
 * A cache of weights in `folder` (made when first needed), for Node. A file is called
 * `<hash of the key>.<hash of the content>.weights`, written aside and then renamed; it is hashed again when
 * read, and one that no longer has its hash is removed and counts as not there.
 */
export function folderCache(folder: string): WeightsCache {
  const stem = async (key: string) => (await sha256(new TextEncoder().encode(key))).slice(0, 32);

  const filesOf = async (key: string): Promise<string[]> => {
    const start = `${await stem(key)}.`;
    const all = await readdir(folder).catch(() => []);
    return all.filter((name) => name.startsWith(start) && name.endsWith('.weights'));
  };

  return {
    async get(key) {
      for (const name of await filesOf(key)) {
        const path = join(folder, name);
        const bytes = await readFile(path).catch(() => undefined);
        if (!bytes) continue;
        if (name.split('.')[1] === (await sha256(bytes))) {
          return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
        }
        await rm(path, { force: true });
      }
      return undefined;
    },
    async put(key, bytes) {
      await mkdir(folder, { recursive: true });
      const name = `${await stem(key)}.${await sha256(bytes)}.weights`;
      const aside = join(
        folder,
        `${name}.${process.pid}-${Math.random().toString(36).slice(2)}.part`,
      );
      try {
        await writeFile(aside, bytes);
        await rename(aside, join(folder, name));
      } catch (error) {
        await rm(aside, { force: true });
        throw error;
      }
      for (const old of await filesOf(key)) {
        if (old !== name) await rm(join(folder, old), { force: true });
      }
    },
  };
}
