import { readdir } from 'node:fs/promises';
import type { AnyKernel } from '../../src/kernels/kernel.js';
import { isKernel } from './kernel-cases.js';

const folder = new URL('../../src/kernels/', import.meta.url);

/** Kernel source files, without the index. */
export const kernelFiles: readonly string[] = (await readdir(folder))
  .filter((name) => name.endsWith('.ts') && name !== 'index.ts')
  .sort();

/** Every kernel that a file of src/kernels exports, in the order of file names. The browser's bundle has a list of its own in place of this. */
export const allKernels: readonly AnyKernel[] = (
  await Promise.all(
    kernelFiles.map(
      (name) => import(`../../src/kernels/${name.replace('.ts', '')}.ts`) as Promise<object>,
    ),
  )
).flatMap((exports) => Object.values(exports).filter(isKernel));
