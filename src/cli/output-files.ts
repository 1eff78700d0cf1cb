import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { UsageError } from './io.js';

/**
 * Files that appear whole or not at all: each is written aside, in the folder it belongs to, and all are renamed at the end.
 *
 * When the signal aborts, what was written aside is removed at once, before any other handler runs. Files are written while nothing else runs, so that
 * an abort never comes in the middle of one: a folder or a file that the system was about to make would stay.
 */
export class OutputFiles {
  readonly #pending: { aside: string; path: string }[] = [];
  #madeFolder: string | undefined;
  readonly #discard = () => this.discard();

  constructor(
    readonly folder: string,
    readonly signal?: AbortSignal,
  ) {
    signal?.addEventListener('abort', this.#discard);
  }

  /** Writes a file aside. @returns the path it will have. @throws UsageError if the folder cannot be written. */
  add(name: string, content: Uint8Array | string): string {
    this.signal?.throwIfAborted();
    const path = join(this.folder, name);
    const aside = join(this.folder, `.${name}.${process.pid}.part`);
    try {
      this.#madeFolder ??= mkdirSync(this.folder, { recursive: true });
      this.#pending.push({ aside, path });
      writeFileSync(aside, content);
    } catch (error) {
      throw unwritable(path, error);
    }
    return path;
  }

  /** Lets all files appear, in the order they were added. */
  commit(): void {
    this.signal?.throwIfAborted();
    try {
      for (let file = this.#pending[0]; file; file = this.#pending[0]) {
        renameSync(file.aside, file.path);
        this.#pending.shift();
      }
    } catch (error) {
      throw unwritable(this.#pending[0].path, error);
    }
    this.#madeFolder = undefined;
    this.discard();
  }

  /** Removes what was not committed. Idempotent. */
  discard(): void {
    this.signal?.removeEventListener('abort', this.#discard);
    for (const { aside } of this.#pending.splice(0)) rmSync(aside, { force: true });
    const { folder, top } = { folder: resolve(this.folder), top: this.#madeFolder };
    this.#madeFolder = undefined;
    if (top === undefined) return;
    try {
      for (let empty = folder; empty.length >= resolve(top).length; empty = dirname(empty)) {
        rmdirSync(empty);
      }
    } catch {
      // Another run has put something there: the folder stays.
    }
  }
}

/** Looks whether files can be made below a folder, without making any. @throws UsageError */
export function checkWritable(folder: string): void {
  let existing = resolve(folder);
  while (!existsSync(existing) && dirname(existing) !== existing) existing = dirname(existing);
  if (!statSync(existing).isDirectory()) {
    throw new UsageError(`${folder}: cannot be written: ${existing} is a file, not a folder`);
  }
  try {
    accessSync(existing, constants.W_OK);
  } catch (error) {
    throw unwritable(folder, error);
  }
}

function unwritable(path: string, error: unknown): UsageError {
  const { code, message } = error as NodeJS.ErrnoException;
  const reasons: Record<string, string> = {
    EACCES: 'permission denied',
    EPERM: 'permission denied',
    EROFS: 'the disk is read-only',
    ENOSPC: 'the disk is full',
    EISDIR: 'it is a folder',
    ENOTDIR: 'a part of its path is a file, not a folder',
    EEXIST: 'a part of its path is a file, not a folder',
    ENAMETOOLONG: 'its name is too long',
  };
  return new UsageError(`${path}: cannot be written: ${reasons[code ?? ''] ?? message}`, {
    cause: error,
  });
}
